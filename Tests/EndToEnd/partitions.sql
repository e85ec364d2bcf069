-- Action records as pg-partplan writes them, for tests that want one of a certain kind.
create schema plan;

create function plan.action(kind text, parent regclass, partition_schema text, partition text, bound text, facts json,
  more json) returns text language sql as $$
  select '{' || (select string_agg(to_json(key)::text || ':' || value, ',') from (
    select key, value::text from json_each(json_build_object('type', 'action', 'action', kind, 'database',
      current_database(), 'schema', nspname, 'table', relname, 'parent_schema', nspname, 'parent', relname,
      'partition_schema', partition_schema, 'partition', partition, 'bound', bound, 'facts', facts))
    union all select key, value::text from json_each(more)) as m) || '}'
  from pg_class c join pg_namespace n on n.oid = relnamespace where c.oid = parent $$;

-- A create or a drain of the rows between two values of the key.
create function plan.creation(kind text, parent regclass, partition text, lower text, upper text) returns text
language sql as $$
  select plan.action(kind, parent, nspname, partition, bound, json_build_object('parent_oid', parent::oid::text),
    json_build_object('sql', array[
      format('CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED)', name, above),
      format('ALTER TABLE %1$s ADD CONSTRAINT sluice_bound CHECK (%2$I IS NOT NULL AND %2$I >= %3$L AND %2$I < %4$L)', name,
        (select attname from pg_attribute a join pg_partitioned_table on partrelid = attrelid and attnum = partattrs[0]
          where attrelid = parent), lower, upper),
      format('ALTER TABLE %s ATTACH PARTITION %s %s', above, name, bound),
      format('ALTER TABLE %s DROP CONSTRAINT sluice_bound', name)]))
  from pg_class c join pg_namespace n on n.oid = relnamespace,
    lateral (select '"' || replace(nspname, '"', '""') || '"."' || replace(partition, '"', '""') || '"' as name,
      '"' || replace(nspname, '"', '""') || '"."' || replace(relname, '"', '""') || '"' as above,
      format('FOR VALUES FROM (%L) TO (%L)', lower, upper) as bound) as l
  where c.oid = parent $$;

-- A detach, move, archive or drop.
create function plan.retirement(kind text, part regclass, more json default '{}') returns text language sql as $$
  select plan.action(kind, inhparent, nspname, relname, pg_get_expr(relpartbound, c.oid),
    json_build_object('oid', c.oid::text, 'bound', pg_get_expr(relpartbound, c.oid)), more)
  from pg_class c join pg_namespace n on n.oid = relnamespace join pg_inherits on inhrelid = c.oid where c.oid = part $$;

-- A table of days, with two of them, and a row a minute in each.
create function plan.make(name text, with_default boolean default false) returns void language plpgsql as $$
begin
  execute format('create table %I (at timestamptz not null, n int, note text, primary key (at, n)) partition by range (at)', name);
  execute format('create table %I partition of %I for values from (%L) to (%L)', name || '_1', name, '2024-01-01 00:00:00+00', '2024-01-02 00:00:00+00');
  execute format('create table %I partition of %I for values from (%L) to (%L)', name || '_2', name, '2024-01-02 00:00:00+00', '2024-01-03 00:00:00+00');
  if with_default then execute format('create table %I partition of %I default', name || '_default', name); end if;
  execute format('insert into %I select timestamptz ''2024-01-01 00:00:00+00'' + i * interval ''1 minute'', i, ''x'' from generate_series(0, 2879) i', name);
end $$;
