# Helpers of the house's tests, which run at the top of the project: `load support`.

bats_require_minimum_version 1.5.0
cd "$BATS_TEST_DIRNAME/../.." || exit

# The project's files, committed or about to be.
sources() { git ls-files --cached --others --exclude-standard "$@"; }

# Fails with what it is given on its input, if anything: a test names all offenders at once.
expect_none() {
  local found
  found=$(cat)
  [[ -z $found ]] || {
    printf '%s\n' "$found"
    return 1
  }
}
