# Helpers of the tests of partition plans: load it behind `support`.

# Makes the policy file POLICY of what it reads: entries of its list of tables.
policy() {
  POLICY=$BATS_TEST_TMPDIR/policy.yaml
  { echo tables: && cat; } >"$POLICY"
}

# The plan of POLICY, into the file PLAN.
draft() {
  PLAN=$BATS_TEST_TMPDIR/plan
  pg-partplan "$POLICY" "$@" >"$PLAN"
}

# The same. Its statements are such as pg-partapply takes, or that would end with 65.
plan() {
  local status=0
  draft "$@" || return
  pg-partapply --dry-run <"$PLAN" >/dev/null 2>"$BATS_TEST_TMPDIR/strangers" || status=$?
  [[ $status != 65 ]] || fail "$(<"$BATS_TEST_TMPDIR/strangers")"
}

# members NAME… [-- FILTER]: those members of the plan's actions, a line each with spaces between.
members() {
  local names=() filter=true
  while (($#)); do
    if [[ $1 == -- ]]; then
      filter=$2
      break
    fi
    names+=(".$1")
    shift
  done
  jq -r "select($filter) | [$(IFS=, && echo "${names[*]}")] | map(tostring) | join(\" \")" "$PLAN"
}

# Carries out the plan's SQL, each action in its own transaction; what is to be detached by itself is not in one.
carry_out() {
  jq -r 'if .action == "create" then "begin;", (.sql[] + ";"), "commit;" else .sql[] + ";" end' "$PLAN" |
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 >/dev/null
}

# bounds TABLE: the bounds of its partitions in order.
bounds() {
  sql "select pg_get_expr(c.relpartbound, c.oid) from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = '$1'::regclass order by 1"
}
