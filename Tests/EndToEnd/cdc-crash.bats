# bats file_tags=long
# The ledger: while others write, the processes of the pipe are killed at random again and again. At the end source and
# target are equal, nothing was applied twice, and the events that a tee kept are what was committed.
# SLUICE_CDC_CRASH_ROUNDS says how often (5).

load support

setup_file() {
  start_postgres --own --setting max_prepared_transactions=10 --setting log_min_messages=fatal
}

setup() {
  cd "$BATS_TEST_TMPDIR" || return
  export PGOPTIONS='-c client_min_messages=warning'
  source=$PGDATABASE target=${PGDATABASE}_target
}

# What both sides have: two tables, and a count of each kind of change that was made to them.
schema() {
  cat <<'SQL'
create table a (id bigint primary key, n int not null, note text);
create table b (id bigint, n int, note text);
alter table b replica identity full;
create table ledger (what text primary key, rows bigint not null);
insert into ledger values ('INSERT', 0), ('UPDATE', 0), ('DELETE', 0);
create function count_it() returns trigger language plpgsql as $$ begin
  update ledger set rows = rows + 1 where what = tg_op; return null; end $$;
create trigger counts after insert or update or delete on a for each row execute function count_it();
create trigger counts after insert or update or delete on b for each row execute function count_it();
alter table a enable always trigger counts;
alter table b enable always trigger counts;
SQL
}

# Transactions of all kinds; those that fail at each other's rows are as good as those that are rolled back.
writer() {
  cat >writer.sql <<'SQL'
\set id random(1, 3000)
\set many random(1, 400)
\set kind random(1, 10)
\if :kind <= 3
insert into a values (:id, :many, 'new') on conflict (id) do update set n = a.n + 1;
\elif :kind = 4
begin;
insert into a select i, 0, repeat('x', 200) from generate_series(:id, :id + :many) i on conflict do nothing;
savepoint s;
update a set n = n + 1 where id between :id and :id + :many;
delete from a where id % 3 = 0 and id between :id and :id + :many;
rollback to s;
insert into b select i, :id, 'b' from generate_series(1, :many) i;
commit;
\elif :kind = 5
begin;
insert into b select i, 1, repeat('never', 50) from generate_series(1, 500) i;
rollback;
\elif :kind = 6
update a set id = -id where id = :id and not exists (select from a where id = -:id);
\elif :kind = 7
delete from a where abs(id) between :id and :id + 20;
\elif :kind = 8
update b set n = n + 1 where id = (:id % 50);
delete from b where id = (:id % 70) and n % 2 = 0;
\elif :kind = 9
begin;
insert into b values (:id, -1, 'prepared');
insert into b select i, :id, 'prepared' from generate_series(1, :many) i;
prepare transaction 'p:client_id';
\if :many % 4 = 0
rollback prepared 'p:client_id';
\else
commit prepared 'p:client_id';
\endif
\else
begin;
update a set note = null where id % 100 = :id % 100;
update a set note = '' where id % 200 = :id % 200;
commit;
\endif
SQL
  pgbench --no-vacuum --client 3 --time "$1" --file writer.sql --max-tries 3 "$source" >/dev/null 2>&1 3>&- &
}

# pipe [OPTION…]: the acknowledgements' way back is held open at both ends, so that nobody waits for the other.
pipe() {
  local -a statuses
  rm -f acks
  mkfifo acks
  exec 8<>acks
  cdc-recv --dbname "dbname=$source" --slot crash --publication p --acks acks --state state --no-loop "${two_phase[@]}" "$@" 2>>errors 8>&- |
    cdc-decode 2>>errors 8>&- | tee -a events 2>>errors 8>&- |
    cdc-apply --dbname "dbname=$target" --source crash --batch-ms 50 --batch-changes 100 2>>errors >&8
  statuses=("${PIPESTATUS[@]}")
  exec 8>&-
  echo "${statuses[*]}" >statuses
}

