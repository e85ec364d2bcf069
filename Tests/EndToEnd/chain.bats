# The chain of a manifest: each line carries the digest of the line before it, and verify --chain finds what was done to it.

# shellcheck disable=SC2030,SC2031,SC2154  # tests are subshells, and `run` sets variables

load support
load archiving

setup() {
  enter_work
  name='test'
  # shellcheck source=pipelines/common.sh
  . "$REPO/pipelines/common.sh"
}

# A manifest of so many lines.
chained() {
  local number
  for number in $(seq "$1"); do
    append_step "$MANIFEST" archived <<<"{\"type\":\"object\",\"key\":\"k$number\",\"note\":\"é \\\" \\\\ }\"}"
  done
}

check_chain() { run --separate-stderr verify --manifest "$MANIFEST" --chain "$@"; }

# Fails unless the chain is broken, and at one of the lines.
assert_broken() {
  check_chain
  [[ $status == 1 ]] || fail "$1: exit $status"
  assert_equal "$(jq -r .outcome <<<"$output")" broken "$1"
  shift
  [[ " $* " == *" $(jq -r .line <<<"$output") "* ]] || fail "broken elsewhere than at $*"
}

@test "a chain that is whole is ok, and its last digest is an anchor" {
  chained 5
  check_chain
  assert_status 0
  assert_equal "$(jq -c '[.outcome, .lines, .chained_from, .line]' <<<"$output")" '["ok",5,1,null]'
  assert_equal "$stderr" ""
  anchor=$(jq -r .last_sha256 <<<"$output")
  assert_equal "$anchor  -" "$(tail -n 1 "$MANIFEST" | head -c -1 | sha256sum)"
  chained 1
  check_chain --anchor "$anchor"
  assert_status 0
  check_chain --anchor "${anchor//[0-9]/f}"
  assert_status 1
  jq -e '.previous_sha256 == null' <(head -n 1 "$MANIFEST")
  jq -e --arg a "$anchor" '.previous_sha256 == $a and .step == "archived"' <(tail -n 1 "$MANIFEST")
}

@test "every line that is cut out, changed or swapped is found" {
  chained 6
  cp "$MANIFEST" whole
  for line in 1 2 3 4 5 6; do
    sed "${line}d" whole >"$MANIFEST"
    assert_broken "line $line cut out" "$line" $((line - 1))
    sed "${line}s/k$line/x$line/" whole >"$MANIFEST"
    assert_broken "line $line changed" "$line" $((line + 1))
    sed "${line}s/.*/no record/" whole >"$MANIFEST"
    assert_broken "line $line made garbage" "$line" $((line + 1))
    sed "${line}s/,\"previous_sha256.*/}/" whole >"$MANIFEST"
    assert_broken "line $line unchained" "$line" $((line + 1))
    sed "${line}{p;}" whole >"$MANIFEST"
    assert_broken "line $line doubled" $((line + 1))
    for other in 1 2 3 4 5 6; do
      if ((other <= line)); then continue; fi
      awk -v a="$line" -v b="$other" '{ l[NR] = $0 } END { t = l[a]; l[a] = l[b]; l[b] = t; for (i = 1; i <= NR; i++) print l[i] }' \
        whole >"$MANIFEST"
      assert_broken "lines $line and $other swapped" "$line" $((line + 1))
    done
  done
  : >"$MANIFEST"
  assert_broken "everything cut out" 1
}

@test "a last line that was torn is told apart, at any byte, and the next append mends the chain" {
  chained 3
  cp "$MANIFEST" whole
  size=$(stat -c %s whole)
  before=$(head -n 2 whole | wc -c)
  # The digest that was kept is that of the line before: so it is when the machine stops while a line is written.
  head -n 2 whole | tail -n 1 | head -c -1 | sha256sum | cut -d ' ' -f 1 >before.head
  for at in $((before + 1)) $((before + 40)) $((size - 1)); do
    head -c "$at" whole >"$MANIFEST" && cp before.head "$MANIFEST.head"
    check_chain
    assert_status 65
    assert_equal "$(jq -c '[.outcome, .line]' <<<"$output")" '["torn",3]'
    chained 2
    check_chain
    assert_status 0
    assert_equal "$(wc -l <"$MANIFEST")" 5
    # What was never finished is part of the chain, too.
    cp "$MANIFEST" mended
    for line in 1 2 3 4 5; do
      sed "${line}d" mended >"$MANIFEST"
      check_chain
      assert_status 1
      sed "${line}s/./x/" mended >"$MANIFEST"
      check_chain
      assert_status 1
    done
    cp mended "$MANIFEST"
    # Torn twice in a row.
    printf '{"type":"obj' >>"$MANIFEST"
    printf '\n{"ty' >>"$MANIFEST"
    chained 1
    check_chain
    assert_status 0
    awk 'NR == 6 { next } 1' "$MANIFEST" >rest && cp rest "$MANIFEST"
    check_chain
    assert_status 1
  done
}

