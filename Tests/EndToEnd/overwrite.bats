# What is in the archive is not replaced by less, nor by something else.

load support
load archiving

setup_file() { start_postgres; }
setup() { enter_work; }

rows_in() { zst -d <"$WORK/store/$1" | wc -l; }

@test "rows deleted after they were archived are not lost in the archive too" {
  make_days purged 2 100
  archived purged
  change "truncate purged_20240101; delete from purged_20240102 where id % 10 = 0"
  archive_table purged
  assert_status 1
  assert_stderr_has "0 rows would take the place of 100"
  assert_summary "0 0 0 2"
  assert_equal "$(rows_in export/purged/2024/01/2024-01-01.jsonl.zst)" 100
  verify_all
  assert_status 0
  archived purged --allow-fewer
  assert_summary "2 0 0 0"
  assert_equal "$(rows_in export/purged/2024/01/2024-01-02.jsonl.zst)" 90
}

@test "windows that were purged keep their objects" {
  change "create table log (at timestamptz); insert into log select '2024-01-01'::timestamptz + i * interval '1 hour' from generate_series(0, 1439) i"
  windows=(--slice-by at --every month --from 2024-01-01 --to 2024-02-29 --key 'log/{YYYY}-{MM}.zst')
  archived log "${windows[@]}"
  change "delete from log where at < '2024-02-01'"
  archive_table log "${windows[@]}"
  assert_status 1
  assert_equal "$(rows_in log/2024-01.zst)" 744
}

@test "a window that grows under the same key is archived anew" {
  change "create table grown (at timestamptz); insert into grown select '2024-01-01'::timestamptz + i * interval '1 hour' from generate_series(0, 743) i"
  windows=(--slice-by at --every month --key 'grown/{YYYY}-{MM}.zst' --from 2024-01-01)
  archived grown "${windows[@]}" --to 2024-01-15
  assert_equal "$(rows_in grown/2024-01.zst)" 360
  archived grown "${windows[@]}" --to 2024-01-31
  assert_summary "1 0 0 0"
  assert_equal "$(rows_in grown/2024-01.zst)" 744
}

@test "a key that another table has is a conflict, and its object stays" {
  change "create schema one; create schema two;
    create table one.same (d date) partition by range (d); create table one.same_1 partition of one.same for values from ('2024-01-01') to ('2024-01-02');
    create table two.same (d date) partition by range (d); create table two.same_1 partition of two.same for values from ('2024-01-01') to ('2024-01-02');
    insert into one.same select '2024-01-01' from generate_series(1, 100); insert into two.same select '2024-01-01' from generate_series(1, 200)"
  archived one.same
  archive_table two.same
  assert_status 65
  assert_stderr_has "the receipt of this key is of schema one"
  assert_summary "0 0 0 1"
  assert_equal "$(rows_in export/same/2024/01/2024-01-01.jsonl.zst)" 100
  archived two.same --key 'export/{schema}/{table}/{YYYY}-{MM}-{DD}.jsonl.zst'
}

@test "A3: a key that serves another period is a conflict, and its object stays" {
  change "create table hours (id int, at timestamptz);
    insert into hours select i, '2024-01-01'::timestamptz + i * interval '1 hour' from generate_series(0, 71) i"
  windows=(--slice-by at --every day --key 'hours/{YYYY}-{MM}.zst')
  archived hours "${windows[@]}" --from 2024-01-01 --to 2024-01-01
  archive_table hours "${windows[@]}" --from 2024-01-02 --to 2024-01-02
  assert_status 65
  assert_stderr_has "the receipt of this key is of the rows from 2024-01-01"
  assert_equal "$(zst -d <"$WORK/store/hours/2024-01.zst" | jq -s 'map(.id) | [min, max]' -c)" "[0,23]"
  # A partition's name that came again, with a later range.
  change "create table weekly (at timestamptz) partition by range (at);
    create table weekly_mon partition of weekly for values from ('2024-01-01 00:00Z') to ('2024-01-02 00:00Z');
    insert into weekly values ('2024-01-01 12:00Z')"
  archived weekly --key 'weekly/{partition}'
  change "drop table weekly_mon; create table weekly_mon partition of weekly for values from ('2024-01-08 00:00Z') to ('2024-01-09 00:00Z');
    insert into weekly select '2024-01-08 12:00Z' from generate_series(1, 5)"
  archive_table weekly --key 'weekly/{partition}'
  assert_status 65
  assert_equal "$(rows_in weekly/weekly_mon)" 1
}

@test "what no receipt tells of is not replaced, unless it has the same bytes" {
  make_days orphan 2 10
  archived orphan
  change "delete from orphan_20240101"
  mv "$MANIFEST" "$MANIFEST.old"
  archive_table orphan
  assert_status 1
  assert_stderr_has "the manifest has no receipt of it"
  assert_summary "0 1 0 1"
  assert_equal "$(rows_in export/orphan/2024/01/2024-01-01.jsonl.zst)" 10
  archived orphan --allow-fewer
  assert_equal "$(rows_in export/orphan/2024/01/2024-01-01.jsonl.zst)" 0
  # Another table's, in another manifest.
  change "create schema elsewhere; create table elsewhere.orphan (d date) partition by range (d);
    create table elsewhere.orphan_1 partition of elsewhere.orphan for values from ('2024-01-02') to ('2024-01-03');
    insert into elsewhere.orphan select '2024-01-02' from generate_series(1, 50)"
  run --separate-stderr archive --store "$STORE" --manifest "$WORK/another.ndjson" --table elsewhere.orphan
  assert_status 1
  assert_equal "$(rows_in export/orphan/2024/01/2024-01-02.jsonl.zst)" 10
}

@test "variables meant for a stage do not change what is archived" {
  make_days strict 1 10
  export SLUICE_COLUMNS=id SLUICE_QUOTE_NUMBERS=1 SLUICE_ORDER_BY='id desc'
  archived strict
  unset SLUICE_COLUMNS SLUICE_QUOTE_NUMBERS SLUICE_ORDER_BY
  assert_equal "$(zst -d <"$WORK/store/export/strict/2024/01/2024-01-01.jsonl.zst" | head -n 1)" \
    "$(pg-extract-jsonl --relation strict_20240101 | head -n 1)"
}

@test "a dry run of the publisher leaves no receipt" {
  make_days dry 1 10
  archive_table dry --put-options=--dry-run
  assert_equal "$(receipts)" 0
  assert_equal "$(stored_files)" ""
}

@test "deeply nested json is archived, verified and restored" {
  change "create table deep (d date, j jsonb) partition by range (d);
    create table deep_1 partition of deep for values from ('2024-01-01') to ('2024-01-02');
    insert into deep values ('2024-01-01', (repeat('[', 2000) || repeat(']', 2000))::jsonb)"
  archived deep
  kept=$(contents deep)
  sql "drop table deep_1"
  restore --manifest "$MANIFEST" --all --attach
  assert_equal "$(contents deep)" "$kept"
}
