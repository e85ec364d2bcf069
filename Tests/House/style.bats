# What a reader may rely on in every file, and no compiler checks.

load support

# forbid PATTERN PATH…: the lines that match, among the project's files.
forbid() {
  local pattern=$1
  shift
  sources "$@" | xargs -r -d '\n' grep -nHE "$pattern" -- | expect_none
}

# Every file that a shell runs or sources.
shell_scripts() {
  local file line
  sources '*.bats' '*.bash'
  while read -r file; do
    [[ -f $file && ! -L $file ]] || continue
    # The command substitution of a binary file would warn of its zero bytes.
    IFS= read -r -n 64 line <"$file" || true
    if [[ $line == '#!'*sh ]]; then echo "$file"; fi
  done < <(sources | grep -vE '\.(bats|bash|swift)$') 2>/dev/null
}

@test "swift format lint finds nothing" {
  mapfile -t paths < <(sources '*.swift')
  ((${#paths[@]} > 0))
  swift format lint --strict --parallel "${paths[@]}"
}

@test "no Foundation in Sources" {
  forbid '^ *(@[a-z_A-Z]+ +)*([a-z]+ +)?import +([a-z]+ +)?Foundation' 'Sources/*.swift'
}

@test "no print, try! or fatalError in Sources" {
  forbid '\b(print\(|fatalError\(|try!)' 'Sources/*.swift'
}

@test "no file of Sources is longer than 400 lines" {
  sources 'Sources/*' | xargs -r -d '\n' wc -l | awk '$2 != "total" && $1 > 400 { print $2 ": " $1 " lines" }' |
    expect_none
}

@test "nothing is left to do" {
  forbid '\b(TOD[O]|FIXM[E]|XX[X])\b' .
}

@test "no path of a developer's machine" {
  forbid '(^|[^A-Za-z0-9_.$}/])/(root|home/[a-z]|Users/[A-Za-z]|work)/' .
}

@test "shellcheck finds nothing" {
  shell_scripts | xargs -d '\n' shellcheck --external-sources
}

@test "every script of Tests and pipelines answers --help within 80 columns" {
  local script
  while read -r script; do
    if [[ -x $script && ! -L $script ]]; then
      "$script" --help >"$BATS_TEST_TMPDIR/help" 2>&1 </dev/null || echo "$script --help fails"
      [[ -s $BATS_TEST_TMPDIR/help ]] || echo "$script --help is empty"
      LC_ALL=C.UTF-8 awk -v s="$script" 'length > 80 { print s " --help: " $0 }' "$BATS_TEST_TMPDIR/help"
    fi
  done < <(sources 'Tests/*' 'pipelines/*') | expect_none
}