@test "lines of a time without a chain count as its beginning, and later ones do not" {
  printf '{"type":"object","key":"%s"}\n' a b >"$MANIFEST"
  check_chain
  assert_status 0
  assert_equal "$(jq -c '[.outcome, .chained_from]' <<<"$output")" '["ok",null]'
  assert_stderr_has 'no line carries the digest of another'
  chained 2
  check_chain
  assert_status 0
  assert_equal "$(jq -c '[.outcome, .chained_from]' <<<"$output")" '["ok",3]'
  cp "$MANIFEST" whole
  sed 2d whole >"$MANIFEST"
  assert_broken "the last line without a chain" 2
  { cat whole && echo '{"type":"object","key":"c"}'; } >"$MANIFEST"
  assert_broken "a line without a digest behind" 5
}

@test "a chain that was taken off all lines is noticed by their steps" {
  chained 3
  sed -i 's/,"previous_sha256":[^}]*//' "$MANIFEST"
  rm "$MANIFEST.head"
  assert_broken "no digests" 1
}

@test "a manifest that lost what lies beside it is ok, with a warning" {
  chained 2
  rm "$MANIFEST.head"
  check_chain
  assert_status 0
  assert_stderr_has 'nobody kept the digest'
  chained 1
  head -n 1 "$MANIFEST" | head -c -1 | sha256sum | cut -d ' ' -f 1 >"$MANIFEST.head"
  check_chain
  assert_status 0
  assert_stderr_has '2 lines came after'
}

@test "many that append at once make one chain" {
  local writers=()
  for writer in 1 2 3 4; do
    (for number in $(seq 10); do append_step "$MANIFEST" archived <<<"{\"type\":\"object\",\"key\":\"$writer-$number\"}"; done) 3>&- &
    writers+=($!)
  done
  wait "${writers[@]}"
  check_chain
  assert_status 0
  assert_equal "$(jq -c .lines <<<"$output")" 40
}

@test "a line that becomes another step keeps the receipt and leaves its old step behind" {
  chained 1
  tail -n 1 "$MANIFEST" | append_step "$MANIFEST" verified
  tail -n 1 "$MANIFEST" | append_step "$MANIFEST" dropped '"reconciled":true'
  tail -n 1 "$MANIFEST" | append_step "$MANIFEST" restored
  assert_equal "$(command jq -r '"\(keys_unsorted | join(" ")): \(.step)"' "$MANIFEST")" \
    "type key note step at previous_sha256: archived
type key note step at previous_sha256: verified
type key note reconciled step at previous_sha256: dropped
type key note step at previous_sha256: restored"
  check_chain
  assert_status 0
}

@test "--chain goes without --all, and --anchor with --chain only" {
  chained 1
  run --separate-stderr s3verify --chain
  assert_status 64
  run --separate-stderr s3verify --manifest "$MANIFEST" --all --chain
  assert_status 64
  run --separate-stderr verify --manifest "$MANIFEST" --anchor 12
  assert_status 64
}

@test "a member of a record is what jq makes of it, in whatever way it is read" {
  local record member
  for record in '{"a":"x","b":12,"c":null,"d":false,"e":true,"f":"q\"z","g":1.5,"h":["w"],"i":""}' '{"x":"a","a":"1"}' '{"a":1,"a":2}' '{}' \
    '{"a": "x", "b": -12 ,"o":{"a":1,"q":"nested"},"z":"after"}' '{"z":"{","a":"b"}' '{"s":"\"a\":1","a":"ok"}' '{"a" : "x", "b" :3 }'; do
    for member in a b c d e f g h i q z; do
      assert_equal "$(field "$member" "$record")" \
        "$(jq -r --arg name "$member" '.[$name] // empty' <<<"$record")" "$member of $record"
    done
  done
}
