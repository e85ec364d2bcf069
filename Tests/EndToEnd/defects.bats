# The defects of the system that this one replaces (A1 to A20), each with the test here that would have caught it.
#
#     A1   small files taken for empty ones             below
#     A2   windows that lose the end of a range         windows.bats: "A2: …" (two)
#     A3   partitions that overwrite one another        pg-partitions.bats: "A3: …"
#     A4   failures that count as success               below; archive.bats: "a partition … fails alone" (three)
#     A5   dates that are ignored                       below; pg-partitions.bats: "A5: …"
#     A6   values in other spellings, NULL as ''        below; pg-extract-jsonl.bats: "every type gives …"
#     A7   a dry run that drops tables                  below; archive.bats: "a dry run touches nothing"
#     A8   restored tables that belong to nobody        below; archive.bats: "archive, verify, drop, restore …"
#     A9   a name that takes its longer sisters along   below
#     A10  bad files and rows passed over in silence    below; damage.bats: "rot is found before …"
#     A11  numbers through floating point, long lines   below
#     A12  times that come back as numbers              below
#     A13  a cache that a crash empties                 pg-partitions.bats and damage.bats: "A13: …"
#     A14  slices that are never skipped                below; archive.bats: "windows of a plain table …"
#     A15  changes after archiving that go unnoticed    below; archive.bats: "changed rows are archived anew …"
#     A16  a run without a snapshot, counts not held    below
#     A17  a dump with options that exclude each other  archive.bats, pg-extract-jsonl.bats: "usage errors …"
#     A18  names cut short, writes to the source        below
#     A19  duplicates that vanish from a comparison     below
#     A20  ETags taken for digests of the content       below; damage.bats: "A20: …"

# Tests are subshells, and what they eval or hand to other shells is in single quotes.
# shellcheck disable=SC2016,SC2030,SC2031,SC2034,SC2154

load support
load archiving

setup_file() {
  start_postgres
  MIN_PART=1 start_store --own
}

setup() { enter_work; }

@test "A1: a few tiny rows are archived, however small their file" {
  change "create table tiny (a int, d date) partition by range (d);
    create table tiny_1 partition of tiny for values from ('2024-01-01') to ('2024-01-02');
    insert into tiny values (1, '2024-01-01')"
  archived tiny
  assert_equal "$(summary_of uploaded rows)" "1 1"
  assert_equal "$(zst -d <"$WORK/store/export/tiny/2024/01/2024-01-01.jsonl.zst")" '{"a":1,"d":"2024-01-01"}'
  change "create table slim (b boolean) partition by list (b); create table slim_1 partition of slim for values in (true);
    insert into slim values (true)"
  archived slim
  assert_equal "$(zstd -dc "$WORK/store/export/slim/slim_1.jsonl.zst")" '{"b":true}'
}

@test "A4: one partition that fails makes the run fail, and the summary says so" {
  make_days partly 3 10
  # In the place of one object is a folder.
  mkdir -p "$WORK/store/export/partly/2024/01/2024-01-02.jsonl.zst/in the way"
  archive_table partly
  assert_status 74
  assert_summary "2 0 0 1"
  assert_equal "$(receipts)" 2
}

@test "A5: the days that were asked for are archived, and no others" {
  make_days asked 5 10
  archived asked --from 2024-01-02 --to 2024-01-03
  assert_equal "$(jq -r .partition "$MANIFEST" | sort | xargs)" "asked_20240102 asked_20240103"
  archived asked --from 2024-01-02
  assert_summary "2 0 2 0"
}

