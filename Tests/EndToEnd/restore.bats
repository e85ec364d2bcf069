# restore: which partitions are meant, into which tables they go, and what happens the second time.

load support
load archiving

setup_file() { start_postgres; }
setup() { enter_work; }

restored() {
  run --separate-stderr restore --manifest "$MANIFEST" "$@"
  assert_status 0
}

refused() {
  local expected=$1
  shift
  run --separate-stderr restore --manifest "$MANIFEST" "$@"
  assert_status "$expected"
}

@test "into another table: the second time nothing is loaded" {
  make_days twice 3 10
  archived twice
  kept=$(contents twice)
  sql "create table all_days (like twice)"
  restored --all --into all_days
  assert_equal "$(contents all_days)" "$kept"
  restored --all --into all_days
  assert_equal "$(contents all_days)" "$kept"
  # Some of a partition's rows, or others of its range, are no place to load it into.
  sql "delete from all_days where id = 5"
  refused 65 --partition twice_20240101 --into all_days
  assert_stderr_has "has other rows already"
  assert_equal "$(sql "select count(*) from all_days")" 29
  refused 64 --all --into all_days --attach
  refused 65 --all --into nowhere
}

@test "what no condition tells from others goes into a table of its own" {
  change "create table hashed (id int) partition by hash (id);
    create table hashed_0 partition of hashed for values with (modulus 2, remainder 0);
    create table hashed_1 partition of hashed for values with (modulus 2, remainder 1);
    insert into hashed select generate_series(1, 100);
    create table log_20240101 as select 1 as id; create table log_20240102 as select 2 as id; create table target (id int)"
  archived hashed --include-open
  archived log --by-name
  for table in hashed log; do
    refused 65 --table "$table" --all --into target
    assert_stderr_has "no condition tells the rows of public.${table}_"
  done
  assert_equal "$(sql "select count(*) from target")" 0
  for _ in once again; do
    restored --partition hashed_0 --into target
    assert_equal "$(contents target)" "$(contents hashed_0)"
  done
  refused 65 --partition hashed_1 --into target
  assert_equal "$(contents target)" "$(contents hashed_0)"
  # In their own places they are no trouble.
  before=$(contents hashed)
  sql "drop table hashed_0; drop table hashed_1; drop table log_20240101; drop table log_20240102"
  for _ in once again; do
    restored --table hashed --all --attach
    restored --table log --all
    assert_equal "$(contents hashed)" "$before"
    assert_equal "$(sql "select (select id from log_20240101), (select id from log_20240102)")" "1|2"
  done
}

@test "into a table that changes what it gets: --recount says so" {
  make_days changed 1 10
  archived changed
  sql "create table other (like changed);
    create function add() returns trigger language plpgsql as 'begin new.id := new.id + 100; return new; end';
    create trigger add before insert on other for each row execute function add()"
  refused 65 --all --into other --recount
  assert_stderr_has "not those that were archived"
}

@test "days are those of --time-zone, and have to be days" {
  change "create table local (at timestamptz) partition by range (at);
    create table local_1 partition of local for values from ('2024-01-01 00:00+01') to ('2024-01-02 00:00+01');
    create table local_2 partition of local for values from ('2024-01-02 00:00+01') to ('2024-01-03 00:00+01');
    create table local_3 partition of local for values from ('2024-01-03 00:00+01') to ('2024-01-04 00:00+01')"
  archived local --time-zone Europe/Berlin
  for day in 1 2 3; do
    restored --all --dry-run --time-zone Europe/Berlin --from "2024-01-0$day" --to "2024-01-0$day"
    assert_equal "$(jq -r .partition <<<"$output")" "local_$day"
  done
  refused 64 --all --to 31.12.2023
  refused 64 --all --from 2024-13-45
  refused 64 --all --time-zone Europe/Nowhere
}

