# Loading: what was extracted comes back as it was, and whatever is wrong, nothing is loaded.

load support

setup_file() {
  start_postgres
  psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --file "$BATS_TEST_DIRNAME/types.sql"
  make_big
}

make_big() {
  sql "create table big as select i::bigint as id, repeat('lorem ipsum ', i % 9) || i as note
       from generate_series(1, 100000) i"
  pg-extract-jsonl --relation big >"$SCRATCH/big.jsonl"
}

setup() {
  sql "drop table if exists t; create table t (id bigint, note text, doc jsonb)"
}

# The rows of t, in the order of ids.
rows() { sql "select row_to_json(t) from t order by id"; }

# load_lines LINE… [-- OPTION…]
load_lines() {
  local lines=()
  while (($#)) && [[ $1 != -- ]]; do
    lines+=("$1")
    shift
  done
  run --separate-stderr pg-load-jsonl --relation t "${@:2}" < <(((${#lines[@]} == 0)) || printf '%s\n' "${lines[@]}")
}

assert_nothing_loaded() {
  assert_equal "$(sql "select count(*) from t")" 0 rows
  [[ -z ${output:-} ]] || fail "a record was written"
}

record_of() {
  local columns
  columns=$(sql "select json_agg(json_build_object('name', attname, 'type', format_type(atttypid, atttypmod),
    'not_null', attnotnull) order by attnum) from pg_attribute
    where attrelid = '$1'::regclass and attnum > 0 and not attisdropped")
  command jq -cn --arg name "$1" --argjson columns "$columns" --argjson more "${2:-{\}}" \
    '{type: "object", schema: "public", table: "parent", partition_schema: "public", partition: $name,
      columns: $columns, note: "kept"} + $more'
}

# -- values

@test "a row of every type comes back as it was" {
  pg-extract-jsonl --relation zoo >"$SCRATCH/before"
  sql "drop table if exists again; create table again (like zoo)"
  pg-load-jsonl --relation again <"$SCRATCH/before" >/dev/null
  pg-extract-jsonl --relation again >"$SCRATCH/after"
  assert_same_file "$SCRATCH/before" "$SCRATCH/after"
  assert_equal "$(wc -l <"$SCRATCH/after")" 5
}

@test "a table made from a record holds what the record's table held" {
  pg-extract-jsonl --relation zoo >"$SCRATCH/before"
  run --separate-stderr pg-load-jsonl --record "$(record_of zoo)" --into 'public."Made Again"' --create \
    <"$SCRATCH/before"
  assert_status 0
  pg-extract-jsonl --relation '"Made Again"' >"$SCRATCH/after"
  assert_same_file "$SCRATCH/before" "$SCRATCH/after"
  assert_equal "$(sql "select string_agg(format('%s %s %s', attname, format_type(atttypid, atttypmod), attnotnull), ','
      order by attnum) from pg_attribute where attrelid = '\"Made Again\"'::regclass and attnum > 0")" \
    "$(sql "select string_agg(format('%s %s %s', attname, format_type(atttypid, atttypmod), attnotnull), ','
      order by attnum) from pg_attribute where attrelid = 'zoo'::regclass and attnum > 0")"
}

@test "integers beyond 2^53 keep their last digit, also as strings" {
  load_lines '{"id":9007199254740993,"note":"9007199254740993","doc":9007199254740993}' \
    '{"id":"-9223372036854775808","note":null,"doc":null}' -- 
  assert_status 0
  assert_equal "$(rows)" '{"id":-9223372036854775808,"note":null,"doc":null}
{"id":9007199254740993,"note":"9007199254740993","doc":9007199254740993}'
}

@test "a line longer than 64 KiB is one row" {
  python3 -c 'print("{\"id\":1,\"note\":\"" + "x\\n\\u00e9" * 500000 + "\",\"doc\":[" + "1," * 100000 + "1]}")' \
    >"$SCRATCH/long"
  run --separate-stderr pg-load-jsonl --relation t <"$SCRATCH/long"
  assert_status 0
  assert_equal "$(sql "select length(note), md5(note) = md5(repeat(E'x\n\u00e9', 500000)), jsonb_array_length(doc) from t")" \
    "1500000|t|100001"
}

@test "equal rows are as many rows" {
  load_lines '{"id":1,"note":"a","doc":{}}' '{"id":1,"note":"a","doc":{}}' '{"id":1,"note":"a","doc":{}}'
  assert_status 0
  assert_equal "$(sql "select count(*) from t")" 3
}

@test "null, the empty string, and the words that COPY knows stay apart" {
  load_lines '{"id":1,"note":null,"doc":null}' '{"id":2,"note":"","doc":""}' '{"id":3,"note":"\\N","doc":"\\N"}' \
    '{"id":4,"note":"\\.","doc":"null"}'
  assert_status 0
  assert_equal "$(rows)" '{"id":1,"note":null,"doc":null}
{"id":2,"note":"","doc":""}
{"id":3,"note":"\\N","doc":"\\N"}
{"id":4,"note":"\\.","doc":"null"}'
}

@test "computed columns are passed over, and identity columns are written" {
  sql "create table computed (id int generated always as identity, twice int generated always as (n * 2) stored, n int)"
  run --separate-stderr pg-load-jsonl --relation computed <<<'{"id":7,"twice":99,"n":3}'
  assert_status 0
  assert_equal "$(sql "select * from computed")" "7|6|3"
}

@test "hstore comes back" {
  sql "create extension if not exists hstore" 2>/dev/null || skip "the server has no hstore"
  sql "create table pairs as select 1 as id, hstore(array['a', 'b\"\\', 'c'], array['1', null, 'x y, \"z\" => 2']) as h
       union all select 2, '' union all select 3, null; create table pairs_again (like pairs)"
  pg-extract-jsonl --relation pairs | pg-load-jsonl --relation pairs_again >/dev/null
  assert_equal "$(sql "table pairs_again order by id")" "$(sql "table pairs order by id")"
}

# -- members

@test "members may come in any order, and with blanks" {
  load_lines '{"note":"a","doc":1,"id":1}' '{"id":2, "doc": 2 , "note": "b"}' '{"doc":3,"note":"c","id":3}'
  assert_status 0
  assert_equal "$(rows)" '{"id":1,"note":"a","doc":1}
{"id":2,"note":"b","doc":2}
{"id":3,"note":"c","doc":3}'
}

@test "a missing member is an error unless it may be null or the default" {
  load_lines '{"id":1,"note":"a","doc":1}' '{"id":2,"doc":1}'
  assert_status 65
  assert_stderr_has 'line 2, column "note": member is missing'
  assert_nothing_loaded
  load_lines '{"id":1,"note":"a","doc":1}' '{"id":2}' -- --missing null
  assert_status 0
  sql "truncate t; alter table t alter note set default 'new'"
  load_lines '{"id":1,"doc":1}' '{"id":2,"doc":1}' -- --missing default
  assert_status 0
  assert_equal "$(sql "select id, note from t")" $'1|new\n2|new'
}

@test "an unknown member is an error unless it may be ignored" {
  load_lines '{"id":1,"note":"a","doc":1,"more":[1]}'
  assert_status 65
  assert_stderr_has 'line 1: unknown member "more"'
  assert_nothing_loaded
  load_lines '{"id":1,"more":[1],"note":"a","doc":1}' -- --ignore-unknown
  assert_status 0
  assert_equal "$(rows)" '{"id":1,"note":"a","doc":1}'
}

@test "a member that is there twice is an error" {
  load_lines '{"id":1,"note":"a","doc":1}' '{"id":1,"note":"a","doc":1,"id":2}'
  assert_status 65
  assert_stderr_has 'line 2, column "id": member is there twice'
  assert_nothing_loaded
}

# -- bad lines

@test "a line that is no JSON is named, and nothing is loaded" {
  load_lines '{"id":1,"note":"a","doc":1}' '{"id":2,"note":"b","doc":1}' '{"id":3,"note":"c"'
  assert_status 65
  assert_stderr_has 'line 3'
  assert_nothing_loaded
}

@test "a value that the server refuses is named by line and column, and nothing is loaded" {
  load_lines '{"id":1,"note":"a","doc":1}' '{"id":"x","note":"b","doc":1}'
  assert_status 65
  assert_stderr_has 'line 2, column "id": invalid input syntax for type bigint: "x"'
  assert_nothing_loaded
  load_lines '{"id":1,"note":"a","doc":1}' '{"id":2,"note":"b","doc":{"a":}}'
  assert_status 65
  assert_stderr_has 'line 2'
  assert_nothing_loaded
}

@test "a bad line far behind is named by its number" {
  sql "create table big_copy (like big)"
  { cat "$SCRATCH/big.jsonl" && echo '{"id":null,"note":[]}'; } >"$SCRATCH/bad"
  run --separate-stderr pg-load-jsonl --relation big_copy <"$SCRATCH/bad"
  assert_status 65
  assert_stderr_has 'line 100001, column "note"'
  sql "alter table big_copy add check (id <> 70000)"
  run --separate-stderr pg-load-jsonl --relation big_copy <"$SCRATCH/big.jsonl"
  assert_status 65
  assert_stderr_has 'line 70000: new row for relation'
  assert_equal "$(sql "select count(*) from big_copy")" 0
}

@test "the server's refusal is noticed before the input has ended" {
  sql "create table one_row (id int primary key, note text)"
  mkfifo "$SCRATCH/endless"
  yes '{"id":1,"note":"a"}' >"$SCRATCH/endless" &
  run --separate-stderr timeout 60 pg-load-jsonl --relation one_row <"$SCRATCH/endless"
  assert_status 65
  assert_stderr_has 'line 2: duplicate key value violates unique constraint'
}

@test "what is not UTF-8, empty or without a line feed is bad input" {
  run --separate-stderr pg-load-jsonl --relation t <<<$'{"id":1,"note":"\xff","doc":1}'
  assert_status 65
  assert_stderr_has 'line 1'
  load_lines '{"id":1,"note":"a","doc":1}' '' '{"id":2,"note":"a","doc":1}'
  assert_status 65
  assert_stderr_has 'line 2'
  run --separate-stderr pg-load-jsonl --relation t < <(printf '{"id":1,"note":"a","doc":1}')
  assert_status 65
  assert_stderr_has 'line 1: cut off'
  assert_nothing_loaded
}

# -- whole or not at all

@test "no input is no rows, and a record that says so" {
  load_lines
  assert_status 0
  assert_equal "$(jq -c '[.type, .target_schema, .target_table, .rows, .in_bytes, .outcome]' <<<"$output")" \
    '["load","public","t",0,0,"loaded"]'
}

@test "a dry run does everything and leaves nothing" {
  load_lines '{"id":1,"note":"a","doc":1}' -- --dry-run
  assert_status 0
  assert_equal "$(jq -r .outcome <<<"$output")" dry-run
  assert_equal "$(sql "select count(*) from t")" 0
}

@test "the record is passed on with what was done" {
  local record
  record=$(record_of t '{"rows": 1, "sha256": "00", "outcome": "uploaded"}')
  run --separate-stderr pg-load-jsonl --record "$record" <<<'{"id":1,"note":"a","doc":1}'
  assert_status 0
  assert_equal "$(command jq -c 'keys_unsorted' <<<"$output")" '["type","schema","table","partition_schema","partition","columns","note","sha256","target_schema","target_table","rows","in_bytes","elapsed_ms","outcome"]'
  assert_equal "$(jq -c '[.type, .note, .rows, .outcome]' <<<"$output")" '["load","kept",1,"loaded"]'
}

@test "another number of rows than the record's is refused" {
  run --separate-stderr pg-load-jsonl --record "$(record_of t '{"rows": 2}')" <<<'{"id":1,"note":"a","doc":1}'
  assert_status 65
  assert_stderr_has '1 rows came, but 2 are expected'
  assert_nothing_loaded
  run --separate-stderr pg-load-jsonl --record "$(record_of t '{"rows": 2}')" --no-check-rows \
    <<<'{"id":1,"note":"a","doc":1}'
  assert_status 0
}

@test "rows that a trigger takes away are noticed" {
  sql "create function swallow() returns trigger language plpgsql as 'begin return null; end';
       create trigger swallow before insert on t for each row when (new.id = 2) execute function swallow()"
  load_lines '{"id":1,"note":"a","doc":1}' '{"id":2,"note":"a","doc":1}'
  assert_status 65
  assert_stderr_has 'the server took 1 of 2 rows'
  assert_nothing_loaded
}

@test "warnings of a trigger do not disturb the load" {
  sql "create table noisy (like big); create function shout() returns trigger language plpgsql as
         'begin raise warning ''%'', repeat(''x'', 1000); return new; end';
       create trigger shout before insert on noisy for each row execute function shout()"
  run --separate-stderr timeout 100 pg-load-jsonl --relation noisy <"$SCRATCH/big.jsonl"
  assert_status 0
  assert_equal "$(sql "select count(*) from noisy")" 100000
}

@test "a table that exists is not made again, and stays as it is" {
  run --separate-stderr pg-load-jsonl --record "$(record_of t)" --create <<<'{"id":1,"note":"a","doc":1}'
  assert_status 65
  assert_stderr_has 'relation "t" already exists'
  assert_nothing_loaded
}

@test "a failed load leaves no new table" {
  run --separate-stderr pg-load-jsonl --record "$(record_of t)" --create --into fresh <<<'{"id":1}'
  assert_status 65
  assert_equal "$(sql "select to_regclass('fresh')")" ""
}

@test "a type that is more than a type is refused" {
  local type
  for type in 'int); drop table t; --' 'int default 1' 'nosuchtype' 'int /*' 'int)'; do
    run --separate-stderr pg-load-jsonl --into fresh --create \
      --record "$(jq -cn --arg t "$type" '{type: "object", columns: [{name: "id", type: $t}]}')" <<<'{"id":1}'
    assert_status 65
  done
  assert_nothing_loaded
}

@test "only what its stages have finished is loaded" {
  local extract='{"type":"start","tool":"pg-extract-jsonl","pid":1}'
  printf '%s\n' "$extract" >"$SCRATCH/job"
  SLUICE_JOB=$SCRATCH/job load_lines '{"id":1,"note":"a","doc":1}' -- --after pg-extract-jsonl
  assert_status 65
  assert_stderr_has 'pg-extract-jsonl did not finish'
  assert_nothing_loaded
  printf '%s\n' "$extract" '{"type":"done","tool":"pg-extract-jsonl","pid":1,"in_bytes":0,"out_bytes":28}' >"$SCRATCH/job"
  SLUICE_JOB=$SCRATCH/job load_lines '{"id":1,"note":"aa","doc":1}' -- --after pg-extract-jsonl
  assert_status 65
  assert_nothing_loaded
  SLUICE_JOB=$SCRATCH/job load_lines '{"id":1,"note":"a","doc":1}' -- --after pg-extract-jsonl
  assert_status 0
  assert_equal "$(tail -n 1 "$SCRATCH/job" | jq -c '[.type, .tool, .in_bytes, .out_bytes, .rows]')" \
    "[\"done\",\"pg-load-jsonl\",28,$((${#output} + 1)),1]"
}

# end_amid SIGNAL: ends a load in its middle, and leaves its status.
end_amid() {
  local pid
  rm -f "$SCRATCH/pipe"
  mkfifo "$SCRATCH/pipe"
  sql "drop table if exists amid; create table amid (like big)"
  pg-load-jsonl --relation amid <"$SCRATCH/pipe" 2>/dev/null &
  pid=$!
  {
    cat "$SCRATCH/big.jsonl"
    eventually 20 is_copying
    kill "-$1" "$pid"
    status=0
    wait "$pid" || status=$?
  } >"$SCRATCH/pipe" 3>&-
}

is_copying() {
  [[ $(sql "select count(*) from pg_stat_progress_copy c where relid = 'amid'::regclass and tuples_processed > 50000") == 1 ]]
}

no_copy() { [[ $(sql "select count(*) from pg_stat_progress_copy where relid = 'amid'::regclass") == 0 ]]; }

@test "killed in its middle, it leaves nothing; and the next load is whole" {
  end_amid KILL
  assert_status 137
  eventually 20 no_copy
  assert_equal "$(sql "select count(*) from amid")" 0
  pg-load-jsonl --relation amid <"$SCRATCH/big.jsonl" >/dev/null
  assert_equal "$(sql "select count(*) from amid")" 100000
}

@test "asked to stop in its middle, it leaves nothing and says by which signal" {
  end_amid TERM
  assert_status 143
  eventually 20 no_copy
  assert_equal "$(sql "select count(*) from amid")" 0
}

@test "a lost connection is an error that may pass" {
  mkfifo "$SCRATCH/lost"
  sql "create table lost (like big)"
  pg-load-jsonl --relation lost <"$SCRATCH/lost" 2>"$SCRATCH/lost.err" &
  local pid=$!
  {
    cat "$SCRATCH/big.jsonl"
    eventually 20 terminate_copy
    cat "$SCRATCH/big.jsonl" || true
  } >"$SCRATCH/lost" 2>/dev/null
  status=0
  wait "$pid" || status=$?
  assert_status 69
  assert_equal "$(sql "select count(*) from lost")" 0
}

terminate_copy() {
  [[ $(sql "select count(*) from (select pg_terminate_backend(pid) from pg_stat_progress_copy
    where relid = 'lost'::regclass) as ended") == 1 ]]
}

# -- command line

@test "a number of rows that was told, and a table like another" {
  sql "create table model (id int not null, note text default 'none')"
  record='{"type":"partition","partition_schema":"public","partition":"copied"}'
  run --separate-stderr pg-load-jsonl --record "$record" --create --like model --expect-rows 2 <<<'{"id":1,"note":"a"}'
  assert_status 65
  assert_equal "$(sql "select to_regclass('copied') is null")" t
  pg-load-jsonl --record "$record" --create --like model --expect-rows 1 <<<'{"id":1,"note":"a"}' >/dev/null
  sql "insert into copied (id) values (2)"
  assert_equal "$(sql "select note from copied where id = 2")" none
  run --separate-stderr pg-load-jsonl --relation copied --statement-timeout 30d </dev/null
  assert_status 64
}

@test "nesting as deep as the server takes it, in whichever line" {
  sql "create table deep (id int, j json, b jsonb)"
  sql "insert into deep select 1, d::json, d::jsonb from (select repeat('[', 7000) || repeat(']', 7000) as d) x"
  pg-extract-jsonl --relation deep >"$SCRATCH/deep"
  sql "create table deep2 (like deep)"
  pg-load-jsonl --relation deep2 <"$SCRATCH/deep" >/dev/null
  assert_same_file <(pg-extract-jsonl --relation deep2) "$SCRATCH/deep"
  # An array of the server has six dimensions at most.
  sql "create table dimensions (a int[])"
  pg-load-jsonl --relation dimensions <<<'{"a":[[[[[[1]]]]]]}' >/dev/null
  run --separate-stderr pg-load-jsonl --relation dimensions <<<"{\"a\":$(printf '[%.0s' {1..100000})$(printf ']%.0s' {1..100000})}"
  assert_status 65
  assert_stderr_has dimensions
  for record in "@$SCRATCH/none 74" "@$SCRATCH/deep 65" "{ 64"; do
    run --separate-stderr pg-load-jsonl --record "${record% *}" </dev/null
    assert_status "${record##* }"
  done
}

@test "what cannot be is wrong usage" {
  local options
  for options in '' '--relation a --record {}' '--relation a --create' '--relation a --into b' '--relation t x' \
    '--relation t --missing what' '--record nonsense' '--relation t --after x' '--relation t --statement-timeout 3'; do
    # shellcheck disable=SC2086  # a list of words
    run --separate-stderr pg-load-jsonl $options </dev/null
    assert_status 64
  done
}

@test "a table that is not there is bad input" {
  run --separate-stderr pg-load-jsonl --relation nowhere </dev/null
  assert_status 65
  assert_stderr_has 'relation "nowhere" does not exist'
}

@test "the rows are there even if the record cannot be written" {
  echo '{"id":1,"note":"a","doc":1}' >"$SCRATCH/line"
  run --separate-stderr bash -c "pg-load-jsonl --relation t <'$SCRATCH/line' >/dev/full"
  assert_status 74
  assert_equal "$(sql "select count(*) from t")" 1
}
