# The steps of partitions in a manifest: archived, verified, dropped, restored. Sourced behind common.sh, with `manifest`
# and `run` (a directory) set.
# shellcheck shell=bash disable=SC2154

# Of the manifest, the last line of each key whose last step is among the given, as JSON: `line` is its number.
last_steps() {
  jq -R -c --arg steps "$1" '
    # A line that is no receipt, such as one that a power cut left unfinished, has no key.
    (fromjson? // {}) | if type == "object" then . else {} end
    | {line: input_line_number, key, step: (.step // "archived"), database, schema, table,
       partition_schema, partition, fingerprint, oid: (.facts.oid? // null)}
    | "\(.key // "" | @json)\t\(if .step | IN($steps / "," | .[]) then @json else "" end)"' -r "$manifest" |
    awk -F '\t' '$1 != "\"\"" { last[$1] = $2 } END { for (key in last) if (last[key] != "") print last[key] }'
}

# The lines of these numbers, in their order.
manifest_lines() { sort -n | awk 'NR == FNR { chosen[$1]; next } FNR in chosen' - "$manifest"; }

# receipts_to_verify RECORDS: the receipts, archived and no more, of these partitions as they are now.
receipts_to_verify() {
  last_steps archived >"$run/archived.json" || return
  jq -n -r --slurpfile receipts "$run/archived.json" '
    (reduce inputs as $r ({}; .[$r.key] = $r.fingerprint)) as $now
    | $receipts[] | select(.key as $key | $now | has($key)) | select($now[.key] == .fingerprint) | .line' "$1" |
    manifest_lines
}

# A `dropped` line for each verified partition that this database does not have any more: pg-partapply writes them, but may have
# been killed before, and somebody may have dropped one by hand.
note_dropped() {
  local line
  last_steps verified | jq -s -c . >"$run/verified.json" || return 65
  [[ $(<"$run/verified.json") != '[]' ]] || return 0
  missing_of "$run/verified.json" | sort -n >"$run/missing" || return 69
  while IFS= read -r line; do
    sed -n "${line}{p;q;}" "$manifest" | append_step "$manifest" dropped '"reconciled":true' || return 74
  done <"$run/missing"
}

# The numbers of those whose table is gone while the one that it was a partition of is still there: of another server we
# know nothing.
missing_of() {
  SLUICE_STEPS_FILE=$1 psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --no-align --tuples-only <<'SQL'
\set json `cat "$SLUICE_STEPS_FILE"`
select r.line from json_to_recordset(:'json')
  as r (line int, database text, schema text, "table" text, partition_schema text, partition text, oid text)
where r.database = current_database()
  and exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = r.schema and c.relname = r."table")
  and not exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where (n.nspname = r.partition_schema and c.relname = r.partition) or c.oid::text = r.oid);
SQL
}
