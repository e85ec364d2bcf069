# bats file_tags=long
# The clock of pg-partplan over thirty years: whatever the interval, the zone and the beginning, ranges follow one another.

load support
load partitioning

setup_file() {
  start_postgres
  sql "create table events (at timestamptz) partition by range (at); create table wall (at timestamp) partition by range (at);
    create table days (at date) partition by range (at)"
}

readonly zones='UTC Europe/Berlin America/New_York Australia/Lord_Howe Asia/Kolkata Pacific/Apia'
# An hour, half an hour, a whole day that the clock left out.
readonly odd_zones='Europe/Berlin Australia/Lord_Howe Pacific/Apia'

# check TABLE ZONE INTERVAL START: thirty years of ranges from 2000 on, or seven from 2006, have no gaps, no overlaps and no empty ones, are aligned to the
# interval's steps on the zone's clock, and a plan made elsewhere in these years has the same ones.
check() {
  local table=$1 zone=$2 interval=$3 start=$4 years=30 year=2000
  # Of short ones those years in which America's summer became longer, and Apia left a day out.
  if [[ $interval == @(*hours|'1 day') ]]; then years=7 year=2006; fi
  policy <<<"- {table: $table, key: at, interval: $interval, premake: 0, horizon: $years years, time_zone: $zone, start: \"$start\"}"
  draft --at $year-03-05T07:11:00Z || fail "$*"
  members from to partition >"$BATS_TEST_TMPDIR/ranges"
  awk -v what="$*" 'NR > 1 && $1 != last { print what ": gap or overlap at " $0 } $1 >= $2 { print what ": empty " $0 }
    { last = $2 } END { if (NR < 2) print what ": no ranges" }' "$BATS_TEST_TMPDIR/ranges"
  [[ -z $(cut -d ' ' -f 3 "$BATS_TEST_TMPDIR/ranges" | sort | uniq -d) ]] || echo "$*: names twice"
  sed -i "s/horizon: $years years/horizon: 1 year/" "$POLICY"
  plan --at 2011-12-29T23:00:00Z
  members from to partition | head -n 400 | grep -vxFf "$BATS_TEST_TMPDIR/ranges" | head -n 3
  awk '{ print $1 }' "$BATS_TEST_TMPDIR/ranges" | aligned "$@"
}

# aligned TABLE ZONE INTERVAL START: whether each line read is START plus a number of intervals. Clocks that skip a time show the next one.
aligned() {
  { echo "create temp table b (t timestamptz); copy b from stdin;" && cat && echo '\.' &&
    cat <<SQL; } | psql -qAtX --set ON_ERROR_STOP=1
      with s as (select coalesce(nullif('$4', ''), '2000-01-01')::timestamp as start, interval '$3' as step),
        k as (select case when '$1' <> 'events' then start + n * step
            when extract(day from step) = 0 and extract(month from step) = 0 and extract(year from step) = 0
            then ((start at time zone '$2') + n * step) at time zone 'UTC'
            else (start + n * step) at time zone '$2' at time zone 'UTC' end as t
          from s, generate_series(-3, (32 * 366 * 86400 / extract(epoch from step))::int) n)
      select '$*: not aligned: ' || b.t from b where b.t at time zone 'UTC' not in (select t from k) limit 3
SQL
}

@test "moments: steps of the calendar in every zone" {
  {
    for zone in $zones; do
      for interval in '1 day' '1 month'; do check events "$zone" "$interval" '2000-01-01'; done
    done
    for zone in $odd_zones; do
      for interval in '1 week' '10 days' '1 year'; do check events "$zone" "$interval" '2000-01-01'; done
      for interval in '1 day' '3 months'; do check events "$zone" "$interval" '1999-12-29 02:30'; done
    done
  } | tee "$BATS_TEST_TMPDIR/out"
  [[ ! -s $BATS_TEST_TMPDIR/out ]]
}

@test "moments: steps shorter or odder than a day" {
  for zone in $odd_zones; do
    for interval in '12 hours' '36 hours' '1 month 5 days'; do check events "$zone" "$interval" '2000-01-01'; done
  done | tee "$BATS_TEST_TMPDIR/out"
  [[ ! -s $BATS_TEST_TMPDIR/out ]]
}

@test "hours and less where clocks are set back by half an hour or a whole one: the server takes them, and a second plan is empty" {
  local moment zone day interval
  for moment in 'Australia/Lord_Howe 2011-04-02' 'Australia/Lord_Howe 2011-10-01' 'Europe/Berlin 2011-10-29'; do
    read -r zone day <<<"$moment"
    for interval in '1 hour' '2 hours' '90 minutes' '30 minutes' '15 minutes'; do
      sql "drop table events; create table events (at timestamptz) partition by range (at)"
      policy <<<"- {table: events, key: at, interval: $interval, premake: 0, horizon: 2 days, time_zone: $zone}"
      plan --at "${day}T00:00:00Z" || fail "$zone, $interval from $day: exit $?"
      carry_out
      plan --at "${day}T00:00:00Z"
      assert_equal "$(cat "$PLAN")" "" "$zone, $interval from $day"
    done
  done
}

@test "a second plan is empty: weeks that begin on any day, quarters, and odd steps" {
  local rule
  for rule in 'interval: 1 week, week_start: sunday' 'interval: 1 week, week_start: wednesday' 'interval: 3 months' 'interval: 1 month 5 days' \
    'interval: 36 hours' 'interval: 5 hours' 'interval: 10 days' 'interval: 1 year'; do
    for zone in $odd_zones; do
      sql "drop table events; create table events (at timestamptz) partition by range (at)"
      policy <<<"- {table: events, key: at, $rule, premake: 9, time_zone: $zone}"
      plan --at 2011-03-20
      carry_out
      plan --at 2011-03-20
      assert_equal "$(cat "$PLAN")" "" "$zone, $rule"
    done
  done
}

@test "wall clocks and dates" {
  for zone in Australia/Lord_Howe Pacific/Apia; do
    for interval in '1 day' '1 month'; do
      check wall "$zone" "$interval" '2000-01-31 06:00'
      check days "$zone" "$interval" '2000-01-31'
    done
    check wall "$zone" '6 hours' '2000-01-01'
  done | tee "$BATS_TEST_TMPDIR/out"
  [[ ! -s $BATS_TEST_TMPDIR/out ]]
}

@test "the server takes the ranges of a year, day by day, and a second plan is empty" {
  for zone in $odd_zones; do
    sql "drop table events; create table events (at timestamptz) partition by range (at)"
    policy <<<"- {table: events, key: at, interval: 1 day, premake: 0, horizon: 1 year, time_zone: $zone}"
    plan --at 2011-06-01
    carry_out
    plan --at 2011-06-01
    assert_equal "$(cat "$PLAN")" ""
    # From the day that holds the moment to the one that holds it a year later, both included; Apia had no 30 December.
    days=$(sql "select (w + interval '1 year - 1 second')::date - w::date + 1
      from (select timestamptz '2011-06-01 00:00+00' at time zone '$zone') as n (w)")
    assert_equal "$(sql "select count(*) from pg_inherits where inhparent = 'events'::regclass")" \
      "$([[ $zone == Pacific/Apia ]] && echo $((days - 1)) || echo "$days")" "$zone"
  done
}
