# pg-partapply: plans of partitions are carried out, and nothing is lost on the way. The defects of the systems that it
# replaces (P…, G…) are named where they are tested.

load support
load partitions

setup_file() {
  start_postgres
  sql "$(<"$REPO/Tests/EndToEnd/partitions.sql")"
}

setup() {
  sql 'drop schema if exists public cascade; create schema public; grant all on schema public to public' 2>/dev/null
}

# -- create

@test "a partition is made and attached, and a second run does nothing (P10: by its bound, not by its name)" {
  sql "select plan.make('ev')" >/dev/null
  creation create ev ev_3 2024-01-03 2024-01-04 >"$BATS_TEST_TMPDIR/plan"
  assert_equal "$(apply <"$BATS_TEST_TMPDIR/plan")" "create ev_3 done"
  assert_equal "$(bound_of ev_3)" "FOR VALUES FROM ('2024-01-03 00:00:00+00') TO ('2024-01-04 00:00:00+00')"
  assert_equal "$(sql "select count(*) from pg_constraint where conname = 'sluice_bound'")" 0
  assert_equal "$(apply <"$BATS_TEST_TMPDIR/plan")" "create ev_3 exists"
  sql 'alter table ev_3 rename to other'
  assert_equal "$(apply <"$BATS_TEST_TMPDIR/plan")" 'create ev_3 exists it is named "public"."other"'
}

@test "a record of type result has the action's members, and what became of it behind them" {
  sql "select plan.make('ev')" >/dev/null
  run --separate-stderr pg-partapply <<<"$(creation create ev ev_3 2024-01-03 2024-01-04 | command jq -c '.mine = 1')"
  assert_status 0
  assert_equal "$(command jq -c 'keys_unsorted' <<<"$output")" \
    '["type","action","database","schema","table","parent_schema","parent","partition_schema","partition","bound","facts","sql","mine","outcome","detail","attempts","elapsed_ms","at"]'
  assert_equal "$(jq -c '[.type, .outcome, .attempts]' <<<"$output")" '["result","done",1]'
}

@test "a plain table that has the name is no partition (P10): refused, and left alone" {
  sql "select plan.make('ev'); create table ev_3 (a int)" >/dev/null
  run --separate-stderr pg-partapply <<<"$(creation create ev ev_3 2024-01-03 2024-01-04)"
  assert_status 1
  assert_equal "$(jq -r .detail <<<"$output")" 'its name is taken by the table "public"."ev_3"'
  run --separate-stderr pg-partapply <<<"$(creation create ev ev_2 2024-01-03 2024-01-04)"
  assert_status 1
  [[ $output == *'is taken by the table \"public\".\"ev_2\", a partition FOR VALUES'* ]] || fail "other words"
}

@test "another table of the name, or another database, is not what was planned for" {
  sql "select plan.make('ev')" >/dev/null
  run --separate-stderr pg-partapply <<<"$(creation create ev ev_3 2024-01-03 2024-01-04 | jq -c '.facts.parent_oid = "1"')"
  assert_status 1
  run --separate-stderr pg-partapply <<<"$(creation create ev ev_3 2024-01-03 2024-01-04 | jq -c '.database = "x"')"
  assert_status 1
  assert_equal "$(partitions_of ev)" "ev_1 ev_2"
}

@test "partitions that overlap are refused, and nothing is left of the try" {
  sql "select plan.make('ev')" >/dev/null
  run --separate-stderr pg-partapply <<<"$(creation create ev ev_3 '2024-01-02 12:00' 2024-01-04)"
  assert_status 1
  assert_equal "$(sql "select to_regclass('ev_3') is null")" t
}

@test "P10, P13: one table's failure stops no other, and creation comes before retirement in any order" {
  sql "select plan.make('a'), plan.make('b')" >/dev/null
  {
    retirement drop b_1
    creation create a a_3 2024-01-02 2024-01-04
    creation create b b_3 2024-01-03 2024-01-04
  } >"$BATS_TEST_TMPDIR/plan"
  run --separate-stderr pg-partapply <"$BATS_TEST_TMPDIR/plan"
  assert_status 1
  assert_equal "$(jq -r '[.action, .partition, .outcome] | join(" ")' <<<"$output")" \
    $'create a_3 refused\ncreate b_3 done\ndrop b_1 done'
  assert_equal "$(partitions_of b)" "b_2 b_3"
}

