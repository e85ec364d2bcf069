# pg-partplan on replicas, and beside pg_partman: the same premake and retention give the same bounds.

load support
load partitioning

setup_file() {
  start_postgres
  sql "create table events (at timestamptz) partition by range (at)"
}

@test "a read replica says so, and nothing is planned" {
  "$SUPPORT/postgres" run "$(server_directory postgres)" pg_basebackup -D "$BATS_TEST_TMPDIR/data" --checkpoint fast 2>/dev/null ||
    pg_basebackup -D "$BATS_TEST_TMPDIR/data" --checkpoint fast
  database=$PGDATABASE
  policy <<<'- {table: events, key: at, interval: 1 day}'
  (
    eval "$("$SUPPORT/postgres" start "$SCRATCH/postgres-standby" --from "$BATS_TEST_TMPDIR/data" --signal standby)"
    PGDATABASE=$database pg-partplan "$POLICY" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
  )
  [[ ! -s $BATS_TEST_TMPDIR/out ]]
  grep -q "read replica" "$BATS_TEST_TMPDIR/err"
}

@test "pg_partman makes and keeps the same bounds" {
  [[ -e /usr/share/postgresql/15/extension/pg_partman.control ]] || skip "postgresql-15-partman is not installed"
  [[ ${SLUICE_PG_VERSION:-15} == 15 ]] || skip "the package is of version 15"
  sql "create schema partman; create extension pg_partman schema partman"
  for step in daily:day:60 weekly:week:200 monthly:month:400 hourly:hour:5; do
    IFS=: read -r word unit past <<<"$step"
    policy <<<"- {table: ours_$unit, key: at, interval: 1 $unit, premake: 6, default: keep, retention: $((past / 2)) days, retire: drop, keep_at_least: 1}"
    sql "create table ours_$unit (at timestamptz not null) partition by range (at);
      create table peer_$unit (at timestamptz not null) partition by range (at);
      select partman.create_parent('public.peer_$unit', 'at', 'native', '$word', p_premake := 6,
        p_start_partition := (date_trunc('$unit', now()) - interval '$past days')::text);
      update partman.part_config set retention = '$((past / 2)) days', retention_keep_table = false
        where parent_table = 'public.peer_$unit'" >/dev/null
    # Ours begins where it began.
    first=$(sql "select min(pg_get_expr(c.relpartbound, c.oid)) from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = 'peer_$unit'::regclass and pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'")
    sql "create table ours_${unit}_first partition of ours_$unit $first"
    for _ in 1 2; do
      plan
      carry_out
    done
    # Without a row pg_partman counts from the present moment, and not from the range that holds it.
    sql "insert into peer_$unit values (now()); insert into ours_$unit values (now());
      select partman.run_maintenance('public.peer_$unit')" >/dev/null
    assert_equal "$(bounds "ours_$unit")" "$(bounds "peer_$unit")" "$unit"
  done
}
