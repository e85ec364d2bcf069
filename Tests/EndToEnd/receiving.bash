# Helpers of the tests of walrecv: a server, a receiver in the background, and what it must have.

# start_receiver NAME COMMAND…: in the background, with its records in $WORK/NAME.out and messages in NAME.err.
start_receiver() {
  local name=$1
  shift
  "$@" >"$WORK/$name.out" 2>"$WORK/$name.err" 3>&- 4>&- &
  printf '%s\n' "$!" >"$WORK/$name.pid"
}

# start_faulty NAME FAULT COMMAND…: as above, with a failing system call (see Tests/Support/io-faults.c).
start_faulty() {
  local name=$1 fault=$2
  shift 2
  make --silent -C "$REPO" .build/support/io-faults.so
  start_receiver "$name" env SLUICE_FAULT="$fault" LD_PRELOAD="$REPO/.build/support/io-faults.so" "$@"
}

receiver() { cat "$WORK/$1.pid"; }

# stop_receiver NAME: politely; its status is ours.
stop_receiver() {
  kill -TERM "$(receiver "$1")" 2>/dev/null || true
  wait_receiver "$1"
}

wait_receiver() { wait "$(receiver "$1")"; }

# has_flushed NAME [LSN]: the standby NAME has confirmed all up to LSN, or to where the server is.
has_flushed() {
  [[ $(sql "select flush_lsn >= '${2:-$(sql 'select pg_current_wal_flush_lsn()')}'::pg_lsn from pg_stat_replication
    where application_name = '$1'") == t ]]
}

# Some WAL, of all sizes.
load() {
  sql "create table if not exists load (i int, t text);
    insert into load select i, repeat(md5(i::text), i % 200) from generate_series(1, ${1:-2000}) i; select count(*) from load" >/dev/null
}

# holds_all_confirmed DIR SLOT: every byte that was confirmed to the server is in DIR as the server has it.
holds_all_confirmed() {
  local confirmed name offset data
  confirmed=$(sql "select restart_lsn from pg_replication_slots where slot_name = '$2'")
  # What a new slot begins with is nobody's word.
  if [[ $confirmed == "$(cat "$WORK/reserved" 2>/dev/null)" ]]; then return 0; fi
  read -r name offset < <(sql "select f.file_name, f.file_offset from pg_walfile_name_offset('$confirmed') f" | tr '|' ' ')
  data=$(sql 'show data_directory')
  local file this first
  first=$(basename -a "$1"/0* | head -n 1)
  first=${first%.partial}
  for file in "$data"/pg_wal/????????????????????????; do
    this=${file##*/}
    if [[ $this < $name && ! $this < $first ]]; then cmp "$file" "$1/$this" || return 1; fi
  done
  if ((offset > 0)); then
    local ours=$1/$name.partial
    [[ -e $ours ]] || ours=$1/$name
    cmp -n "$offset" "$data/pg_wal/$name" "$ours"
  fi
}