@test "G8: a table whose partitions could not be made has none retired" {
  sql "select plan.make('ev'); create table ev_3 ()" >/dev/null
  run --separate-stderr pg-partapply < <(creation create ev ev_3 2024-01-03 2024-01-04; retirement drop ev_1)
  assert_status 1
  assert_equal "$(jq -r .outcome <<<"$output")" $'refused\nrefused'
  assert_equal "$(partitions_of ev)" "ev_1 ev_2"
}

@test "G10: a rehearsal changes nothing, and asks no hook" {
  sql "select plan.make('ev')" >/dev/null
  { creation create ev ev_3 2024-01-03 2024-01-04; retirement drop ev_1; retirement detach ev_2; } >"$BATS_TEST_TMPDIR/plan"
  run --separate-stderr pg-partapply --dry-run --hook "touch $BATS_TEST_TMPDIR/asked" <"$BATS_TEST_TMPDIR/plan"
  assert_status 0
  assert_equal "$(jq -r .outcome <<<"$output")" $'would\nwould\nwould'
  [[ ! -e $BATS_TEST_TMPDIR/asked ]] || fail "the hook was asked"
  assert_equal "$(partitions_of ev)" "ev_1 ev_2"
}

@test "input that is no plan: 65, and nothing is done" {
  sql "select plan.make('ev')" >/dev/null
  local line
  for line in '{"type":"partition"}' '{"type":"action","action":"destroy"}' '{"type":"action","action":"drop"}' nonsense \
    "$(retirement drop ev_1 | jq -c 'del(.facts.oid)')" "$(creation create ev ev_3 2024-01-03 2024-01-04 | jq -c '.bound = "FOR EVER"')"; do
    run --separate-stderr pg-partapply < <(creation create ev ev_3 2024-01-03 2024-01-04; echo "$line")
    [[ $status == 65 ]] || fail "exit $status for $line"
    assert_equal "$output" ""
  done
  assert_equal "$(partitions_of ev)" "ev_1 ev_2"
}

@test "sql that is not what the record's members stand for is not run: 65, and nothing is done" {
  sql "select plan.make('ev'); create table victim (a int); create function f() returns bool language sql as 'select true'" >/dev/null
  local sql q='"public"."ev_3"' before
  before=$(sql "select string_agg(c.oid || relname || relowner, ' ' order by c.oid) from pg_class c")
  for sql in 'DROP TABLE victim CASCADE' 'DROP TABLE "public"."victim"' 'ALTER TABLE "public"."victim" OWNER TO "postgres"' \
    'ALTER TABLE "public"."ev" DETACH PARTITION "public"."ev_1"' "ALTER TABLE $q OWNER TO \"postgres\"; DROP TABLE victim" \
    "ALTER TABLE $q ADD CONSTRAINT sluice_bound CHECK (f())" "ALTER TABLE $q ADD CONSTRAINT sluice_bound CHECK (\"f\" ())" \
    "ALTER TABLE $q ADD CONSTRAINT sluice_bound CHECK (true), DROP COLUMN at" "ALTER TABLE $q ENABLE ROW LEVEL SECURITY" \
    'GRANT ALL ON TABLE "public"."victim" TO PUBLIC' "GRANT ALL ON TABLE $q, \"public\".\"victim\" TO PUBLIC" "DO 'begin drop table victim; end'" \
    'ALTER PUBLICATION "p" ADD TABLE "public"."victim"' 'CREATE TABLE "public"."new" AS SELECT f()' 'SELECT f()' 'COMMIT' \
    "ALTER TABLE \"public\".\"ev\" ATTACH PARTITION $q DEFAULT" "ALTER TABLE $q OWNER TO \"postgres\" /* */" \
    'ALTER TABLE "public"."ev" ATTACH PARTITION "public"."victim" FOR VALUES FROM ('"'2024-01-03 00:00:00+00') TO ('2024-01-04 00:00:00+00')"; do
    for kind in create drain; do
      run --separate-stderr pg-partapply < <(creation create ev ev_4 2024-01-04 2024-01-05
        creation $kind ev ev_3 2024-01-03 2024-01-04 | jq -c --arg s "$sql" '.sql = [.sql[0], $s] + .sql[1:]')
      [[ $status == 65 && -z $output ]] || fail "exit $status for $sql"
      assert_stderr_has 'not what its members stand for'
      run --separate-stderr pg-partapply <<<"$(creation $kind ev ev_3 2024-01-03 2024-01-04 | jq -c --arg s "$sql" '.sql = [$s]')"
      [[ $status == 65 ]] || fail "exit $status for $sql alone"
    done
  done
  assert_equal "$(sql "select string_agg(c.oid || relname || relowner, ' ' order by c.oid) from pg_class c")" "$before"
}

