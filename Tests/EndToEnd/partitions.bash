# Helpers of the tests that carry out plans: `load partitions` behind `load support`, with partitions.sql in the database.
# shellcheck shell=bash disable=SC2154

# creation create|drain TABLE NAME FROM TO
creation() { sql "select plan.creation('$1', '$2', '$3', '$(moment "$4")', '$(moment "$5")')"; }

# A bound as the server prints it.
moment() { sql "select timestamptz '$1'"; }

# retirement detach|move|archive|drop PARTITION [MEMBERS]
retirement() { sql "select plan.retirement('$1', '$2', '${3:-{\}}')"; }

# What became of each action, a line each: action, partition, outcome, and the detail where there is one.
apply() { pg-partapply "$@" | jq -r '[.action, .partition, .outcome, .detail // empty] | join(" ")'; }

bound_of() { sql "select pg_get_expr(relpartbound, oid) from pg_class where oid = '$1'::regclass"; }

partitions_of() {
  sql "select string_agg(inhrelid::regclass::text, ' ' order by inhrelid::regclass::text) from pg_inherits where inhparent = '$1'::regclass"
}

# All that a table says, as one line.
digest() { sql "select count(*), md5(string_agg(t::text, ';' order by t::text)) from $1 t"; }

# leave_pending TABLE PARTITION: as a detach does that is killed while it waits for others.
leave_pending() {
  psql -qXc "begin; select count(*) from $1; select pg_sleep(60)" >/dev/null 2>&1 3>&- &
  eventually 10 is_locked "$2"
  PGOPTIONS='-c lock_timeout=100ms' psql -qXc "alter table $1 detach partition $2 concurrently" 2>/dev/null || true
  end_sleepers
  [[ $(sql "select inhdetachpending from pg_inherits where inhrelid = '$2'::regclass") == t ]] || fail "nothing is pending"
}

is_locked() { [[ $(sql "select count(*) > 0 from pg_locks where relation = '$1'::regclass") == t ]]; }

# Ends the sessions that sleep with locks.
end_sleepers() {
  sql "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
    and query like '%pg_sleep(%'" >/dev/null
  eventually 10 nobody_sleeps
}

nobody_sleeps() {
  [[ $(sql "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
    and query like '%pg_sleep(%'") == 0 ]]
}