@test "A6, A11, A12: values come back as they were, times, big numbers and long lines too" {
  change "create type mood as enum ('ok', 'a \"b\"');
    create table awkward (id bigint, d date, n numeric, f float8, r real, j json, jb jsonb, u uuid, l text[], m mood[],
      i inet, iv interval, b bytea, ts timestamp, tz timestamptz, t text, e text) partition by range (d);
    create table awkward_1 partition of awkward for values from ('2024-01-01') to ('2024-01-02');
    insert into awkward values
      (9007199254740993, '2024-01-01', 123456789012345678901234567890.123456789, 'NaN', '-Infinity',
        '{\"a\": 9007199254740993, \"a\": 1.10}', '{\"x\": 0.1000}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
        array['', null, 'null', 'a,b', E'\\\\'], array['ok', 'a \"b\"']::mood[], '::1/64', '1 mon -3 days 00:00:00.000001',
        '\\x00ff', '2024-02-29 23:59:59.999999', '0044-03-15 12:00:00+00 BC', repeat('long ', 40000), ''),
      (-9223372036854775808, '2024-01-01', 'NaN', 0.1, 3.4028235e38, '[null]', '{}', null, '{}', '{ok,ok}', '10.0.0.1',
        '-178000000 years', '', 'infinity', '-infinity', null, E'\\u0001\n\r\t\u2028')"
  before=$(contents awkward)
  archived awkward
  change "alter table awkward detach partition awkward_1; alter table awkward_1 rename to awkward_kept"
  run --separate-stderr restore --manifest "$MANIFEST" --partition awkward_1 --attach
  assert_status 0
  assert_equal "$(contents awkward)" "$before"
  assert_equal "$(sql "select ours from awkward_1 ours")" "$(sql "select theirs from awkward_kept theirs")"
}

@test "A7: restore never touches rows that are there, and drops nothing" {
  make_days there 2 10
  archived there
  change "update there_20240101 set kind = 'mine'"
  before=$(contents there)
  run --separate-stderr restore --manifest "$MANIFEST" --all --attach
  assert_status 65
  assert_stderr_has 'there_20240101 is there already, with other rows'
  assert_equal "$(contents there)" "$before"
}

@test "A8: a restored partition belongs to its table, also two levels down" {
  change "create table tree (k text, d date) partition by list (k);
    create table tree_a partition of tree for values in ('a') partition by range (d);
    create table tree_a_1 partition of tree_a for values from ('2024-01-01') to ('2024-02-01');
    insert into tree values ('a', '2024-01-15')"
  archived tree
  change "drop table tree_a_1"
  run --separate-stderr restore --manifest "$MANIFEST" --all --attach
  assert_status 0
  assert_equal "$(sql 'select * from tree')" 'a|2024-01-15'
  assert_equal "$(sql "select inhparent::regclass from pg_inherits where inhrelid = 'tree_a_1'::regclass")" tree_a
}

@test "A9: a table's name does not take along those that begin with it, and weeks have dates" {
  make_days flights 2 10
  make_days flights_old 2 10
  archived flights
  archived flights_old
  run --separate-stderr restore --manifest "$MANIFEST" --table flights --all --dry-run
  assert_equal "$(jq -r .table <<<"$output" | sort -u)" flights
  run --separate-stderr restore --manifest "$MANIFEST" --table public.flights_old --all --from 2024-01-02 --dry-run
  assert_equal "$(jq -r .partition <<<"$output")" flights_old_20240102
  change "create table weekly (at date); insert into weekly select date '2024-01-01' + i from generate_series(0, 27) i"
  archived weekly --slice-by at --every week --key 'w/{IYYY}-W{IW}'
  run --separate-stderr restore --manifest "$MANIFEST" --table weekly --all --from 2024-01-08 --to 2024-01-21 --dry-run
  assert_equal "$(jq -r .key <<<"$output" | xargs)" "w/2024-W02 w/2024-W03"
}

@test "A10: an object that is damaged or gone makes restore fail, and the others come back" {
  make_days bad 3 10
  archived bad
  change "drop table bad_20240101; drop table bad_20240102; drop table bad_20240103"
  rm "$WORK/store/export/bad/2024/01/2024-01-01.jsonl.zst"
  truncate -s -3 "$WORK/store/export/bad/2024/01/2024-01-02.jsonl.zst"
  run --separate-stderr restore --manifest "$MANIFEST" --all --attach
  assert_status 65
  assert_equal "$(sql 'select tableoid::regclass, count(*) from bad group by 1')" 'bad_20240103|10'
}

@test "A14: windows that were archived are left out the next time, the months of a partition too" {
  change "create table monthly (at date) partition by range (at);
    create table monthly_1 partition of monthly for values from ('2024-01-01') to ('2024-02-01');
    insert into monthly select date '2024-01-01' + i from generate_series(0, 30) i"
  archived monthly_1 --slice-by at --every week --from 2024-01-01 --to 2024-01-31
  assert_summary "5 0 0 0"
  before=$(pages_looked_at)
  archived monthly_1 --slice-by at --every week --from 2024-01-01 --to 2024-01-31
  assert_summary "0 0 5 0"
  assert_equal "$(pages_looked_at)" "$before"
}