@test "the table has a column more, or one less, than was archived" {
  make_days grown 2 10
  archived grown
  sql "drop table grown_20240101; alter table grown add extra int default 7"
  refused 65 --partition grown_20240101 --attach
  restored --partition grown_20240101 --attach --missing default
  assert_equal "$(sql "select count(*), min(extra) from grown_20240101")" "10|7"
  # What is there as it was archived, in the columns of then, needs nothing.
  restored --all --attach
  sql "drop table grown_20240102; alter table grown drop kind"
  refused 65 --partition grown_20240102 --attach
  restored --partition grown_20240102 --attach --missing default --ignore-unknown
  assert_equal "$(sql "select count(*) from grown")" 20
}

@test "windows of a table that is gone come back one after the other" {
  change "create table plain (id int, at timestamptz);
    insert into plain select i, '2024-01-01'::timestamptz + i * interval '1 hour' from generate_series(0, 71) i"
  archived plain --slice-by at --every day --from 2024-01-01 --to 2024-01-03
  kept=$(contents plain)
  sql "drop table plain"
  restored --all
  assert_equal "$(contents plain)" "$kept"
  restored --all
  assert_equal "$(contents plain)" "$kept"
}

@test "names are written as in SQL" {
  # shellcheck disable=SC2016  # dollars quote there
  change 'create schema "Other One"; create table "My Tab" (d date) partition by range (d);
    create table "My Tab 1" partition of "My Tab" for values from ($$2024-01-01$$) to ($$2024-01-02$$);
    create table "Other One"."My Tab" (d date) partition by range (d);
    create table "Other One"."My Tab 1" partition of "Other One"."My Tab" for values from ($$2024-01-01$$) to ($$2024-01-02$$)'
  archived '"My Tab"' --key '{schema}/{partition}'
  archived '"Other One"."My Tab"' --key '{schema}/{partition}'
  restored --all --dry-run --table 'public."My Tab"'
  assert_equal "$(jq -r .schema <<<"$output")" public
  restored --dry-run --partition '"Other One"."My Tab 1"'
  assert_equal "$(jq -r .schema <<<"$output")" "Other One"
  refused 65 --dry-run --partition '"My Tab 1"'
  assert_stderr_has "Other One.My Tab and public.My Tab"
  refused 65 --dry-run --table my_tab --all
}

@test "a key with braces, given as an option, is a key" {
  make_days braces 1 3
  change 'alter table braces_20240101 rename to "b{Q}"'
  archived braces --key '{partition}'
  restored --dry-run --key 'b{Q}'
}

# with_member NAME VALUE: the manifest's lines, as somebody may have rewritten them.
with_member() {
  command jq -c --arg name "$1" --arg value "$2" '.[$name] = $value' "$MANIFEST" >"$WORK/rewritten"
  mv "$WORK/rewritten" "$MANIFEST"
}

@test "a condition in a rewritten line cannot become another statement" {
  make_days evil 1 10
  archived evil
  cp "$MANIFEST" "$WORK/honest"
  sql "create table victim (a int); create table elsewhere (like evil)"
  for member in where constraint; do
    for text in 'true)); drop table victim; select exists(select where (true' 'true); drop table victim; --' \
      $'true\n)) to stdout; commit; drop table victim; commit; copy (select 1 where (true'; do
      cp "$WORK/honest" "$MANIFEST"
      with_member "$member" "$text"
      refused 65 --all --into elsewhere
      if [[ $member == where ]]; then refused 65 --all; fi
      assert_equal "$(sql "select (select count(*) from victim), (select count(*) from elsewhere), (select count(*) from evil)")" "0|0|10"
    done
  done
}

@test "a table that cannot be read is as its reader says, and nothing is loaded" {
  make_days closed 1 10
  archived closed
  sql "create table shelf (like closed); insert into shelf table closed; create role writer_$$ login;
    grant insert on shelf to writer_$$"
  PGUSER=writer_$$ refused 77 --all --into shelf
  sql "drop owned by writer_$$; drop role writer_$$"
  PGHOST=/nonexistent refused 69 --all
  with_member where 'pg_catalog.pg_sleep(5) is null'
  SLUICE_STATEMENT_TIMEOUT=100ms refused 75 --all --into shelf
  assert_equal "$(sql "select count(*) from shelf")" 10
}
