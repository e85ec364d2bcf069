# Helpers of the tests that archive tables: `load archiving` behind `load support`. Each test works in a directory of its
# own, $WORK, with the store there, the manifest in manifest.ndjson, and tables of its own names.
# shellcheck shell=bash disable=SC2154,SC2016,SC2034  # `run` sets variables, tests use them, eval expands

# A directory for this test alone, and a store in it.
enter_work() {
  WORK=$BATS_TEST_TMPDIR/work
  mkdir -p "$WORK"
  cd "$WORK" || return
  STORE=file://$WORK/store
  MANIFEST=$WORK/manifest.ndjson
}

# The statistics that fingerprints are made of come with the end of a session, a moment after its client's.
settle() {
  eventually 20 eval '[[ $(sql "select count(*) from pg_stat_activity where datname = current_database()
    and pid <> pg_backend_pid() and backend_type = '"'client backend'"'") == 0 ]]'
}

# Runs statements, and waits until their effects can be seen by all.
change() { sql "$1" && settle; }

# make_days TABLE DAYS ROWS: a table with a partition for each day from 2024-01-01 on, and so many rows in each.
make_days() {
  change "create table $1 (id bigint not null, at timestamptz not null, kind text, amount numeric, doc jsonb)
      partition by range (at);
    do \$\$ declare d date; begin
      for d in select generate_series(date '2024-01-01', date '2024-01-01' + $2 - 1, interval '1 day') loop
        execute format('create table $1_%s partition of $1 for values from (%L) to (%L)',
          to_char(d, 'YYYYMMDD'), d, d + 1);
      end loop; end \$\$;
    insert into $1 select d * 1000000 + i, timestamptz '2024-01-01 00:00+00' + d * interval '1 day' + i * interval '1 ms',
      (array['view', null, 'say \"hello\"'])[1 + i % 3], i / 7.0, jsonb_build_object('n', i)
      from generate_series(0, $2 - 1) d, generate_series(1, $3) i"
}

# What the server makes of a table's rows, whatever their order.
contents() {
  sql "select count(*) || ' ' || coalesce(md5(string_agg(whole_row::text, e'\n' order by whole_row::text)), '') from $1 whole_row"
}

# archive_table TABLE OPTION…, to the store and manifest of the test; leaves status, output and stderr.
archive_table() {
  local table=$1
  shift
  run --separate-stderr archive --store "$STORE" --manifest "$MANIFEST" --table "$table" "$@"
}

# archived TABLE OPTION…: likewise, and all must be well; prints the summary's counts.
archived() {
  archive_table "$@"
  assert_status 0
}

# The given members of the summary that the last run printed, a word each.
summary_of() {
  local names
  names=$(printf '.%s,' "$@")
  jq -r "[${names%,}] | map(tostring) | join(\" \")" <<<"$output"
}

# assert_summary "1 0 2 0": uploaded, identical, skipped and failed.
assert_summary() { assert_equal "$(summary_of uploaded identical skipped failed)" "$1" "summary"; }

verify_all() { run --separate-stderr verify --manifest "$MANIFEST" --check "${1:-rows}"; }

# Each object of the store, a key a line; those that are not yet published are files too, and would be found.
stored_files() { find "$WORK/store" -type f -printf '%P\n' 2>/dev/null | sort; }

receipts() { wc -l <"$MANIFEST"; }

# Pages of user tables that anybody looked at so far.
pages_looked_at() {
  settle
  sql "select coalesce(sum(heap_blks_hit + heap_blks_read), 0) from pg_statio_user_tables"
}

# The receipt of a partition.
receipt_of() { jq -c --arg name "$1" 'select(.partition == $name)' "$MANIFEST" | tail -n 1; }

# left_behind COMMAND…: runs it in init's place, and prints each process that it leaves to be reaped.
left_behind() {
  python3 -c '
import ctypes, os, subprocess, sys
PR_SET_CHILD_SUBREAPER = 36
assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1) == 0
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
try:
    while True:
        print("left behind:", os.wait())
except ChildProcessError:
    sys.exit(status)
' "$@"
}
