# The servers, the proxy and the preloaded faults do what the tests that use them rely on.

load support

setup_file() {
  start_postgres
  start_store
  head -c 300000 /dev/urandom >"$SCRATCH/random"
  s3 --data "$SCRATCH/random" PUT "/$BUCKET/random"
}

# Gets the object through the proxy, with one fault; leaves status, output (a file) and standard error.
get_with() {
  start_faults "GET . 1 $1"
  run --separate-stderr timeout 2 "$SUPPORT/s3-request" GET "/$BUCKET/random"
}

@test "the database is a fresh one of this file" {
  assert_equal "$(sql 'select current_database()')" "$PGDATABASE"
  assert_equal "$(sql "select count(*) from pg_class where relnamespace = 'public'::regnamespace")" 0
}

@test "the server is of the version that was asked for" {
  assert_equal "$(sql "select current_setting('server_version_num')::int / 10000")" "${SLUICE_PG_VERSION:-15}"
}

@test "keys of any spelling are found again" {
  local key
  for key in 'a b' 'a+b' 'a%2Fb' 'a//b' 'ü=&?#' "q'(!)*"; do
    echo "$key" | s3 --data - PUT "/$BUCKET/odd/$key"
    assert_equal "$(s3 GET "/$BUCKET/odd/$key")" "$key"
  done
}

@test "unfinished uploads are seen, and only these" {
  assert_equal "$(unfinished_uploads)" ""
  s3 POST "/$BUCKET/un finished" uploads= >/dev/null
  assert_equal "$(unfinished_uploads)" "un finished"
}

@test "a wrong secret is refused" {
  AWS_SECRET_ACCESS_KEY=wrong run --separate-stderr s3 GET "/$BUCKET"
  assert_status 1
  assert_stderr_has "403 SignatureDoesNotMatch"
}

@test "a rule holds for as many requests as it says, and each leaves a line" {
  start_faults "GET random 2 503"
  s3 GET "/$BUCKET/random" || s3 GET "/$BUCKET/random" || s3 GET "/$BUCKET/random" >"$SCRATCH/got"
  assert_same_file "$SCRATCH/got" "$SCRATCH/random"
  assert_equal "$(jq -r .action "$FAULT_LOG" | xargs)" "503 503 pass"
}

@test "errors are answered" {
  local action
  for action in 503:SlowDown 500:InternalError 403skew:RequestTimeTooSkewed; do
    get_with "${action%:*}"
    assert_status 1
    assert_stderr_has "${action#*:}"
  done
  get_with okerr
  assert_status 0
  [[ $output == *"<Code>InternalError</Code>"* ]]
}

@test "connections break where they are told to" {
  local action
  for action in close reset-resp@1000 trunc@1000 lost-answer; do
    get_with "$action"
    assert_status 69
  done
}

@test "stalled connections stay open" {
  local action
  for action in blackhole stall@1000; do
    get_with "$action"
    assert_status 124
  done
}

@test "a request cut short changes nothing in the store" {
  start_faults "PUT . * reset-req@100000"
  run --separate-stderr s3 --data "$SCRATCH/random" PUT "/$BUCKET/cut"
  assert_status 69
  stop_faults
  run ! object_exists cut
}

@test "a lost answer leaves the object in the store" {
  start_faults "PUT . * lost-answer"
  run --separate-stderr s3 --data "$SCRATCH/random" PUT "/$BUCKET/lost"
  assert_status 69
  stop_faults
  object_exists lost
}

@test "a chosen system call fails, on the chosen path and turn only" {
  local copy=(dd if=/dev/zero of="$SCRATCH/full" bs=1000 count=8 conv=fsync)
  run --separate-stderr inject_fault write:elsewhere:1:ENOSPC "${copy[@]}"
  assert_status 0
  run --separate-stderr inject_fault write:/full:3:ENOSPC "${copy[@]}"
  assert_stderr_has "No space left on device"
  assert_equal "$(stat -c %s "$SCRATCH/full")" 2000
  run --separate-stderr inject_fault fsync:/full:1:EIO "${copy[@]}"
  assert_stderr_has "Input/output error"
  run --separate-stderr inject_fault write:/full:5:KILL "${copy[@]}"
  assert_status 137
  assert_equal "$(stat -c %s "$SCRATCH/full")" 4000
}

@test "a rename fails before it has happened" {
  echo old >"$SCRATCH/from"
  run --separate-stderr inject_fault rename:/to:1:EIO mv "$SCRATCH/from" "$SCRATCH/to"
  assert_status 1
  [[ -e $SCRATCH/from && ! -e $SCRATCH/to ]]
}
