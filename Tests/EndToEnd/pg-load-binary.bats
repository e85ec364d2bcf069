# Loading in COPY's binary format: what the server reads is what it would have read of the text, or it gets the text.

load support

setup_file() { start_postgres; }

# What each type of the form writes, extremes among it; and what the server itself makes of odd texts.
make_plain() {
  sql "drop table if exists again, plain; drop domain if exists short; drop type if exists mood;
       create type mood as enum ('', 'so so', 'é');
       create domain short as varchar(5) check (value <> 'never');
       create table plain (a bool, b int2, c int4, d int8, e oid, f float4, g float8, h numeric, i numeric(9, 3),
         j date, k time, l timestamp, m timestamptz(2), n text, o varchar(5), p char(5), q json, r jsonb, s uuid,
         t bytea, u inet, v cidr, w mood, x short);
       insert into plain values
         (true, -32768, -2147483648, -9223372036854775808, 0, '-0', '-0', 0, -0.001, '0001-01-01', '00:00',
           '0001-01-01', '0001-01-01 00:00+00', '', '', '', '{}', '[]', '00000000-0000-0000-0000-000000000000',
           '', '::', '::/0', '', ''),
         (false, 32767, 2147483647, 9223372036854775807, 4294967295, 'NaN', 'NaN', 'NaN', 'NaN', 'infinity', '24:00',
           'infinity', 'infinity', E'a\"\\\\\\b\\f\\n\\r\\té€😀', E'\\\\N', E'\\\\.', '{\"a\":  [1, \"x\\\\u00e9\\\\n\"]}',
           '{\"b\": \"}\\\\\\\\\", \"a\": null}', 'ffffffff-ffff-ffff-ffff-ffffffffffff', '\\xff00', '10.1.2.3',
           '10.0.0.0/8', 'so so', 'é'),
         (null, 0, -1, 42, 7, 'infinity', '-infinity', 12345678901234567890.00012345000, 999999.999, '-infinity',
           '23:59:59.999999', '-infinity', '-infinity', 'NULL', 'null', ' a', '1.50', '1.50',
           'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', null, '10.1.2.3/24', '2001:db8::/32', null, null),
         (true, null, null, null, null, 1e-37, 2.2250738585072014e-308, -1e131071, null, '5874897-12-31',
           null, '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.99+00', null, null, null, null, 'null', null,
           '\\x5c', '2001:db8::1/64', null, 'é', 'abcde'),
         (true, 1, 1, 1, 1, 0.1, 0.30000000000000004, 1e-16, 1, '2024-02-29', '12:34:56.7', '2024-02-29 12:34:56.789',
           '1999-12-31 23:59:59.99+05:45', 'x', 'x', 'x', '[]', '{}', null, null, '::ffff:10.1.2.3', '10.1.0.0/16',
           'é', 'x');
       create table again (like plain)"
}

# The table again after a load, as it comes out of it.
loaded() {
  sql "truncate again"
  pg-load-jsonl --relation again >/dev/null
  pg-extract-jsonl --relation again
}

# format_of TABLE: binary or text, the format in which a load that waits for more is sent.
format_of() {
  sql "select case when query like '%FORMAT binary%' then 'binary' else 'text' end from pg_stat_activity
       where pid in (select pid from pg_stat_progress_copy where relid = '$1'::regclass)"
}

is_loading() { [[ -n $(format_of "$1") ]]; }

# assert_format TABLE FORMAT LINE: how rows like that are sent, # being another number in each.
assert_format() {
  rm -f "$SCRATCH/pipe"
  mkfifo "$SCRATCH/pipe"
  pg-load-jsonl --relation "$1" --dry-run <"$SCRATCH/pipe" >/dev/null 3>&- &
  local pid=$! format
  {
    LINE=$3 awk 'BEGIN { for (i = 1; i <= 10000; i++) { line = ENVIRON["LINE"]; sub(/#/, i, line); print line } }'
    eventually 20 is_loading "$1"
    format=$(format_of "$1")
  } >"$SCRATCH/pipe" 3>&-
  wait "$pid"
  assert_equal "$format" "$2" "the format of $1"
}

@test "values of the types that it has come back as they were" {
  make_plain
  pg-extract-jsonl --relation plain >"$SCRATCH/plain"
  loaded <"$SCRATCH/plain" >"$SCRATCH/again"
  assert_same_file "$SCRATCH/plain" "$SCRATCH/again"
  assert_equal "$(sql "select count(*) from plain")" 5
  pg-extract-jsonl --relation plain --quote-numbers >"$SCRATCH/quoted"
  loaded <"$SCRATCH/quoted" >"$SCRATCH/again"
  assert_same_file "$SCRATCH/plain" "$SCRATCH/again"
  assert_format again binary "$(head -n 1 "$SCRATCH/plain")"
}

