# Rows go to the target in COPY's binary format where their types have one here: what arrives is what their text gives.

# shellcheck disable=SC2154  # `run` sets stderr, and replicating.bash the databases

load support
load replicating

setup_file() { start_postgres --own --setting wal_level=logical --setting log_statement=all --setting max_replication_slots=40; }

# same TYPE FORMATS VALUE…: a table of forty rows of each value goes over, by COPY statements of these formats.
same() {
  local type=$1 formats=$2 values
  shift 2
  both "drop table if exists t; create table t (id int primary key, v $type, w $type)"
  values=$(printf "(\$\$%s\$\$)," "$@")
  at_source "insert into t select row_number() over (), x::$type, case when i % 2 = 0 then x::$type end
    from (values ${values%,}) l(x), generate_series(1, 40) i"
  copied
  [[ $(formats) == "$formats" ]] || fail "$type was sent as: $(formats)"
  [[ $(content "$source") == "$(content "$target")" ]] || fail "$type: $(diff <(content "$source") <(content "$target") | head -n 20)"
  at_target 'truncate t'
}

copied() {
  : >"$PGHOST/log"
  snapshot >events
  SOURCE=$((${SOURCE:-0} + 1))
  cdc-apply --dbname "dbname=$target" --source "$SOURCE" <events >/dev/null
}

# In the order in which they began.
formats() { sed -n 's/.*COPY "public"[^ ]* .* FROM STDIN\(.*\)/\1/p' "$PGHOST/log" | sed 's/^ (FORMAT binary)/binary/; s/^$/text/' | paste -sd ' '; }

# Text, which tells apart what is equal; and of floats all digits.
content() { sql_in "$1" 'select id, v, w from t order by id'; }

@test "numbers" {
  at_source 'create publication p for all tables'
  same int2 binary 0 -1 32767 -32768
  same int4 binary 0 -1 2147483647 -2147483648
  same int8 binary 0 -1 9223372036854775807 -9223372036854775808
  same oid binary 0 4294967295
  same boolean binary true false
  same float4 binary 0 NaN Infinity -Infinity 1 -2.5 3.4028235e38 1.17549435e-38 0.1 123456.78
  same float8 binary 0 NaN Infinity -Infinity -1 0.1 1e300 1.7976931348623157e308 2.2250738585072014e-308 3.141592653589793
  same float4 'binary text' 1 1e-45
  same float8 'binary text' 1 5e-324
  same numeric binary 0 NaN 0.0 -0.10 1 10000 9999 99990000 12345.6789 0.00001 -123456789012345678901234567890.0000000000123 1.50000 100000000
  same 'numeric(12,3)' binary 0 1.5 -999999999.999
  same numeric 'binary text' 1 Infinity "$(printf '9%.0s' {1..5000}).5"
}

@test "times" {
  at_source 'create publication p for all tables'
  same date binary 2000-01-01 1970-01-01 0001-01-01 '0044-03-15 BC' 5874897-12-31 2024-02-29 infinity -infinity
  same time binary 00:00:00 23:59:59.999999 12:00:00.5 24:00:00
  same timestamp binary infinity -infinity '2026-01-31 10:00:00' '1999-12-31 23:59:59.999999' '0001-01-01 00:00:00' '4713-01-01 00:00:00 BC' '294246-12-31 23:59:59.999999'
  same timestamp 'binary text' '2000-01-01 00:00:00' '294276-12-31 23:59:59.999999'
  same timestamptz binary infinity -infinity '2026-01-31 10:00:00.123456+05:30' '1969-07-20 20:17:40Z' '0044-03-15 12:00:00+00 BC' '1883-11-18 12:00:00-07:52:58'
  same 'timestamptz(0)' binary '2026-01-31 10:00:00.5+00'
}

@test "bytes and texts" {
  at_source 'create publication p for all tables'
  same text binary '' 'a\tb\n\\N' $'tab\there\nand a line' 'größer "quoted" 😀' '\.'
  same 'varchar(5)' binary '' "aé😀\"\\"
  same 'char(5)' binary '' 'a b'
  same bytea binary '' '\x' '\x00ff7f' '\xdeadbeef'
  same uuid binary 00000000-0000-0000-0000-000000000000 a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11
  same json binary '{"b": 1,  "a": [1, 2.50, null, "x\ny"]}' '"text"' 1e5
  same jsonb binary '{"b": 1,  "a": [1, 2.50, null, "x\ny"]}' '"text"' 1e5
}

@test "types without such a form, and domains, go as text" {
  at_source 'create publication p for all tables'
  both "create type mood as enum ('sad', 'happy'); create domain positive as int check (value > 0)"
  same mood text sad happy
  same positive text 1 2
  same interval text '1 year -2 days 03:04:05.6'
  same 'int[]' text '{1,2,NULL}' '{}'
  same macaddr text 08:00:2b:01:02:03
}

@test "addresses" {
  at_source 'create publication p for all tables'
  same inet binary 10.0.0.1/8 10.0.0.1 0.0.0.0/0 255.255.255.255 ::1 2001:db8::1/64 ::ffff:10.1.2.3
  same cidr binary 10.0.0.0/8 10.1.2.3 10.1.2 2001:db8::/32 ::/0
}

