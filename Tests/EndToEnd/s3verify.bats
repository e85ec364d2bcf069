# s3verify holds receipts against the store, and partitions against receipts.

# Tests are subshells, and what they eval or hand to other shells is in single quotes.
# shellcheck disable=SC2016,SC2030,SC2031

load support
load archiving

setup_file() { MIN_PART=1 start_store --own; }

setup() {
  enter_work
  PREFIX=s3://$BUCKET/$BATS_TEST_NUMBER/
}

# put KEY FILE OPTION…: an object at the place of the test and its receipt.
put() {
  local key=$1 file=$2
  shift 2
  s3put --to "$PREFIX" --record "{\"type\":\"partition\",\"key\":\"$key\",\"fingerprint\":\"f1\"}" "$@" <"$file"
}

# judge OPTION…: the verdicts on the receipts on standard input; leaves status, output and stderr.
judge() { run --separate-stderr s3verify "$@"; }

verdicts() { jq -r '"\(.key) \(.verdict)"' <<<"$output"; }

@test "objects in a bucket: single and in parts, at every depth" {
  seq 100000 | zst >"$WORK/body"
  put one "$WORK/body" >"$WORK/receipts"
  put many "$WORK/body" --part-size 64KiB >>"$WORK/receipts"
  assert_equal "$(jq -c '.parts > 1' "$WORK/receipts" | xargs)" "false true"
  for check in head content rows; do
    judge --check "$check" <"$WORK/receipts"
    assert_status 0
    assert_equal "$(verdicts)" $'one ok\nmany ok'
  done
  # Records keep all that they had, and what is said comes behind.
  assert_equal "$(jq -c 'del(.type)' <"$WORK/receipts" | head -n 1)" \
    "$(head -n 1 <<<"$output" | jq -c 'del(.type, .verdict, .detail)')"
}

@test "objects that were replaced, cut or removed" {
  seq 1000 >"$WORK/body"
  for key in same other shorter gone; do put "$key" "$WORK/body" >>"$WORK/receipts"; done
  seq 1001 2000 | head -c "$(stat -c %s "$WORK/body")" >"$WORK/swapped"
  s3 --data "$WORK/swapped" PUT "/$BUCKET/$BATS_TEST_NUMBER/other"
  head -c 100 "$WORK/body" >"$WORK/part"
  s3 --data "$WORK/part" PUT "/$BUCKET/$BATS_TEST_NUMBER/shorter"
  s3 DELETE "/$BUCKET/$BATS_TEST_NUMBER/gone"
  judge <"$WORK/receipts"
  assert_status 1
  assert_equal "$(verdicts | grep -v '^other ')" $'same ok\nshorter size\ngone missing'
  judge --check content <"$WORK/receipts"
  assert_equal "$(verdicts | grep -c '^other \(etag\|sha256\|size\)')" 1
  judge --keep failing <"$WORK/receipts"
  assert_equal "$(verdicts | cut -d' ' -f1 | xargs)" "other shorter gone"
  judge --keep ok <"$WORK/receipts"
  assert_status 1
  assert_equal "$(verdicts)" "same ok"
}

@test "partitions are joined with the manifest: the last receipt of a key counts" {
  seq 10 >"$WORK/body"
  { put a "$WORK/body" && put b "$WORK/body"; } >"$MANIFEST"
  jq -c '.object_bytes = 1' "$MANIFEST" >"$WORK/older"
  cat "$WORK/older" "$MANIFEST" >"$WORK/both"
  printf '%s\n' '{"key":"a","fingerprint":"f1"}' '{"key":"b","fingerprint":"f2"}' '{"key":"c","fingerprint":"f1"}' '{"key":"a"}' \
    >"$WORK/partitions"
  judge --manifest "$WORK/both" --store "$PREFIX" <"$WORK/partitions"
  assert_status 1
  assert_equal "$(verdicts)" $'a ok\nb changed\nc missing\na changed'
  judge --manifest "$WORK/both" --store "s3://$BUCKET/" <"$WORK/partitions"
  assert_equal "$(verdicts)" $'a missing\nb missing\nc missing\na missing'
  cat "$MANIFEST" "$WORK/older" >"$WORK/both"
  judge --manifest "$WORK/both" --store "$PREFIX" --all
  assert_status 1
  assert_equal "$(verdicts)" $'a size\nb size'
  judge --manifest "$WORK/none" <"$WORK/partitions"
  assert_equal "$(verdicts | cut -d' ' -f2 | sort -u)" missing
}

