# pg-partitions --slice-by: windows that miss no row and share none.

# Tests are subshells, and what they eval or hand to other shells is in single quotes.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154

load support
load archiving

setup_file() {
  start_postgres
  sql "create table calls (id int, at timestamptz, wall timestamp, day date);
    insert into calls select i, t, t at time zone 'UTC', (t at time zone 'UTC')::date
      from (select i, timestamptz '2019-12-25 00:00+00' + i * interval '7 hours 13 minutes' as t
        from generate_series(0, 7700) i) x;
    create table nights (at timestamptz); insert into nights
      select timestamptz '2024-03-30 00:00+00' + i * interval '10 minutes' from generate_series(0, 500) i;
    insert into nights select timestamptz '2024-10-26 00:00+00' + i * interval '10 minutes' from generate_series(0, 500) i;
    create table bare (id int, at timestamptz);
    create table parted (id int, at timestamptz) partition by hash (id);
    create table parted_0 partition of parted for values with (modulus 2, remainder 0);
    create table parted_1 partition of parted for values with (modulus 2, remainder 1);
    insert into parted select id, at from calls where id < 100"
  settle
}

setup() { enter_work; }

# windows TABLE COLUMN STEP OPTION…: into the file `windows`; keys need not differ by day here.
windows() {
  local table=$1 column=$2 step=$3
  shift 3
  pg-partitions --table "$table" --slice-by "$column" --every "$step" --include-open --key '{YYYY}{MM}{DD}{HH}' "$@" \
    >"$WORK/windows"
}

# Fails unless the windows touch one another and go exactly from $1 to $2.
assert_cover() {
  jq -s -e --arg from "$1" --arg to "$2" '
    (.[0].from == $from) and (.[-1].to == $to) and all(.[]; .from < .to)
    and ([range(1; length) as $i | .[$i - 1].to == .[$i].from] | all)' "$WORK/windows" >/dev/null ||
    fail "not from $1 to $2 without gaps: $(jq -r '"\(.from) \(.to)"' "$WORK/windows")"
}

# Fails unless each window but the first begins where the calendar's does.
assert_aligned() {
  local pattern
  case $1 in
  hour) pattern='T..:00:00\\.000000Z?$' ;;
  day) pattern='^....-..-..(T00:00:00\\.000000Z?)?$' ;;
  month) pattern='^....-..-01(T00:00:00\\.000000Z?)?$' ;;
  quarter) pattern='^....-(01|04|07|10)-01(T00:00:00\\.000000Z?)?$' ;;
  year) pattern='^....-01-01(T00:00:00\\.000000Z?)?$' ;;
  week)
    jq -s -e 'all(.[1:][]; .from[:10] | strptime("%Y-%m-%d") | mktime | gmtime[6] == 1)' "$WORK/windows" >/dev/null ||
      fail "a week does not begin on a Monday"
    return
    ;;
  esac
  jq -s -e "all(.[1:][]; .from | test(\"$pattern\"))" "$WORK/windows" >/dev/null || fail "a $1 is not aligned"
}

# Fails unless each row of $1 that fulfils $2 lies in exactly one of the windows.
assert_each_row_once() {
  local hits
  hits=$(jq -r '"(\(.where))::int"' "$WORK/windows" | paste -sd+)
  assert_equal "$(sql "select count(*) from $1 where ($2)::int <> $hits")" 0 "rows in no window or two"
}

@test "A2: no day of a month is lost in weekly windows, in any month of six years" {
  for year in 2020 2021 2022 2023 2024 2025; do
    for month in 01 02 03 04 05 06 07 08 09 10 11 12; do
      first=$year-$month-01
      next=$(date -d "$first + 1 month" +%F)
      windows calls day week --from "$first" --to "$(date -d "$next - 1 day" +%F)"
      assert_cover "$first" "$next"
      assert_aligned week
      cat "$WORK/windows" >>"$WORK/all"
    done
  done
  counts=$(jq -r '"select count(*) as n from calls where \(.where)"' "$WORK/all" | sed '$!s/$/ union all/')
  assert_equal "$(sql "select sum(n) from ($counts) x")" \
    "$(sql "select count(*) from calls where day >= '2020-01-01' and day < '2026-01-01'")" "rows in all windows"
}

@test "A2: a range that begins within a month loses neither its end nor a month, and nothing before it is taken" {
  windows calls day month --from 2024-01-20 --to 2024-03-05
  assert_equal "$(jq -r '"\(.from) \(.to)"' "$WORK/windows")" \
    $'2024-01-20 2024-02-01\n2024-02-01 2024-03-01\n2024-03-01 2024-03-06'
  windows calls day month --from 2023-01-31 --to 2023-05-01
  assert_equal "$(jq -r .from "$WORK/windows" | xargs)" "2023-01-31 2023-02-01 2023-03-01 2023-04-01 2023-05-01"
  assert_each_row_once calls "day >= '2023-01-31' and day < '2023-05-02'"
}

