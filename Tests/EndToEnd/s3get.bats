# shellcheck disable=SC2016  # inner shells expand; each test is a subshell; run sets stderr
load support

# s3get, s3ls and s3rm against a real store and against files.

setup_file() {
  start_store
  head -c 16000000 /dev/urandom >"$SCRATCH/large"
  export RECEIPT SINGLE
  RECEIPT=$(s3put --part-size 5MiB --to "s3://$BUCKET/large" <"$SCRATCH/large")
  SINGLE=$(s3put --to "s3://$BUCKET/single" <"$SCRATCH/large")
}

get() { s3get --range-size 1MiB --timeout 2s "$@"; }

@test "reads back what was put" {
  get "s3://$BUCKET/large" >"$SCRATCH/got"
  assert_same_file "$SCRATCH/got" "$SCRATCH/large"
  get --concurrency 1 --record "$SINGLE" >"$SCRATCH/got"
  assert_same_file "$SCRATCH/got" "$SCRATCH/large"
  printf '' | s3put --to "s3://$BUCKET/empty"
  assert_equal "$(get "s3://$BUCKET/empty" | wc -c)" 0
}

@test "missing: 1; missing bucket 78, wrong secret 77, and no output" {
  run --separate-stderr get "s3://$BUCKET/nothing"
  assert_status 1
  run --separate-stderr get "s3://$BUCKET-not/nothing"
  assert_status 78
  assert_stderr_has "there is no bucket \"$BUCKET-not\""
  assert_output ""
  AWS_SECRET_ACCESS_KEY=wrong run --separate-stderr get "s3://$BUCKET/large"
  assert_status 77
  assert_output ""
}

@test "what is not as the receipt says: 65, and no done in the job log" {
  export SLUICE_JOB=$SCRATCH/job
  local change
  for change in '.object_bytes += 1' '.etag = "0"' '.sha256 = "0"'; do
    run --separate-stderr bash -c 'set -o pipefail; s3get --record "$1" | wc -c' - "$(jq -c "$change" <<<"$RECEIPT")"
    assert_status 65
  done
  run grep -c '"done"' "$SLUICE_JOB"
  assert_output 0
  s3get --record "$RECEIPT" >/dev/null
  grep -q '"type":"done","tool":"s3get".*"out_bytes":16000000' "$SLUICE_JOB"
}

@test "faults that pass" {
  local rule
  for rule in "GET . 3 503" "GET . 3 reset-resp@300000" "GET . 3 trunc@300000" "GET . 2 close" "HEAD . 2 500" \
    "GET . 2 stall@100000" "GET . 1 lost-answer"; do
    start_faults "$rule"
    get "s3://$BUCKET/large" >"$SCRATCH/got" || fail "with $rule"
    assert_same_file "$SCRATCH/got" "$SCRATCH/large"
    stop_faults
  done
}

@test "a broken range goes on where it broke" {
  start_faults "GET . 1 trunc@600000"
  get --concurrency 1 "s3://$BUCKET/large" >"$SCRATCH/got"
  assert_same_file "$SCRATCH/got" "$SCRATCH/large"
  assert_equal "$(jq -s 'map(select(.method == "GET")) | length' "$FAULT_LOG")" 17
}

@test "a store that stays broken: not a short output with exit 0" {
  start_faults "GET . * trunc@1000"
  run --separate-stderr bash -c 'set -o pipefail; s3get --retries 2 "s3://$BUCKET/large" | wc -c'
  assert_status 69
}

@test "a reader that goes away" {
  run bash -c 's3get "s3://$BUCKET/large" | head -c 10 >/dev/null; exit ${PIPESTATUS[0]}'
  assert_status 141
}

@test "a damaged file: 65" {
  receipt=$(s3put --to "file://$SCRATCH/store/f" <"$SCRATCH/large")
  s3get --record "$receipt" | cmp - "$SCRATCH/large"
  printf x | dd of="$SCRATCH/store/f" bs=1 seek=1000 conv=notrunc status=none
  run --separate-stderr bash -c 'set -o pipefail; s3get --record "$1" | wc -c' - "$receipt"
  assert_status 65
}