@test "a hundred thousand values at random" {
  both 'create table t (id int primary key, n numeric, m numeric(20,7), f float8, r float4, b bigint, d date, s timestamp, z timestamptz, x bytea)'
  at_source 'create publication p for table t'
  at_source "select setseed(0.42); insert into t select i, (random() - 0.5)::numeric * (10::numeric ^ (random() * 60 - 30)::int),
    (random() - 0.5)::numeric * 10::numeric ^ (random() * 13)::int, (random() - 0.5) * 10 ^ (random() * 400 - 200),
    ((random() - 0.5) * 10 ^ (random() * 60 - 30))::float4, ((random() - 0.5) * 10 ^ (random() * 17))::bigint,
    date '2000-01-01' + ((random() - 0.5) * 1000000)::int, timestamp '2000-01-01' + (random() - 0.5) * interval '4000 years',
    timestamptz '2000-01-01' + (random() - 0.5) * interval '4000 years', sha256(i::text::bytea) from generate_series(1, 100000) i" >/dev/null
  copied
  [[ $(formats | tr ' ' '\n' | sort -u) == binary ]] || fail "sent as: $(formats)"
  assert_equal_sides
  [[ $(sql_in "$source" 'select md5(string_agg(t::text, $$ $$ order by id)) from t') == "$(sql_in "$target" 'select md5(string_agg(t::text, $$ $$ order by id)) from t')" ]]
}

@test "other types at the target: what does not fit is for the server to judge, whatever the format" {
  at_source 'create table t (id bigint primary key, v text, w text); create publication p for table t'
  at_target 'create table t (id int primary key, v numeric(5,2), w timestamptz)'
  at_source "insert into t select i, i || '.126', '2026-01-31 10:00' from generate_series(1, 100) i"
  copied
  [[ $(formats) == 'binary text' ]]
  [[ $(at_target 'select count(*), max(v), max(w) from t') == '100|100.13|2026-01-31 10:00:00+00' ]]
  at_source "insert into t values (101, '1000', null)"
  at_target 'truncate t'
  snapshot >events
  run -65 --separate-stderr cdc-apply --dbname "dbname=$target" --source other <events
  [[ $stderr == *'numeric field overflow'* && $stderr == *'(id)=(101)'* ]]
  at_source "update t set v = 'none' where id = 101"
  snapshot >events
  run -65 --separate-stderr cdc-apply --dbname "dbname=$target" --source other <events
  [[ $stderr == *'invalid input syntax for type numeric: "none"'* ]]
  at_source "delete from t where id = 101; insert into t values (3000000000, '1', null)"
  snapshot >events
  run -65 --separate-stderr cdc-apply --dbname "dbname=$target" --source other <events
  [[ $stderr == *'"3000000000" is out of range for type integer'* ]]
  [[ $(at_target 'select count(*) from t') == 0 ]]
}

# forty LSN VALUE: the events of a transaction at 0/LSN that inserts forty rows with that value.
forty() {
  printf '{"type":"begin","xid":%s,"lsn":"0/%s"}\n' "$1" "$1"
  seq "${1}01" "${1}40" | sed 's/.*/{"type":"insert","schema":"public","table":"t","new":{"id":&,"v":'"$2"'}}/'
  printf '{"type":"commit","xid":%s,"lsn":"0/%s","end_lsn":"0/%s1"}\n' "$1" "$1" "$1"
}

relation='{"type":"relation","schema":"public","table":"t","identity":"default","columns":[{"name":"id","type":"bigint","key":true},{"name":"v","type":"bigint","key":false}]}'

has_forty() { [[ $(at_target 'select count(*) from t') == 40 ]]; }

@test "a column of the target that becomes another type meanwhile is not taken for the one before" {
  local type
  for type in float8 numeric bigint text; do
    at_target "drop schema if exists sluice cascade" 2>/dev/null
    at_target 'drop table if exists t; create table t (id bigint primary key, v int)'
    {
      echo "$relation" && forty 1 7
      eventually 10 has_forty >&2
      at_target "alter table t alter v type $type" >&2
      forty 2 7
    } | cdc-apply --dbname "dbname=$target" >/dev/null
    assert_equal "$(at_target 'select v::int, count(*) from t group by 1')" '7|80' "$type"
  done
}

@test "what the server refuses as text is refused" {
  local type value
  while IFS=: read -r type value; do
    at_target "drop table if exists t; create table t (id bigint primary key, v $type)"
    { echo "$relation" && forty 1 "\"${value//;/:}\""; } >events
    run -65 --separate-stderr cdc-apply --dbname "dbname=$target" --source "$type" <events
    [[ $stderr == *'out of range'* && $stderr == *'(id)=(101)'* ]] || fail "$type, $value: $stderr"
    assert_equal "$(at_target 'select count(*) from t')" 0
  done <<'END'
date:0000-01-01
date:0000-03-01 BC
date:5881610-07-11
date:4714-11-23 BC
timestamp:0000-01-01T00;00;00
timestamp:290279-12-22T19;59;05.224192 BC
timestamptz:2020-01-01T10;00;00+16;00
bigint:9223372036854775808
float8:1e400
END
}

@test "a row without columns is a row" {
  at_target 'create table t (id int generated always as identity, n int default 5)'
  printf '%s\n' "$relation" '{"type":"begin","xid":1,"lsn":"0/1"}' '{"type":"insert","schema":"public","table":"t","new":{}}' \
    '{"type":"commit","xid":1,"lsn":"0/1","end_lsn":"0/2"}' | sed 's/{"name":"v"[^}]*}/{"name":"n","type":"int","key":false}/' |
    cdc-apply --dbname "dbname=$target" >/dev/null
  assert_equal "$(at_target 'select * from t')" '1|5'
}