@test "A15: a row that comes late is noticed, although the object in the store has not changed" {
  make_days late 2 10
  archived late
  change "insert into late_20240101 (id, at) values (1, '2024-01-01 23:59:59+00')"
  archived late
  assert_summary "1 0 1 0"
  assert_equal "$(receipt_of late_20240101 | jq .rows)" 11
}

@test "A16: all partitions of a run are read at one moment, whatever is written meanwhile" {
  change "create table moment (id int, n int, d date) partition by range (d)"
  for day in 1 2 3 4; do
    sql "create table moment_$day partition of moment for values from ('2024-01-0$day') to ('2024-01-0$((day + 1))')"
  done
  change "insert into moment select i, 0, date '2024-01-01' + i % 4 from generate_series(0, 399) i"
  # Before each partition is read, one statement changes the rows of all.
  archived moment --workers 1 --encrypt "psql -qXc 'update moment set n = n + 1; insert into moment
    select 1000, n, d from (select distinct n, d from moment) x' && cat" --check content
  assert_summary "4 0 0 0"
  assert_equal "$(find "$WORK/store" -type f -exec zstd -dc {} + | jq -s -c '[length, (map(.n) | unique)]')" "[400,[0]]"
  assert_equal "$(jq -s -c '[length, (map(.rows) | unique)]' "$MANIFEST")" "[4,[100]]"
  # What was written meanwhile is not forgotten.
  settle
  archived moment --dry-run
  assert_equal "$(jq -r .verdict <<<"$output" | sort -u)" changed
}

@test "A18: the source database is only read, and names of 63 bytes stay apart" {
  long=$(printf 'n%.0s' {1..52})
  make_days "$long" 3 5
  PGOPTIONS='-c default_transaction_read_only=on' archived "$long"
  assert_summary "3 0 0 0"
  long=$(printf 'm%.0s' {1..62})
  change "create table ${long} (d date) partition by range (d);
    create table ${long}1 partition of ${long} for values from ('2024-01-01') to ('2024-01-02');
    create table ${long}2 partition of ${long} for values from ('2024-01-02') to ('2024-01-03')"
  archived "$long" --key '{partition}'
  assert_equal "$(stored_files | grep '^m')" "${long}1"$'\n'"${long}2"
}

@test "A19: rows that are there twice are archived twice, and restored twice" {
  change "create table dup (a int, d date) partition by range (d);
    create table dup_1 partition of dup for values from ('2024-01-01') to ('2024-01-02');
    insert into dup select 7, '2024-01-01' from generate_series(1, 50)"
  archived dup
  assert_equal "$(summary_of rows)" 50
  change "drop table dup_1"
  run --separate-stderr restore --manifest "$MANIFEST" --all --attach
  assert_status 0
  assert_equal "$(sql 'select count(*), min(a), max(a) from dup')" '50|7|7'
}

@test "A20: receipts say what the content is, whatever the store calls it" {
  make_days parts 2 3000
  # Digits that do not compress, so that there are several parts.
  change "update parts set kind = md5(id::text) || md5((id * 7)::text)"
  STORE=s3://$BUCKET/a20/
  archived parts --put-options --part-size=64KiB
  assert_equal "$(receipt_of parts_20240101 | jq '.parts > 1 and (.etag | contains("-"))')" true
  for day in 01 02; do
    s3 GET "/$BUCKET/a20/export/parts/2024/01/2024-01-$day.jsonl.zst" >"$WORK/object"
    digest=$(sha256sum <"$WORK/object")
    assert_equal "$(receipt_of "parts_202401$day" | jq -r .sha256)" "${digest%% *}"
  done
  verify_all content
  assert_status 0
  # The same bytes uploaded otherwise are no other content.
  s3 --data "$WORK/object" PUT "/$BUCKET/a20/export/parts/2024/01/2024-01-02.jsonl.zst"
  archived parts --put-options --part-size=64KiB
  [[ $(summary_of failed) == 0 ]]
  verify_all
  assert_status 0
}
