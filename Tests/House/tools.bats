# What every tool and pipeline has and does alike (conventions.md, sections 1 to 3). Each test reports all offenders.

load support
export PATH=$PWD/bin:$PWD/pipelines:$PATH LC_ALL=C.UTF-8

tools() { find Sources/Tools -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort; }

pipelines() { find pipelines -maxdepth 1 -type f -executable -printf '%f\n' 2>/dev/null | sort; }

commands() { tools && pipelines; }

# each LIST CHECK: runs the check for each name in the list, and fails with all that the checks print.
each() {
  local name
  "$1" | while read -r name; do "$2" "$name" </dev/null; done | expect_none
}

# exits CODE COMMAND…: says so if it ends otherwise. Its output is left in the files out and err.
exits() {
  local code=$1 status=0
  shift
  "$@" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || status=$?
  ((status == code)) || printf '%s: exit %d, expected %d\n' "$*" "$status" "$code"
}

# fails_with NAME CODE: what the tool ends with where others end with the code. PostgreSQL reads walfetch's status in its
# own way: 1 to 125 would end a recovery.
fails_with() {
  if [[ $1 == walfetch ]]; then echo 255; else echo "$2"; fi
}

wrote() { [[ -s $BATS_TEST_TMPDIR/$1 ]]; }

@test "there are tools to look at" {
  [[ -n $(tools) ]]
}

has_link() {
  [[ $(readlink "bin/$1") == "../.build/release/$1" ]] || echo "bin/$1 does not link to ../.build/release/$1"
}
@test "every tool has its link in bin" { each tools has_link; }

links_to_tool() {
  [[ -d Sources/Tools/$1 ]] || echo "bin/$1 is no tool's"
}
links() { find bin -mindepth 1 -printf '%f\n'; }
@test "every link in bin is a tool's" { each links links_to_tool; }

has_page() {
  [[ -s man/man1/$1.1 ]] || echo "no man/man1/$1.1"
}
@test "every command has its manual page" { each commands has_page; }

has_end_to_end_test() {
  grep -rqwF --include='*.bats' -- "$1" Tests/EndToEnd || echo "no end-to-end test mentions $1"
}
@test "every command has an end-to-end test" { each commands has_end_to_end_test; }

answers_help() {
  exits 0 "$1" --help
  wrote out || echo "$1 --help prints nothing"
  ! wrote err || echo "$1 --help writes to standard error"
  awk -v name="$1" 'length > 80 { print name " --help: " $0 }' "$BATS_TEST_TMPDIR/out"
}
@test "--help prints at most 80 columns to standard output" { each commands answers_help; }

answers_version() {
  exits 0 "$1" --version
  grep -qE "^$1 \(?[A-Za-z]*\)? ?[0-9]+\.[0-9]+" "$BATS_TEST_TMPDIR/out" ||
    echo "$1 --version prints: $(head -n 1 "$BATS_TEST_TMPDIR/out")"
}
@test "--version names the tool and a number" { each tools answers_version; }

refuses_unknown_option() {
  exits "$(fails_with "$1" 64)" "$1" --no-such-option
  ! wrote out || echo "$1 --no-such-option writes to standard output"
  grep -q "^$1: error: .*no-such-option" "$BATS_TEST_TMPDIR/err" || echo "$1 does not name the unknown option"
  grep -q '^hint: \|: hint: ' "$BATS_TEST_TMPDIR/err" || echo "$1 gives no hint"
}
@test "an unknown option is wrong usage, with a hint" { each commands refuses_unknown_option; }

notices_full_disk() {
  local status=0
  "$1" --help >/dev/full 2>/dev/null || status=$?
  ((status == $(fails_with "$1" 74))) || echo "$1 --help >/dev/full: exit $status"
}
@test "output that cannot be written is an error" { each tools notices_full_disk; }

# With standard output closed, a file that the tool opens must not take its place.
survives_closed_streams() {
  local status=0
  "$1" --help >&- 2>/dev/null || status=$?
  ((status == $(fails_with "$1" 74))) || echo "$1 --help >&-: exit $status"
}
@test "closed standard output is an error" { each tools survives_closed_streams; }

renders() {
  local warnings
  [[ -s $1 ]] || return 0
  warnings=$(MANWIDTH=80 man --warnings=w --local-file "$1" 2>&1 >/dev/null) || true
  [[ -z $warnings ]] || printf '%s: %s\n' "$1" "$warnings"
}
pages() { find man -name '*.[157]' 2>/dev/null; }
@test "manual pages render without a warning" { each pages renders; }