@test "statements that leave the partition unattached are refused" {
  sql "select plan.make('ev')" >/dev/null
  run --separate-stderr pg-partapply <<<"$(creation create ev ev_3 2024-01-03 2024-01-04 | jq -c '.sql = .sql[:1]')"
  assert_status 65
  assert_equal "$(sql "select to_regclass('ev_3') is null")" t
}

# -- drain

@test "G2: a row in the default partition is in the way of a create, and a drain moves it" {
  sql "select plan.make('ev', true); insert into ev select timestamptz '2024-01-03 00:00:00+00' + i * interval '1 second', i from generate_series(0, 4999) i; insert into ev values ('2030-01-01', 1)" >/dev/null
  local before
  before=$(digest ev)
  run --separate-stderr pg-partapply <<<"$(creation create ev ev_3 2024-01-03 2024-01-04)"
  assert_status 1
  [[ $output == *'would be violated by some row'* ]] || fail "other words"
  assert_equal "$(creation drain ev ev_3 2024-01-03 2024-01-04 | apply)" "drain ev_3 done 5000 rows were moved"
  assert_equal "$(creation drain ev ev_3 2024-01-03 2024-01-04 | apply)" "drain ev_3 exists"
  assert_equal "$(digest ev)" "$before"
  assert_equal "$(sql "select string_agg(p || ' ' || c, ', ' order by p) from (select tableoid::regclass::text p, count(*) c from ev group by 1) q")" \
    "ev_1 1440, ev_2 1440, ev_3 5000, ev_default 1"
  assert_equal "$(sql "select obj_description('ev_3'::regclass) is null")" t
}

@test "what is generated, foreign keys and indexes come along when a default partition is drained" {
  sql "create table other (id int primary key); insert into other values (1), (2);
    create table ev (id bigint generated always as identity, at date not null, o int references other, twice int generated always as (o * 2) stored,
      primary key (id, at)) partition by range (at);
    create unique index \"An Index\" on ev (at, id) where o > 0; create index on ev (lower(o::text));
    create table ev_default partition of ev default; insert into ev (at, o) select '2024-01-03', 1 + i % 2 from generate_series(1, 10) i"
  assert_equal "$(creation drain ev ev_3 2024-01-03 2024-01-04 | apply --batch-rows 3)" "drain ev_3 done 10 rows were moved"
  assert_equal "$(sql "select count(*), sum(twice), sum(id) from only ev_3")" "10|30|55"
  assert_equal "$(sql "select count(*) from pg_index x join pg_inherits on inhrelid = indexrelid where indrelid = 'ev_3'::regclass")" 3
  assert_equal "$(sql "select count(*) from pg_constraint where conrelid = 'ev_3'::regclass and contype = 'f' and conparentid <> 0")" 1
}

@test "foreign keys into the table: what they would delete with a row is not touched, and what holds a row is named" {
  sql "select plan.make('ev', true); insert into ev values ('2024-01-03', 1);
    create table child (at timestamptz, n int, constraint points foreign key (at, n) references ev on delete cascade); insert into child values ('2024-01-03', 1)" >/dev/null
  run --separate-stderr pg-partapply <<<"$(creation drain ev ev_3 2024-01-03 2024-01-04)"
  assert_status 1
  [[ $output == *'foreign key \"points\" of child'* ]] || fail "other words"
  sql "alter table child drop constraint points, add constraint holds foreign key (at, n) references ev"
  run --separate-stderr pg-partapply <<<"$(creation drain ev ev_3 2024-01-03 2024-01-04)"
  assert_status 1
  [[ $output == *'foreign keys into the table: holds of child'* ]] || fail "other words"
  assert_equal "$(sql "select (select count(*) from child), (select count(*) from ev)")" "1|2881"
  sql "delete from child"
  assert_equal "$(creation drain ev ev_3 2024-01-03 2024-01-04 | apply)" "drain ev_3 done 1 rows were moved"
}

