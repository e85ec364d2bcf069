# Helpers of the end-to-end tests: `load support` at a file's top, then in its setup_file whatever it needs of
#
#     start_postgres [ARGUMENT…]   a fresh database PGDATABASE, and PG… variables that lead there
#     start_store                  a fresh bucket BUCKET, and AWS_… variables that lead to its store
#
# and in a test `start_faults RULE…` to put the fault proxy before the store (stop_faults takes it away), and
# `inject_fault CALL:PATH:N:FAULT COMMAND…` to run one command with a failing system call.
#
# Servers are shared by all files of a run of Tests/run, and a file run by itself has its own; either way each file
# has a database and a bucket of its own. `start_postgres --own …` (settings, or a cluster that the test will kill) and
# `start_store --own` (with MIN_PART) never share. SCRATCH is a directory that lives as long as the file runs.
#
# SLUICE_PG_VERSION (15, 16, 18) and SLUICE_STORE (swift, ceph) choose the servers.

# shellcheck disable=SC2154  # status, output and stderr are set by `run`

bats_require_minimum_version 1.5.0

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
SUPPORT=$REPO/Tests/Support
SCRATCH=${BATS_FILE_TMPDIR:-}
# Debian's psql is a script that looks for clusters, which takes longer than most of what tests ask.
# A python3 may be such a script too. A server's own programs come first: those of another version may not understand it.
PATH=$REPO/bin:$REPO/pipelines:${SERVER_PROGRAMS:+$SERVER_PROGRAMS:}$(printf '%s:' /usr/lib/postgresql/*/bin)/usr/bin:$PATH
export REPO SUPPORT SCRATCH PATH

# What the machine itself is set up for must not reach the tools under test.
unset "${!AWS_PROFILE@}" AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE AWS_SESSION_TOKEN AWS_CA_BUNDLE \
  http_proxy https_proxy HTTP_PROXY HTTPS_PROXY PGSERVICE PGSERVICEFILE PGPASSFILE PGOPTIONS
# To the tools SLUICE_STORE is an option.
export STORE_KIND=${STORE_KIND:-${SLUICE_STORE:-swift}}
unset SLUICE_STORE
export TZ=UTC SWIFT_BACKTRACE=enable=no

# What a test itself asks is answered ten times as fast so. It puts the members of objects in the order of
# their names, which `command jq` does not.
# Pipelines, and what users type, run jq.
jq() { gojq "$@"; }

# -- servers

start_postgres() {
  local directory
  directory=$(server_directory postgres "${1:-}")
  if [[ ${1:-} == --own ]]; then shift; fi
  eval_locked "$directory" "$SUPPORT/postgres" start "$directory" --version "${SLUICE_PG_VERSION:-15}" "$@"
  PGDATABASE=test_$(unique_name _)
  SERVER_PROGRAMS=$PGHOST/bin
  PATH=$SERVER_PROGRAMS:$PATH
  export PGDATABASE SERVER_PROGRAMS
  sql_in postgres "create database $PGDATABASE"
}

start_store() {
  local directory
  directory=$(server_directory store "${1:-}")
  eval_locked "$directory" "$SUPPORT/s3-$STORE_KIND" start "$directory"
  STORE_URL=$AWS_ENDPOINT_URL
  BUCKET=test-$(unique_name -)
  export STORE_URL BUCKET
  "$SUPPORT/s3-request" PUT "/$BUCKET"
}

# Sets FAULT_LOG, the file with a line for each request.
start_faults() {
  stop_faults
  FAULTS=$(mktemp -d "$SCRATCH/faults.XXXXXX")
  FAULT_LOG=$FAULTS/requests.ndjson
  export FAULTS FAULT_LOG
  eval "$("$SUPPORT/faultproxy" start "$FAULTS" "${STORE_URL##*:}" "$@")"
}

stop_faults() {
  [[ -n ${FAULTS:-} ]] || return 0
  "$SUPPORT/faultproxy" stop "$FAULTS"
  export AWS_ENDPOINT_URL=$STORE_URL
  unset FAULTS
}

inject_fault() {
  local fault=$1
  shift
  make --silent -C "$REPO" .build/support/io-faults.so
  SLUICE_FAULT=$fault LD_PRELOAD=$REPO/.build/support/io-faults.so "$@"
}

# A shared server is stopped by the run that shares it.
stop_servers() {
  local directory
  for directory in "$SCRATCH"/postgres*/; do
    if [[ -d $directory ]]; then "$SUPPORT/postgres" remove "$directory"; fi
  done
  for directory in "$SCRATCH"/store*/; do
    if [[ -d $directory ]]; then "$SUPPORT/s3-$STORE_KIND" stop "$directory"; fi
  done
}

