-- A column of every built-in type, and awkward values of each. Run by tests that compare with row_to_json.
create type mood as enum ('sad', 'it''s "fine"', 'null');
create type pair as (a int, "B c" text);
create domain positive as numeric check (value > 0 or value is null or value = 'NaN');
create domain moment as timestamptz;
create domain words as text[];
create type spans as range (subtype = float8);
create table zoo (
  id int, c_bool bool, c_bytea bytea, c_char "char", c_name name, c_int8 int8, c_int2 int2, c_int4 int4, c_text text,
  c_oid oid, c_tid tid, c_xid xid, c_cid cid, c_xid8 xid8, c_json json, c_jsonb jsonb, c_jsonpath jsonpath, c_point point, c_lseg lseg, c_path path,
  c_box box, c_polygon polygon, c_line line, c_circle circle, c_cidr cidr, c_inet inet, c_macaddr macaddr, c_macaddr8 macaddr8,
  c_float4 float4, c_float8 float8, c_money money, c_bpchar char(5), c_varchar varchar(40), c_date date, c_time time,
  c_timestamp timestamp, c_timestamptz timestamptz, c_interval interval, c_timetz timetz, c_bit bit(3), c_varbit varbit,
  c_numeric numeric, c_uuid uuid, c_tsvector tsvector, c_tsquery tsquery, c_regclass regclass, c_regtype regtype,
  c_regproc regproc, c_regprocedure regprocedure, c_regoper regoper, c_regoperator regoperator, c_regrole regrole,
  c_regnamespace regnamespace, c_regconfig regconfig, c_regdictionary regdictionary, c_regcollation regcollation,
  c_int2vector int2vector, c_oidvector oidvector, c_lsn pg_lsn, c_snapshot pg_snapshot, c_txid txid_snapshot,
  c_refcursor refcursor, c_int4range int4range, c_int8range int8range, c_numrange numrange, c_tsrange tsrange,
  c_tstzrange tstzrange, c_daterange daterange, c_int4multi int4multirange, c_tstzmulti tstzmultirange,
  c_mood mood, c_pair pair, c_positive positive, c_moment moment, c_words words, c_spans spans,
  a_int int[], a_text text[], a_nested int[][], a_pair pair[], a_tstz timestamptz[], a_json jsonb[], a_mood mood[],
  a_bytea bytea[], a_range int4range[],
  "quoted ""name"" with \ and	tab" text, "Ünïcödé 日本" text,
  "a_name_that_is_sixty_three_bytes_long_xxxxxxxxxxxxxxxxxxxxxxxxx" text,
  g int generated always as (id * 2) stored);
insert into zoo (id) values (1);
insert into zoo (id, c_bool, c_bytea, c_char, c_name, c_int8, c_int2, c_int4, c_text, c_oid, c_tid, c_xid, c_cid, c_xid8, c_json,
  c_jsonb, c_jsonpath, c_point, c_lseg, c_path, c_box, c_polygon, c_line, c_circle, c_cidr, c_inet, c_macaddr, c_macaddr8,
  c_float4, c_float8, c_money, c_bpchar, c_varchar, c_date, c_time, c_timestamp, c_timestamptz, c_interval, c_timetz, c_bit,
  c_varbit, c_numeric, c_uuid, c_tsvector, c_tsquery, c_regclass, c_regtype, c_regproc, c_regprocedure, c_regoper,
  c_regoperator, c_regrole, c_regnamespace, c_regconfig, c_regdictionary, c_regcollation, c_int2vector, c_oidvector, c_lsn,
  c_snapshot, c_txid, c_refcursor, c_int4range, c_int8range, c_numrange, c_tsrange, c_tstzrange, c_daterange, c_int4multi,
  c_tstzmulti, c_mood, c_pair, c_positive, c_moment, c_words, c_spans, a_int, a_text, a_nested, a_pair, a_tstz, a_json, a_mood,
  a_bytea, a_range, "quoted ""name"" with \ and	tab", "Ünïcödé 日本",
  "a_name_that_is_sixty_three_bytes_long_xxxxxxxxxxxxxxxxxxxxxxxxx")