@test "rows that a trigger keeps in the default partition: refused at once" {
  sql "select plan.make('ev', true); insert into ev select '2024-01-03', i from generate_series(1, 50) i;
    create function keep() returns trigger language plpgsql as 'begin return null; end';
    create trigger kept before delete on ev_default for each row execute function keep()" >/dev/null
  run --separate-stderr pg-partapply --batch-rows 10 --budget 20s <<<"$(creation drain ev ev_3 2024-01-03 2024-01-04)"
  assert_status 1
  assert_equal "$(jq -r '[.outcome, .elapsed_ms < 5000] | join(" ")' <<<"$output")" "refused true"
  [[ $output == *'are not deleted'* ]] || fail "other words"
  assert_equal "$(sql "select count(*) from ev where at = '2024-01-03'")" 50
}

@test "a published table's subscribers see no row leave" {
  sql "select plan.make('ev', true); insert into ev values ('2024-01-03', 1), ('2024-01-03', 2);
    create publication p for table ev with (publish_via_partition_root)" >/dev/null
  sql "select pg_create_logical_replication_slot('partapply', 'pgoutput')" >/dev/null
  assert_equal "$(creation drain ev ev_3 2024-01-03 2024-01-04 | apply)" "drain ev_3 done 2 rows were moved"
  sql "select chr(get_byte(data, 0)) from pg_logical_slot_get_binary_changes('partapply', null, null, 'proto_version', '1',
    'publication_names', 'p')" >"$BATS_TEST_TMPDIR/changes"
  sql "select pg_drop_replication_slot('partapply'); drop publication p" >/dev/null
  assert_equal "$(grep -c I "$BATS_TEST_TMPDIR/changes") $(grep -c D "$BATS_TEST_TMPDIR/changes")" "2 2"
  assert_equal "$(sql 'select count(*) from only ev_3')" 2
}

# -- detach and move

@test "a partition is detached, also where there is a default partition, and again is no error" {
  local kind
  for kind in false true; do
    sql "drop table if exists ev, ev_1; select plan.make('ev', $kind)" >/dev/null
    retirement detach ev_1 >"$BATS_TEST_TMPDIR/plan"
    assert_equal "$(apply <"$BATS_TEST_TMPDIR/plan")" "detach ev_1 done"
    assert_equal "$(apply <"$BATS_TEST_TMPDIR/plan")" "detach ev_1 exists"
    assert_equal "$(sql 'select count(*) from ev_1')" 1440
  done
}

@test "a detach that was left pending is brought to its end, also for another partition of the table" {
  sql "select plan.make('ev')" >/dev/null
  { retirement detach ev_1; retirement move ev_2 '{"to_schema":"plan"}'; } >"$BATS_TEST_TMPDIR/plan"
  leave_pending ev ev_1
  assert_equal "$(tail -n 1 "$BATS_TEST_TMPDIR/plan" | apply)" "move ev_2 done"
  assert_equal "$(partitions_of ev)" ""
  assert_equal "$(apply <"$BATS_TEST_TMPDIR/plan")" $'detach ev_1 exists\nmove ev_2 exists'
  assert_equal "$(sql 'select count(*) from plan.ev_2')" 1440
  sql 'drop table plan.ev_2'
}

@test "a partition that a killed run had detached is moved; a name that is taken stops it before" {
  sql "select plan.make('ev'); create schema old; create table old.ev_1 ()" >/dev/null
  retirement move ev_1 '{"to_schema":"old"}' >"$BATS_TEST_TMPDIR/plan"
  run --separate-stderr pg-partapply <"$BATS_TEST_TMPDIR/plan"
  assert_status 1
  assert_equal "$(partitions_of ev)" "ev_1 ev_2"
  sql 'drop table old.ev_1; alter table ev detach partition ev_1'
  assert_equal "$(apply <"$BATS_TEST_TMPDIR/plan")" "move ev_1 done"
  run --separate-stderr pg-partapply <<<"$(retirement move ev_2 '{"to_schema":"nowhere"}')"
  assert_status 1
  sql 'drop schema old cascade' 2>/dev/null
}

@test "rows that others refer to are not detached from under them: the foreign key is named" {
  sql "select plan.make('ev'); create table child (at timestamptz, n int, constraint points foreign key (at, n) references ev); insert into child values ('2024-01-01', 0)" >/dev/null
  run --separate-stderr pg-partapply < <(retirement detach ev_1; retirement drop ev_1)
  assert_status 1
  assert_equal "$(jq -r .outcome <<<"$output")" $'refused\nrefused'
  [[ $output == *'foreign keys into the table: points of child'* ]] || fail "the key is not named"
  assert_equal "$(partitions_of ev)" "ev_1 ev_2"
  sql 'delete from child'
  assert_equal "$(retirement drop ev_1 | apply)" "drop ev_1 done"
}