# The defaults. A file with a teardown of its own calls these from it.
teardown() { stop_faults; }
teardown_file() { stop_servers; }

server_directory() {
  if [[ $2 == --own ]]; then
    echo "$SCRATCH/$1-own"
  else
    echo "${SLUICE_TEST_SERVERS:-$SCRATCH}/$1"
  fi
}

# Files may run side by side, and the first to need a shared server starts it.
eval_locked() {
  local exports directory=$1
  shift
  mkdir -p "$directory"
  exports=$(flock --close "$directory" "$@" 3>&-) || return
  eval "$exports"
}

# A name from the file's: letters, digits and the given separator.
unique_name() {
  local name
  name=$(basename "$BATS_TEST_FILENAME" .bats)
  echo "${name//[^a-z0-9]/$1}$1$$"
}

# -- PostgreSQL

# Runs statements in the file's database; rows unaligned, `|` between columns, nothing else.
sql() { sql_in "$PGDATABASE" "$@"; }

sql_in() {
  psql --no-psqlrc --quiet --no-align --tuples-only --set ON_ERROR_STOP=1 --dbname "$1" --command "$2"
}

# The type of XML, or text where the server was built without it.
xml() { if sql_in postgres "select xml '<a/>'" >/dev/null 2>&1; then echo xml; else echo text; fi; }

# -- the store, as seen by code that is not ours

s3() { "$SUPPORT/s3-request" "$@"; }

# The keys of the unfinished multipart uploads in the bucket, a line each.
unfinished_uploads() {
  s3 GET "/$BUCKET" uploads= | grep -o '<Upload><Key>[^<]*' | sed 's/<Upload><Key>//'
}

object_exists() {
  [[ $(s3 --show status HEAD "/$BUCKET/$1" 2>/dev/null) == 200 ]]
}

# -- assertions, for after `run --separate-stderr COMMAND…`

assert_status() {
  [[ $status == "$1" ]] || fail "exit $status, expected $1"
}

# assert_equal ACTUAL EXPECTED [WHAT]
assert_equal() {
  [[ $1 == "$2" ]] || {
    diff --label expected --unified <(printf '%s\n' "$2") --label "${3:-actual}" <(printf '%s\n' "$1") || true
    fail "${3:-value} differs"
  }
}

assert_output() { assert_equal "$output" "$1" output; }

assert_stderr_has() {
  [[ $stderr == *"$1"* ]] || fail "standard error lacks: $1"
}

assert_same_file() {
  cmp "$1" "$2" || fail "files differ"
}

# eventually SECONDS COMMAND…
eventually() {
  local left=$(($1 * 100)) tries=0 pause pauses=(05 05 05 05 15 15 15 15)
  shift
  until "$@"; do
    ((left > 0)) || {
      fail "did not come true: $*"
      return 1
    }
    # Asking costs more than waiting, so what is not so at once is asked for less often.
    pause=${pauses[tries++]:-30}
    left=$((left - 10#$pause))
    sleep "0.$pause"
  done
}

# True if the server's version has a pg_verifybackup that starts; that of PostgreSQL 18 in the wheel crashes when it is loaded.
runs_verifybackup() { pg_verifybackup --version >/dev/null 2>&1; }

need_verifybackup() { runs_verifybackup || skip "pg_verifybackup of these servers does not start"; }

# Says what went wrong, and what the last `run` printed.
fail() {
  printf '%s\n' "$1"
  if [[ -n ${BATS_RUN_COMMAND:-} ]]; then
    printf -- '-- command: %s\n-- output:\n%s\n-- standard error:\n%s\n' \
      "$BATS_RUN_COMMAND" "${output:-}" "${stderr:-}"
  fi
  return 1
}
