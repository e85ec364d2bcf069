# archive over S3, through a proxy that does what networks and servers do: an object is whole or absent, and the
# manifest has a line only for a whole one.

# Tests are subshells, and what they eval or hand to other shells is in single quotes.
# shellcheck disable=SC2016,SC2030,SC2031

load support
load archiving

setup_file() {
  start_postgres
  MIN_PART=1 start_store --own
  make_days few 3 3000
  # Digits that do not compress, so that there are several parts.
  change "update few set kind = md5(id::text) || md5((id * 7)::text)"
}

setup() {
  enter_work
  STORE=s3://$BUCKET/$BATS_TEST_NUMBER/
  export SLUICE_RETRIES=2
}

# Each object that is there is whole, and has a line if the run knew; each line's object is there and whole.
assert_sound() {
  stop_faults
  local key
  if [[ -s $MANIFEST ]]; then
    verify_all
    assert_status 0
  fi
  for day in 01 02 03; do
    key=${STORE#"s3://$BUCKET/"}export/few/2024/01/2024-01-$day.jsonl.zst
    if object_exists "$key"; then
      assert_equal "$(s3 GET "/$BUCKET/$key" | zstd -dc | wc -l)" 3000 "rows of $key"
    elif [[ -s $MANIFEST ]]; then
      assert_equal "$(grep -c "2024-01-$day.jsonl" "$MANIFEST")" 0 "receipts of what is not there"
    fi
  done
}

# The next run does what is missing, and no upload is left.
assert_completes() {
  assert_sound
  run --separate-stderr archive --store "$STORE" --manifest "$MANIFEST" --table few "${options[@]}"
  assert_status 0
  assert_equal "$(jq -r .partition "$MANIFEST" | sort -u | wc -l)" 3
  assert_sound
  assert_equal "$(unfinished_uploads)" ""
}

# through RULE…: archives through the proxy with these rules.
through() {
  start_faults "$@"
  archive_table few "${options[@]}"
}

@test "errors that pass are overcome: single uploads and parts" {
  export SLUICE_RETRIES=8
  for options in '' '--put-options=--part-size=64KiB'; do
    read -ra options <<<"$options"
    through 'PUT . 1 503' 'PUT . 1 reset-req@1000' 'PUT . 1 lost-answer' 'POST . 1 503' \
      'POST uploadId 1 okerr' 'HEAD . 1 503'
    assert_status 0
    assert_completes
    STORE=s3://$BUCKET/$BATS_TEST_NUMBER/parts/ MANIFEST=$WORK/parts.ndjson
  done
}

@test "answers that are cut short: once they are overcome, each time there is no receipt" {
  local parts='partNumber|uploadId'
  for options in '--workers=3' '--workers=3 --put-options=--part-size=64KiB'; do
    read -ra options <<<"$options"
    STORE=s3://$BUCKET/$BATS_TEST_NUMBER/${#options[@]}/ MANIFEST=$WORK/${#options[@]}.ndjson
    SLUICE_RETRIES=1 through 'PUT 2024-01-01 * trunc@20' "PUT 2024-01-02.*($parts) * trunc@60" 'PUT 2024-01-02 * trunc@0' \
      'POST 2024-01-03.*uploadId * trunc@150' 'PUT 2024-01-03.*partNumber 1 trunc@20'
    [[ $status != 0 ]] || fail "exit 0 although answers never came"
    assert_sound
    assert_equal "$(grep -c '2024-01-0[12].jsonl' "$MANIFEST")" 0 "receipts of what was not answered"
    through 'PUT . 2 trunc@20' 'POST uploads 1 trunc@150' 'POST uploadId 1 trunc@150' 'HEAD . 1 trunc@20'
    assert_status 0
    assert_completes
  done
}

# It takes some seconds to be noticed that a request stands still, so all do it at once, and none is sent again.
@test "requests that stand still leave no receipt, and the next run makes up for them" {
  options=(--workers=3)
  SLUICE_TIMEOUT=2s SLUICE_RETRIES=0 through 'PUT 2024-01-01 * blackhole' 'PUT 2024-01-02 * stall@0' 'PUT 2024-01-03 * stall@20'
  assert_status 69
  assert_summary "0 0 0 3"
  assert_equal "$(receipts)" 0
  assert_sound
  # Of two the store has had all, and only its answer did not come through.
  assert_equal "$(s3ls "$STORE" | jq -r .key | grep -o '2024-01-0[0-9]' | xargs)" "2024-01-02 2024-01-03"
  assert_completes
}

@test "errors that stay make the object fail, and it alone" {
  options=()
  through 'PUT 2024-01-02 * 503'
  assert_status 75
  assert_summary "2 0 0 1"
  assert_equal "$(receipts)" 2
  assert_completes
}

@test "a part that never arrives leaves no upload" {
  options=(--put-options=--part-size=64KiB)
  through 'PUT 2024-01-02.*partNumber=2 * reset-req@2000'
  [[ $status != 0 ]] || fail "exit 0 although a part never arrived"
  assert_equal "$(receipts)" 2
  assert_equal "$(unfinished_uploads)" ""
  assert_completes
}

@test "an upload whose end fails, or whose answer is lost" {
  options=(--put-options=--part-size=64KiB)
  through 'POST 2024-01-01.*uploadId * okerr' 'POST 2024-01-02.*uploadId * 500' 'POST 2024-01-03.*uploadId * lost-answer'
  assert_sound
  for key in 2024-01-01 2024-01-02; do
    assert_equal "$(grep -c "$key.jsonl" "$MANIFEST")" 0 "receipts of $key"
  done
  assert_completes
}

@test "while verdicts cannot be had, the run goes on with what can be decided" {
  options=()
  run --separate-stderr archive --store "$STORE" --manifest "$MANIFEST" --table few --to 2024-01-02
  assert_status 0
  through 'HEAD 2024-01-01 * 503'
  assert_status 69
  assert_summary "1 0 1 1"
  assert_stderr_has 'left as it is: export/few/2024/01/2024-01-01.jsonl.zst'
  assert_completes
}

@test "a wrong secret is 77 and an unknown bucket 78, and nothing is recorded" {
  options=()
  AWS_SECRET_ACCESS_KEY=wrong archive_table few
  assert_status 77
  assert_summary "0 0 0 3"
  STORE=s3://no-such-bucket-$$/ archive_table few
  assert_status 78
  assert_stderr_has NoSuchBucket
  assert_summary "0 0 0 3"
  assert_equal "$(receipts)" 0
}
