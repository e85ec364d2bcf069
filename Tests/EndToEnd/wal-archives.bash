# Helpers that make archives of WAL as receivers leave them: with load of several kinds and what befalls a server.
export PGOPTIONS='-c client_min_messages=warning'

# start_wal_server [OPTION…]: a server of the file's own.
start_wal_server() {
  # A receiver without a slot must not come too late.
  start_postgres --own --setting wal_keep_size=1GB --setting max_wal_size=1GB "$@"
}

# start_receiving DIR / stop_receiving: PostgreSQL's own receiver, until it has all that there is.
start_receiving() {
  mkdir -p "$1"
  RECEIVED=$1
  "$PGHOST/bin/pg_receivewal" --directory "$1" --synchronous >>"$SCRATCH/receiver.log" 2>&1 3>&- &
  RECEIVER=$!
  eventually 20 is_received
}

stop_receiving() {
  eventually 20 is_received
  abandon_receiving
}

# Of a test that failed.
abandon_receiving() {
  [[ -n ${RECEIVER:-} ]] || return 0
  kill "$RECEIVER" 2>/dev/null || true
  wait "$RECEIVER" || true
  RECEIVER=
}

# Where it begins at the very end of the log, as at a segment's start after a promotion, it has nothing to confirm.
is_received() {
  [[ $(sql "select bool_or(coalesce(flush_lsn, sent_lsn) >= pg_current_wal_flush_lsn()) from pg_stat_replication
    where application_name = 'pg_receivewal' and state = 'streaming'") == t ]]
}

stop_server() { "$SUPPORT/postgres" stop "$SCRATCH/postgres-own"; }

restart_server() { "$SUPPORT/postgres" start "$SCRATCH/postgres-own" --version "${SLUICE_PG_VERSION:-15}" >/dev/null; }

# The server dies and comes back; with standby as first word it comes back as one.
crash_server() {
  stop_server
  if [[ ${1:-} == standby ]]; then as_postgres touch "$PGHOST/data/standby.signal"; fi
  restart_server
}

as_postgres() {
  if ((EUID == 0)); then (cd / && runuser -u postgres -- "$@"); else "$@"; fi
}

set_server() {
  sql "alter system set $1"
  sql "select pg_reload_conf()" >/dev/null
}

# -- loads

load_small() {
  sql "create table if not exists small (i int primary key, n int)"
  sql "insert into small select i, 0 from generate_series(1, 3000) i on conflict (i) do update set n = small.n + 1"
}

# Records of up to a megabyte, which span pages and segments.
load_large() {
  sql "select count(pg_logical_emit_message(false, 'x', repeat(md5(i::text), i * 320))) from generate_series(1, 100, 9) i" >/dev/null
}

load_subtransactions() {
  sql "create table if not exists sub (i int); do \$\$ begin for i in 1..200 loop
    begin insert into sub values (i); if i % 7 = 0 then raise 'x'; end if; exception when others then null; end;
    end loop; end \$\$"
}

load_pages() {
  sql "create table if not exists pages (t text, n int);
    insert into pages select repeat(md5(i::text), 20), 0 from generate_series(1, 1000) i"
  sql checkpoint
  sql "update pages set n = n + 1 where random() < 0.3"
}

load_schema() {
  sql "create table schema_$1 (i int, t text); create index on schema_$1 (i); insert into schema_$1 select i, i from
    generate_series(1, 500) i; create index on schema_$1 using
    gin (to_tsvector('simple', t))"
  sql "vacuum schema_$1"
  sql "drop table schema_$1"
}

# -- what befalls a server; the receiver is not connected meanwhile

befall() {
  case $1 in
    nothing) ;;
    switch) sql "select pg_switch_wal()" >/dev/null ;;
    restart_point) sql "checkpoint; select pg_create_restore_point('here')" >/dev/null ;;
    crash) stop_receiving && crash_server && start_receiving "$RECEIVED" ;;
    promotion)
      # A record that the server did not finish would keep pg_receivewal from going on.
      sql checkpoint
      stop_receiving
      crash_server standby
      sql "select pg_promote()" >/dev/null
      start_receiving "$RECEIVED"
      ;;
    torn) tear ;;
    torn_promotion)
      tear standby
      ;;
  esac
}

# A record begins in one segment and would go on in the next, which a crash leaves unwritten.
tear() {
  local first last
  stop_receiving
  first=$(sql "select pg_walfile_name(pg_current_wal_insert_lsn())")
  sql "select pg_logical_emit_message(true, 'x', repeat('0123456789abcdef', $(segment_bytes) / 14))" >/dev/null
  last=$(sql "select pg_walfile_name(pg_current_wal_lsn())")
  [[ $last > $first ]]
  stop_server
  # What a slot keeps of segments ahead goes too.
  find "$PGHOST/data/pg_wal" -maxdepth 1 -name '????????????????????????' | while read -r file; do
    [[ ${file##*/} == "$first" || ${file##*/} < "$first" ]] || rm "$file"
  done
  if [[ ${1:-} == standby ]]; then as_postgres touch "$PGHOST/data/standby.signal"; fi
  restart_server
  if [[ ${1:-} == standby ]]; then sql "select pg_promote()" >/dev/null; fi
  start_receiving "$RECEIVED"
}

segment_bytes() { sql "select setting from pg_settings where name = 'wal_segment_size'"; }

# -- what PostgreSQL itself sees

# dump_timeline DIR TIMELINE [OPTION…]: pg_waldump over all segments of a timeline, the unfinished one too.
dump_timeline() {
  local directory=$1 timeline=$2 view name first='' last=''
  shift 2
  view=$(mktemp -d "$SCRATCH/view.XXXXXX")
  for name in "$directory/$timeline"????????????????*; do
    name=${name##*/}
    ln -s "$directory/$name" "$view/${name%.partial}"
    first=${first:-${name%.partial}}
    last=${name%.partial}
  done
  # It fails where the log ends.
  "$PGHOST/bin/pg_waldump" --path "$view" "$@" "$first" "$last" 2>/dev/null || true
  rm -r "$view"
}

timelines() { find "$1" -name '????????????????????????*' -printf '%f\n' | cut -c 1-8 | sort -u; }