@test "more receipts than are held together keep their order" {
  STORE=file://$WORK/store/
  seq 5 >"$WORK/body"
  s3put --to "$STORE" --record '{"key":"k"}' <"$WORK/body" >"$WORK/receipt"
  body=$(<"$WORK/store/k")
  for ((i = 0; i < 1300; i++)); do printf '%s\n' "$body" >"$WORK/store/$i"; done
  rm "$WORK/store/511" "$WORK/store/512" "$WORK/store/1299"
  jq -c --arg store "$STORE" 'range(1300) as $n | .key = "\($n)" | .url = $store + .key' "$WORK/receipt" >"$MANIFEST"
  judge --check rows <"$MANIFEST"
  assert_status 1
  assert_equal "$(jq -r .key <<<"$output" | head -n 1300 | sort -c -n && jq -r .key <<<"$output" | wc -l)" 1300
  judge --manifest "$MANIFEST" --all --keep failing
  assert_equal "$(verdicts)" $'511 missing\n512 missing\n1299 missing'
}

@test "what could not be found out is unknown, and 69" {
  seq 10 >"$WORK/body"
  { put a "$WORK/body" && put b "$WORK/body"; } >"$WORK/receipts"
  start_faults "HEAD $BATS_TEST_NUMBER/a * 503"
  judge --retries 1 <"$WORK/receipts"
  assert_status 69
  assert_equal "$(verdicts)" $'a unknown\nb ok'
  stop_faults
  AWS_SECRET_ACCESS_KEY=wrong judge <"$WORK/receipts"
  assert_status 77
  assert_output ""
}

@test "one bad receipt does not keep the others from being looked at" {
  seq 10 >"$WORK/body"
  mkdir "$WORK/loop"
  ln -s loop "$WORK/loop/loop"
  { echo '{"key":"1","url":"ftp://x/y"}'; echo "{\"key\":\"2\",\"url\":\"file://$WORK/../x\"}"
    echo "{\"key\":\"3\",\"url\":\"file://$WORK/loop/loop/x\"}"; put 4 "$WORK/body"; } >"$WORK/receipts"
  judge <"$WORK/receipts"
  assert_status 69
  assert_equal "$(verdicts)" $'1 unknown\n2 unknown\n3 unknown\n4 ok'
  judge --manifest "$WORK/receipts" --all
  assert_status 69
  assert_equal "$(verdicts)" $'1 unknown\n2 unknown\n3 unknown\n4 ok'
}

@test "a missing bucket is no missing object, and keeps no other from being looked at" {
  seq 10 >"$WORK/body"
  { put a "$WORK/body" && put b "$WORK/body" | jq -c '.url |= sub("//[^/]*"; "//no-such-bucket")' && put c "$WORK/body"; } >"$WORK/receipts"
  judge --jobs 1 <"$WORK/receipts"
  assert_status 69
  assert_equal "$(verdicts)" $'a ok\nb unknown\nc ok'
  assert_equal "$(jq -r 'select(.key == "b").detail' <<<"$output")" 'there is no bucket "no-such-bucket"'
}

@test "a bucket that goes while an object is read back is unknown, and keeps no other from being looked at" {
  seq 10 >"$WORK/body"
  { put a "$WORK/body" && put b "$WORK/body"; } >"$WORK/receipts"
  start_faults "GET $BATS_TEST_NUMBER/a * 404bucket"
  judge --check content <"$WORK/receipts"
  assert_status 69
  assert_equal "$(verdicts)" $'a unknown\nb ok'
}

@test "keys that differ in how Unicode composes them are two keys" {
  seq 10 >"$WORK/body"
  { put $'caf\u00e9' "$WORK/body"; put $'cafe\u0301' "$WORK/body"; } >"$WORK/manifest"
  judge --manifest "$WORK/manifest" --all
  assert_status 0
  assert_equal "$(verdicts | wc -l)" 2
  s3rm --yes "$PREFIX"$'cafe\u0301' >/dev/null
  judge --manifest "$WORK/manifest" --all
  assert_status 1
  assert_equal "$(verdicts)" $'caf\u00e9 ok\ncafe\u0301 missing'
}

@test "a manifest that is not there is not one without receipts" {
  judge --manifest "$WORK/typo" --all
  assert_status 74
}

@test "input that is no record, and options that do not go together" {
  judge <<<'{"key":'
  assert_status 65
  judge <<<'{"key":"a"}'
  assert_status 1
  assert_equal "$(jq -r .verdict <<<"$output")" missing
  judge </dev/null
  assert_status 0
  assert_output ""
  for words in --all 'operand' '--check deep' '--jobs 0' '--store nowhere'; do
    # shellcheck disable=SC2086  # several words
    judge $words </dev/null
    assert_status 64
  done
}