# Kills one of the processes, whichever it is.
kill_one() {
  local processes
  mapfile -t processes < <(pgrep -P "$1")
  ((${#processes[@]} > 0)) && kill -9 "${processes[RANDOM % ${#processes[@]}]}" 2>/dev/null
}

counts() { sql_in "$1" "select string_agg(what || ' ' || rows, ', ' order by what) from ledger"; }

# The changes of each kind in the events, each transaction once, and only those that are whole.
counts_of_events() {
  python3 - <<'PY'
import collections, json
seen, counts, held, prepared = set(), collections.Counter({"INSERT": 0, "UPDATE": 0, "DELETE": 0}), [], {}
for line in open("events", "rb"):
    try:
        event = json.loads(line)
    except ValueError:
        held = []  # The line that a kill cut short, and the first of what came then.
        continue
    kind = event["type"]
    if kind == "begin":
        held = []
    elif kind == "prepare":
        prepared[event["xid"]] = held
    elif kind in ("commit", "commit_prepared"):
        if kind == "commit_prepared":
            held = prepared[event["xid"]]
        if event["lsn"] not in seen:
            seen.add(event["lsn"])
            counts.update(held)
        held = []
    elif kind in ("insert", "update", "delete"):
        held.append(kind.upper())
print(", ".join(f"{kind} {counts[kind]}" for kind in sorted(counts)))
PY
}

# Two seconds of writing, in which the pipe is killed and begun anew; counts the kills.
kill_while_writing() {
  local writer pipe
  writer 2
  writer=$!
  while kill -0 "$writer" 2>/dev/null; do
    pipe 3>&- &
    pipe=$!
    sleep "0.$((RANDOM % 8 + 1))"
    if kill_one "$pipe"; then kills=$((kills + 1)); fi
    # A tee that has nothing to write does not notice that its reader is gone.
    while kill -0 "$pipe" 2>/dev/null; do
      sql_in "$source" 'insert into b values (0, 0)'
      sleep 0.1
    done
    wait "$pipe" || true
  done
  wait "$writer" || true
}

one_round() {
  local kills=0 end prepared two_phase=("$@")
  sql_in postgres "drop database if exists $target" && sql_in postgres "create database $target"
  psql -qX -d "$source" -c 'drop schema public cascade; create schema public; drop publication if exists p' -f <(schema)
  psql -qX -d "$target" -f <(schema)
  psql -qX -d "$source" -c 'create publication p for table a, b'
  rm -f state events errors
  cdc-recv --dbname "dbname=$source" --slot crash --publication p --create-slot "$@" >/dev/null
  while ((kills < 5)); do kill_while_writing; done
  end=$(sql_in "$source" 'select pg_current_wal_lsn()')
  # The server may not have noticed yet that the last receiver is gone.
  while pipe --endpos "$end" && [[ $(<statuses) == 75* ]]; do sleep 0.1; done
  [[ $(<statuses) == "0 0 0 0" ]] || fail "the last run: $(<statuses): $(tail -n 5 errors)"
  cdc-diff --source "dbname=$source" --target "dbname=$target" --publication p >differences || fail "$(head differences)"
  assert_equal "$(counts "$target")" "$(counts "$source")" "changes that were applied"
  assert_equal "$(counts_of_events)" "$(counts "$source")" "events"
  assert_equal "$(sql_in postgres "select count(*) from pg_prepared_xacts")" 0
  cdc-recv --dbname "dbname=$source" --slot crash --drop-slot
  prepared=$(grep -c '^{"type":"prepare"' events || true)
  ((prepared > 0 || $# == 0)) || fail "nothing was prepared"
  echo "# $kills kills, $(counts "$source"), $prepared prepared" >&3
}

@test "whatever is killed: source and target are equal, nothing is applied twice, and the events are the ledger" {
  local round
  for ((round = 0; round < ${SLUICE_CDC_CRASH_ROUNDS:-5}; round++)); do
    if ((round % 2)); then one_round; else one_round --two-phase; fi
  done
}
