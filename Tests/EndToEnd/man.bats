# bats file_tags=long
# The manual pages: made from the option tables, and every example in them works.

load support

setup_file() { start_postgres; }

@test "pages are as their tools generate them (else: make man)" {
  "$REPO/man/generate" "$SCRATCH/man1"
  diff -r "$SCRATCH/man1" "$REPO/man/man1"
}

@test "a pipeline's page has every option of its --help" {
  for pipeline in "$REPO"/pipelines/*; do
    [[ -x $pipeline ]] || continue
    page=$REPO/man/man1/$(basename "$pipeline").1
    for option in $("$pipeline" --help | sed -nE 's/^  --([a-z-]+).*/\1/p'); do
      if [[ $option == help ]]; then continue; fi
      grep -qF -- "\\-\\-${option//-/\\-}" "$page" || fail "$page lacks --$option"
    done
  done
}

# The lines between .nf and .fi under EXAMPLES, as a person would type them.
examples() {
  awk '/^\.SH/ { inside = /EXAMPLES/ } inside && /^\.(fi|EE)/ { code = 0 } inside && code; inside && /^\.(nf|EX)/ { code = 1 }' "$1" |
    sed 's/\\-/-/g; s/\\e/\\/g; s/\\&//g'
}

@test "the examples of every page run" {
  for page in "$REPO"/man/man1/*.1; do
    name=$(basename "$page" .1)
    if [[ $name == @(base-restore|wal-drill) ]]; then runs_verifybackup || continue; fi
    script=$(examples "$page")
    [[ -n $script ]] || fail "$name has no examples"
    directory=$SCRATCH/$name
    mkdir "$directory"
    database=${PGDATABASE}_${name//-/_}
    sql "create database $database"
    run env -C "$directory" PGDATABASE="$database" bash -euo pipefail -c "$script"
    [[ $status == 0 ]] || fail "$name: status $status: $output"
    sql "drop database $database"
  done
}