values
 (2, true, '\x00ff5c0a', 'x', 'a name', 9223372036854775807, -32768, -2147483648, '', 4294967295, '(1,2)', '7', '8', '9',
  E'{"a" :\n\t[1,\r\n2.50,"x\\ny"], "b":"\\u00e9\\\\"}', '{"k":"q\"uote \\ / \b\f\n\r\t \u0001 é 😀","n":1e400,"z":[]}',
  '$.a[*] ? (@ > 1)', '(1.5,-2)', '[(0,0),(1,1)]', '((0,0),(1,1),(2,0))', '(2,2),(0,0)', '((0,0),(1,1),(2,0))', '{1,2,3}',
  '<(1,1),5>', '10.0.0.0/8', '::1/64', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', 'NaN', 'Infinity', '-1234.56', 'ab',
  'va"r\c', 'infinity', '24:00:00', '-infinity', 'infinity', '-1 year 2 mons -3 days 04:05:06.789', '04:05:06.789-08', '101', '',
  'NaN', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'a:1A fat:2B,4C cat''s', 'fat & (rat | !cat)', 'zoo', 'integer[]', 'now', 'sum(int)',
  '||/', '+(integer,integer)', 'postgres', 'public', 'english', 'simple', '"C"', '1 2 3', '4 5', '16/B374D848', '10:20:10,14,15',
  '10:20:10,14,15', 'cur"sor', '[1,10)', 'empty', '(,5.5]', '["2024-01-01 00:00","2024-02-01 00:00")',
  '["2024-01-01 00:00+00",infinity)', '[2024-01-01,)', '{[1,3),[5,9)}', '{}', 'it''s "fine"', '(1,"x ""y"" \\z")', 'NaN',
  '2024-02-29 12:00:00.5+05:30', '{a,"b c",NULL,"NULL",""}', '[1.5,2.5)', '{1,NULL,-3}', '{"a,b","c\"d","e\\f",""}',
  '{{1,2},{3,4}}', '{"(1,a)","(,)",NULL}', '{"2024-01-01 00:00:00+00","infinity",NULL}', array['{"a":[1]}', 'null', '"s"']::jsonb[],
  '{sad,"null"}', array['\x00'::bytea, '\xff'], '{"[1,2)",empty}', E'v\x0b\x01\x1f\x7f\b\f', 'ü 日本 😀 "\', 'x'),
 (3, false, '', '"', '', -9223372036854775808, 32767, 2147483647, E'tab\tnew\nline\rback\\slash "q" \\N \\. ' || chr(11) || chr(1), 0, '(0,0)', '0',
  '0', '0', '[]', 'null', '$', '(1e300,-0)', '[(-1,-1),(1,1)]', '[(0,0),(1,1)]', '(0,0),(-1,-1)', '((0,0))', '{0,1,0}', '<(0,0),0>', '::/0',
  '192.168.1.5', '00:00:00:00:00:00', '00:00:00:00:00:00:00:00', '-Infinity', '-0', '92233720368547758.07', '', '',
  '0044-03-15 BC', '00:00:00', '0044-03-15 01:02:03.000001 BC', '0044-03-15 01:02:03 BC', '0', '00:00:00+15:59:59', '000', '1',
  '-123456789012345678901234567890.000000000000000000001', '00000000-0000-0000-0000-000000000000', '', '', '0', '0', '0', '0',
  '0', '0', '0', '0', '0', '0', '0', '', '', '0/0', '1:1:', '1:1:', '', 'empty', '(,)', '[1,1]', 'empty', '(,)', 'empty', '{}',
  '{["2024-01-01 00:00+00","2024-01-02 00:00+00")}', 'null', '(,)', '0.00001', '-infinity', '{}', 'empty', '[0:2]={7,8,9}', '{}',
  '[-1:0][2:3]={{1,2},{3,4}}', '{}', '{}', '{}', '{}', '{}', '{}', '', '', ''),
 (4, null, null, E'\\001', null, 0, 0, 0, 'null', null, null, null, null, null, E'"a\\nb"', '"\\N"', null, null, null, null, null,
  null, null, null, null, null, null, null, 1.17549435e-38, 5e-324, 0, 'é', 'true', '2024-02-29', '23:59:59.999999',
  '2024-02-29 23:59:59.999999', '294276-12-31 23:59:59.999999+00', '178000000 years', '00:00:00+00', null, '0101010101', 'Infinity',
  null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
  null, null, null, null, null, null, null, null, null, 12345.678900, '4713-01-01 00:00:00+00 BC', null, null, null, null, null, null, null,
  null, null, null, null, null, null, null),
 (5, null, null, null, null, null, null, null, repeat('long "text" \ ', 20000), null, null, null, null, null, '{"a":1,"a":2}', '1.000', null,
  null, null, null, null, null, null, null, null, null, null, null, 3.4028235e38, 1.7976931348623157e308, null, null, null,
  '5874897-12-31', null, '294276-12-31 23:59:59', '0001-01-01 00:00:00+00', null, null, null, null, 1e-1000, null, null, null, null,
  null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
  null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
-- What came later, in the row that has a value of everything; where all tables are published, that needs an identity.
alter table zoo replica identity full;
create type paper as (j json, b jsonb, n numeric);
alter table zoo add c_int8multi int8multirange, add c_nummulti nummultirange, add c_tsmulti tsmultirange, add c_datemulti datemultirange,
  add c_acl aclitem, add c_paper paper, add a_doc json[], add c_xml xml, add a_xml xml[];
update zoo set c_int8multi = '{[1,3),[9223372036854775806,9223372036854775807)}', c_nummulti = '{(,1.5],[2,)}',
  c_tsmulti = '{["2024-01-01 00:00","2024-02-01 00:00"),[infinity,]}', c_datemulti = '{[2024-01-01,2024-02-01)}', c_acl = 'postgres=r*w/postgres',
  c_paper = row(E'{"a" :\n[1.50]}', '{"b":"\"\\"}', 'NaN'), a_doc = array[E'{"x":\n1}', '"s\\n"', null]::json[] where id = 2;
-- Some servers are built without libxml.
do $$ begin
  update zoo set c_xml = E'<a b="1">x &amp;\n\ty</a>', a_xml = array['<e/>', null, 'text "quoted"']::xml[] where id = 2;
exception when feature_not_supported then null; end $$;