# -- s3ls, s3rm

@test "lists more than a page, in the order of bytes, and deletes it" {
  seq 1010 | "$SUPPORT/s3-request" --each PUT "/$BUCKET/many/{}"
  run --separate-stderr s3ls "s3://$BUCKET/many/"
  assert_status 0
  assert_equal "$(jq -r .key <<<"$output" | sha256sum)" "$(seq 1010 | sed 's,^,many/,' | LC_ALL=C sort | sha256sum)"
  s3ls "s3://$BUCKET/many/" | s3rm >"$SCRATCH/removed"
  assert_equal "$(jq -r .outcome "$SCRATCH/removed" | sort | uniq -c | xargs)" "1010 deleted"
  assert_equal "$(s3ls "s3://$BUCKET/many/" | wc -l)" 0
}

@test "odd keys are listed and deleted as they are" {
  local key keys=('sp ace' 'pl+us' 'pct%2Fx' 'üñ' 'amp&lt;x' 'a<b>"c' $'tab\there')
  for key in "${keys[@]}"; do echo x | s3put --to "s3://$BUCKET/odd/$key" >/dev/null; done
  assert_equal "$(s3ls "s3://$BUCKET/odd/" | jq -r .key)" "$(printf 'odd/%s\n' "${keys[@]}" | LC_ALL=C sort)"
  s3ls "s3://$BUCKET/odd/" | s3rm >/dev/null
  assert_equal "$(s3ls "s3://$BUCKET/odd/" | wc -l)" 0
}

@test "s3rm takes no prefix, and operands only with --yes" {
  run --separate-stderr s3rm --yes "s3://$BUCKET/" "s3://$BUCKET/large"
  assert_status 64
  run --separate-stderr s3rm "s3://$BUCKET/large"
  assert_status 64
  object_exists large
  run --separate-stderr s3rm --dry-run --yes "s3://$BUCKET/large"
  assert_equal "$(jq -r .outcome <<<"$output")" dry-run
  object_exists large
}

@test "what cannot be deleted is reported, and the rest goes on" {
  run --separate-stderr s3rm <<<'{"type":"x","url":"s3://no-such-bucket-here/k","n":1.0}'
  assert_status 78
  assert_equal "$output" '{"type":"x","url":"s3://no-such-bucket-here/k","n":1.0,"outcome":"failed"}'
  run --separate-stderr s3rm <<<'{"type":"x"}'
  assert_status 65
}

@test "files are listed as a store lists them" {
  local root=$SCRATCH/list name
  for name in a-b a/b a/c/d ab b .hidden; do echo x | s3put --to "file://$root/$name" >/dev/null; done
  touch "$root/.x.1.partial"
  assert_equal "$(s3ls "file://$root/" | jq -r .key)" "$(printf '%s\n' .hidden a-b a/b a/c/d ab b)"
  assert_equal "$(s3ls "file://$root/a/c" | jq -r .key)" c/d
  # The bytes of a prefix count, not the letters; a name is one of a temporary file with a number only.
  echo x | s3put --to "file://$root/"$'cafe\u0301' >/dev/null
  echo x | s3put --to "file://$root/c/.partial" >/dev/null
  assert_equal "$(s3ls "file://$root/c" | jq -r .key)" $'c/.partial\ncafe\u0301'
  assert_equal "$(s3ls "file://$root/cafe" | jq -r .key)" $'cafe\u0301'
  rm "$root/"$'cafe\u0301' "$root/c/.partial"
  s3ls "file://$root/a/" | s3rm --from "file://$root/a/" >/dev/null
  assert_equal "$(s3ls "file://$root/" | jq -r .key | xargs)" ".hidden a-b ab b"
  run --separate-stderr s3rm --yes "file://$root/none"
  assert_equal "$(jq -r .outcome <<<"$output")" missing
}