@test "a text that only the server can read is read by it, and so are the rows behind it" {
  sql "create table odd (id int, at timestamptz, n numeric(9, 2), f float8)"
  local line='"at":"2024-01-01T00:00:00+00:00","n":1.5,"f":1}'
  {
    seq -f "{\"id\":%.0f,$line" 1 2999
    echo '{"id":3000,"at":"0044-03-15T12:00:00+00:00 BC","n":1000,"f":1e300}'
    echo '{"id":" 3001 ","at":"2024-01-01T00:00:00+00:00","n":1.5,"f":1}'
    echo '{"id":3002,"at":"0044-03-15T12:00:00+00:00 BC","n":1e3,"f":4.9e-324}'
    seq -f "{\"id\":%.0f,$line" 3003 6000
  } >"$SCRATCH/odd"
  pg-load-jsonl --relation odd <"$SCRATCH/odd" >/dev/null
  assert_equal "$(sql "select count(*), count(distinct id), min(id), max(id) from odd")" "6000|6000|1|6000"
  assert_equal "$(sql "select at at time zone 'UTC', n, f from odd where id = 3002")" "0044-03-15 12:00:00 BC|1000.00|5e-324"
  assert_equal "$(sql "select at at time zone 'UTC', n, f from odd where id = 3000")" "0044-03-15 12:00:00 BC|1000.00|1e+300"
  # Bad lines before it, at it and behind it are named by their numbers.
  sql "truncate odd; alter table odd add check (id not in (2, 2990, 3002, 3005, 5990))"
  local id
  for id in 2 2990 3002 3005 5990; do
    run --separate-stderr pg-load-jsonl --relation odd < <(awk -v id="$id" 'NR == id || !/"id":(2|2990|3002|3005|5990),/ { print; next }
      { sub(/"id":[0-9]+/, "\"id\":0"); print }' "$SCRATCH/odd")
    assert_status 65
    assert_stderr_has "line $id: new row for relation \"odd\" violates check constraint"
  done
  assert_equal "$(sql "select count(*) from odd")" 0
}

@test "what the server refuses is named by line and column" {
  sql "create table strict (id int not null, word varchar(3), n numeric(4, 2), at timestamp, doc jsonb)"
  local good='{"id":1,"word":"abc","n":99.99,"at":"2024-01-01T00:00:00","doc":{}}' bad
  assert_format strict binary "$good"
  while read -r column bad; do
    run --separate-stderr pg-load-jsonl --relation strict < <(printf '%s\n' "$good" "$good" "$bad" "$good")
    assert_status 65
    assert_stderr_has "line 3"
    [[ $column == - ]] || assert_stderr_has "column \"$column\""
    assert_equal "$(sql "select count(*) from strict")" 0
  done <<'EOF'
word {"id":1,"word":"abcd","n":1,"at":"2024-01-01T00:00:00","doc":{}}
n {"id":1,"word":"abc","n":100,"at":"2024-01-01T00:00:00","doc":{}}
at {"id":1,"word":"abc","n":1,"at":"2024-02-30T00:00:00","doc":{}}
doc {"id":1,"word":"abc","n":1,"at":"2024-01-01T00:00:00","doc":{1}}
id {"id":2147483648,"word":"abc","n":1,"at":"2024-01-01T00:00:00","doc":{}}
id {"id":1.5,"word":"abc","n":1,"at":"2024-01-01T00:00:00","doc":{}}
- {"id":null,"word":"abc","n":1,"at":"2024-01-01T00:00:00","doc":{}}
EOF
}

@test "where a statement sees all rows at its end, there is only one, and it takes any text" {
  sql "create table tree (id int primary key, parent int references tree);
       create table watched (id int); create table statements (n int);
       create function note_statement() returns trigger language plpgsql as
         'begin insert into statements values (1); return null; end';
       create trigger note after insert on watched execute function note_statement();
       create table forest (id int, parent int, primary key (id)) partition by range (id);
       create table forest_1 partition of forest for values from (0) to (100000);
       alter table forest_1 add foreign key (parent) references forest;
       create table child (id int, parent int references tree)"
  local table
  for table in tree forest forest_1; do
    assert_format "$table" text '{"id":#,"parent":null}'
    # Each leads to the one behind it; one is written as only the server reads it.
    { seq 1 9999 | awk '{ printf "{\"id\":%d,\"parent\":%s}\n", $1, $1 == 5000 ? "\" 5001\"" : $1 + 1 }' && echo '{"id":10000,"parent":null}'; } |
      pg-load-jsonl --relation "$table" >/dev/null
    assert_equal "$(sql "select count(*) from $table")" 10000
    sql "truncate $table cascade"
  done
  assert_format watched text '{"id":#}'
  sql "truncate statements"
  { seq -f '{"id":%.0f}' 1 5000 && echo '{"id":" 5001"}' && seq -f '{"id":%.0f}' 5002 9000; } |
    pg-load-jsonl --relation watched >/dev/null
  assert_equal "$(sql "select count(*) from watched")" 9000
  assert_equal "$(sql "select count(*) from statements")" 1
  # A key of another table is checked row by row.
  assert_format child binary '{"id":1,"parent":null}'
}

@test "the table keeps its types while it is loaded" {
  sql "create table kept (id int, f float4)"
  mkfifo "$SCRATCH/kept"
  pg-load-jsonl --relation kept <"$SCRATCH/kept" >/dev/null 3>&- &
  local pid=$!
  {
    # Nothing was sent yet; but the types were looked up.
    eventually 20 is_open
    run sql "set lock_timeout = 100; alter table kept alter id type float4"
    assert_status 1
    echo '{"id":1,"f":1}'
  } >"$SCRATCH/kept" 3>&-
  wait "$pid"
  assert_equal "$(sql "table kept")" "1|1"
}

is_open() {
  [[ $(sql "select count(*) from pg_stat_activity where application_name = 'pg-load-jsonl'
    and datname = current_database() and state = 'idle in transaction' and query like '%pg_attribute%'") == 1 ]]
}

@test "types that change before it has the lock are those that it has then" {
  sql "create table late (id int4, x int)"
  psql --no-psqlrc --quiet --command "begin" --command "alter table late alter id type float4" \
    --command "select pg_sleep(1)" --command "commit" >/dev/null 3>&- &
  local pid=$!
  eventually 20 is_altered
  PGOPTIONS='-c default_transaction_isolation=serializable' pg-load-jsonl --relation late <<<'{"id":1,"x":2}' >/dev/null
  wait "$pid"
  assert_equal "$(sql "table late")" "1|2"
}

is_altered() {
  [[ $(sql "select count(*) from pg_locks where relation = 'late'::regclass and mode = 'AccessExclusiveLock' and granted") == 1 ]]
}

@test "the right to insert is enough, be it into one column" {
  sql "drop role if exists loader; create role loader login;
       create table rights (id int, note text); grant insert (id) on rights to loader"
  PGUSER=loader pg-load-jsonl --relation rights --missing default <<<'{"id":1}' >/dev/null
  assert_equal "$(sql "select id from rights")" 1
  PGUSER=loader run --separate-stderr pg-load-jsonl --relation rights <<<'{"id":1,"note":"a"}'
  assert_status 77
  sql "revoke all on rights from loader"
  PGUSER=loader run --separate-stderr pg-load-jsonl --relation rights <<<'{"id":1,"note":"a"}'
  assert_status 77
  sql "drop role loader"
}

@test "defaults and rules that are not asked for are not evaluated" {
  sql "create function must() returns int immutable language plpgsql as 'begin raise ''give it''; end';
       create table must_give (id int default must()); create table divided (id int default 1 / 0);
       create table ruled (id int); create rule r as on insert to ruled do instead select 1 / 0"
  local table
  for table in must_give divided ruled; do
    pg-load-jsonl --relation "$table" <<<'{"id":1}' >/dev/null
    assert_equal "$(sql "table $table")" 1
  done
}

@test "a table without a column has rows, too" {
  sql "create table hollow ()"
  printf '{}\n{}\n{}\n' | pg-load-jsonl --relation hollow >/dev/null
  assert_equal "$(sql "select count(*) from hollow")" 3
}

@test "a view is loaded through its trigger, as text" {
  sql "create table behind (id int); create view front as table behind;
       create function pass() returns trigger language plpgsql as
         'begin insert into behind values (new.id); return new; end';
       create trigger pass instead of insert on front for each row execute function pass()"
  pg-load-jsonl --relation front <<<'{"id":1}' >/dev/null
  assert_equal "$(sql "table behind")" 1
}
