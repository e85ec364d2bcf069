# pg-attach: tables become the partitions that they were.

load support

setup_file() {
  start_postgres
  sql "create table days (d date, n int) partition by range (d);
    create table days_1 partition of days for values from ('2024-01-01') to ('2024-01-02');
    insert into days values ('2024-01-01', 1)"
  RECORD=$(pg-partitions --table days)
  export RECORD
}

@test "a detached partition is attached with its bound, and again is no error" {
  sql "alter table days detach partition days_1"
  assert_equal "$(pg-attach <<<"$RECORD" | jq -r .outcome)" attached
  assert_equal "$(pg-attach <<<"$RECORD" | jq -r .outcome)" exists
  assert_equal "$(sql "select pg_get_expr(relpartbound, oid) from pg_class where relname = 'days_1'")" \
    "FOR VALUES FROM ('2024-01-01') TO ('2024-01-02')"
  assert_equal "$(sql "select count(*) from pg_constraint where conname = 'sluice_bound'")" 0
}

@test "rows and partitions that are in the way: 65, and nothing is changed" {
  sql "alter table days detach partition days_1; update days_1 set d = '2025-01-01'"
  run --separate-stderr pg-attach <<<"$RECORD"
  assert_status 65
  sql "update days_1 set d = '2024-01-01'; create table days_2 partition of days for values from ('2023-12-01') to ('2024-02-01')"
  run --separate-stderr pg-attach <<<"$RECORD"
  assert_status 65
  assert_stderr_has overlap
  sql "drop table days_2"
  assert_equal "$(sql "select count(*) from pg_constraint where conname = 'sluice_bound'")" 0
  pg-attach <<<"$RECORD"
}

@test "a lock that is not had in time: 75" {
  sql "alter table days detach partition days_1"
  psql -qc "begin; lock table days; select pg_sleep(30)" >/dev/null 3>&- &
  locker=$!
  eventually 10 locked
  run --separate-stderr pg-attach --lock-timeout 100ms <<<"$RECORD"
  assert_status 75
  sql "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(30)%' and datname = current_database() and pid <> pg_backend_pid()" >/dev/null
  wait $locker || true
  pg-attach <<<"$RECORD"
}

locked() { [[ $(sql "select count(*) from pg_locks where relation = 'days'::regclass and mode = 'AccessExclusiveLock'") == 1 ]]; }

@test "a record cannot smuggle statements" {
  sql "create table victim (a int); alter table days detach partition days_1"
  run --separate-stderr pg-attach <<<"$(jq -c '.bound = "DEFAULT; drop table victim"' <<<"$RECORD")"
  [[ $status != 0 ]]
  run --separate-stderr pg-attach <<<"$(jq -c '.constraint = "true); drop table victim; select (1"' <<<"$RECORD")"
  assert_status 65
  run --separate-stderr pg-attach <<<'{"type":"partition","partition":"days_1"}'
  assert_status 65
  assert_equal "$(sql "select count(*) from victim")" 0
  pg-attach <<<"$RECORD"
}

@test "a record whose bound cannot be read: 65" {
  run --separate-stderr pg-attach <<<'{"type":"partition","partition_schema":"public","partition":"a","parent_schema":"public","parent":"b","bound":"FOR VALUES FROM (x) TO"}'
  assert_status 65
  assert_stderr_has "bound cannot be read"
}