@test "every step over many ranges: contiguous, aligned, clamped, and each row in one window" {
  for range in 2020-02-29:2020-02-29 2019-12-30:2020-01-06 2024-01-31:2024-03-31; do
    from=${range%:*} to=${range#*:}
    end=$(date -d "$to + 1 day" +%F)
    for step in day week month quarter year; do
      windows calls day "$step" --from "$from" --to "$to"
      assert_cover "$from" "$end"
      assert_aligned "$step"
      assert_each_row_once calls "day >= '$from' and day < '$end'"
      windows calls wall "$step" --from "$from" --to "$to"
      assert_cover "${from}T00:00:00.000000" "${end}T00:00:00.000000"
      windows calls at "$step" --from "$from" --to "$to"
      assert_cover "${from}T00:00:00.000000Z" "${end}T00:00:00.000000Z"
      assert_aligned "$step"
      assert_each_row_once calls "at >= '${from}T00:00Z' and at < '${end}T00:00Z'"
    done
    windows calls at hour --from "$from" --to "$from"
    assert_equal "$(wc -l <"$WORK/windows")" 24
    assert_aligned hour
  done
}

@test "nights in which clocks change lose no hour and count none twice" {
  for day in 2024-03-31 2024-10-27; do
    for step in hour day week; do
      windows nights at "$step" --time-zone Europe/Berlin --from "$day" --to "$day"
      assert_cover "$(sql "select to_char('$day'::timestamp at time zone 'Europe/Berlin', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")" \
        "$(sql "select to_char(('$day'::date + 1)::timestamp at time zone 'Europe/Berlin', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")"
      assert_each_row_once nights "(at at time zone 'Europe/Berlin')::date = '$day'"
      assert_equal "$(jq -r .key "$WORK/windows" | sort | uniq -d)" ""
    done
  done
  # A clock change at midnight, one of half an hour, and one of two hours.
  for zone in America/Havana Asia/Beirut Australia/Lord_Howe Antarctica/Troll; do
    for step in hour day; do
      windows nights at "$step" --time-zone "$zone" --from 2024-03-30 --to 2024-04-10
      assert_equal "$(jq -r .key "$WORK/windows" | sort | uniq -d)" ""
      assert_each_row_once nights "at >= timestamp '2024-03-30' at time zone '$zone'
        and at < timestamp '2024-04-11' at time zone '$zone'"
    done
  done
}

@test "without days the windows go from the least to the greatest value" {
  windows calls at year
  assert_cover 2019-12-25T00:00:00.000000Z "$(sql "select to_char(date_trunc('day', max(at)) + interval '1 day',
    'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') from calls")"
  assert_each_row_once calls true
  windows calls day month --from 2026-03-15
  assert_each_row_once calls "day >= '2026-03-15'"
  windows bare at day
  assert_equal "$(cat "$WORK/windows")" ""
  windows bare at month --from 2024-01-01 --to 2024-02-29
  assert_equal "$(wc -l <"$WORK/windows")" 2
}

@test "a partitioned table can be cut too, and a change in any partition shows" {
  windows parted at month
  assert_each_row_once parted true
  before=$(jq -r .fingerprint "$WORK/windows" | sort -u)
  change "delete from parted_1 where id = (select min(id) from parted_1)"
  windows parted at month
  [[ $(jq -r .fingerprint "$WORK/windows" | sort -u) != "$before" ]]
}

@test "rows that no window can hold are told of" {
  change "create table loose (at timestamptz); insert into loose values ('2024-01-01'), (null), ('infinity');
    create table tight (at timestamptz not null); insert into tight values ('2024-01-01')"
  run --separate-stderr pg-partitions --table loose --slice-by at --every day
  assert_status 0
  assert_equal "$(wc -l <<<"$output")" 1
  assert_stderr_has 'rows whose "at" is null or infinite lie in no window'
  run --separate-stderr pg-partitions --table tight --slice-by at --every day
  assert_equal "$stderr" ""
}

@test "columns that cannot be cut, and options that exclude each other" {
  run --separate-stderr pg-partitions --table calls --slice-by id --every day
  assert_status 65
  run --separate-stderr pg-partitions --table calls --slice-by nope --every day
  assert_status 65
  run --separate-stderr pg-partitions --table calls --slice-by day --every hour
  assert_status 65
  for words in '--slice-by at' '--every day' '--slice-by at --every day --by-name' '--slice-by at --every fortnight'; do
    # shellcheck disable=SC2086  # several words
    run --separate-stderr env PGHOST=/nonexistent pg-partitions --table calls $words
    assert_status 64
  done
}

@test "hours that the clocks skip have keys of their own where the column has no zone" {
  sql "create table wall (at timestamp); insert into wall select '2023-03-12'::timestamp + i * interval '30 minutes' from generate_series(0, 47) i"
  run --separate-stderr pg-partitions --table wall --slice-by at --every hour --time-zone America/New_York \
    --from 2023-03-12 --to 2023-03-12 --key '{YYYY}{MM}{DD}{HH}' --count exact
  assert_status 0
  assert_equal "$(jq -s 'map(.rows) | add' <<<"$output")" 48
}
