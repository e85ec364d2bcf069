# What damages manifests and objects is found by the check that looks deep enough, and mended by the next run.

# Tests are subshells, and what they eval or hand to other shells is in single quotes.
# shellcheck disable=SC2016,SC2030,SC2031

load support
load archiving

setup_file() { start_postgres; }

setup() { enter_work; }

object_of() { echo "$WORK/store/export/$1/2024/01/2024-01-$2.jsonl.zst"; }

# The verdicts on objects that are not well, a line each.
verdicts() {
  verify_all "$1"
  jq -r '"\(.partition) \(.verdict)"' <<<"$output" | sort
}

@test "A13: a manifest with a torn line, garbage and blanks is read as far as it goes, and mended" {
  make_days torn 4 20
  archived torn
  # The first line is garbage, the third is blank besides, the last lacks its end.
  { echo 'no receipt' && sed -n 2p "$MANIFEST" && echo && sed -n 3p "$MANIFEST" && sed -n 4p "$MANIFEST" | head -c 300; } >"$WORK/damaged"
  lost=$(sed -n '1p;4p' "$MANIFEST" | jq -r .partition | sort | xargs)
  cp "$WORK/damaged" "$MANIFEST"
  verify_all head
  assert_status 65
  assert_stderr_has 'the first is line 1'
  run --separate-stderr restore --manifest "$MANIFEST" --all --dry-run
  assert_status 0
  assert_equal "$(wc -l <<<"$output")" 2
  archived torn
  assert_summary "0 2 2 0"
  assert_equal "$(tail -n 2 "$MANIFEST" | jq -r .partition | sort | xargs)" "$lost"
  archived torn
  assert_summary "0 0 4 0"
}

@test "every way to cut the manifest's end off leaves whole receipts only" {
  make_days cut 2 5
  archived cut
  size=$(stat -c %s "$MANIFEST") first=$(head -n 1 "$MANIFEST" | wc -c)
  cp "$MANIFEST" "$WORK/whole"
  for at in 0 $((first - 1)) $((first + 1)) $((size - 1)); do
    head -c "$at" "$WORK/whole" >"$MANIFEST"
    archived cut
    assert_equal "$(summary_of uploaded failed)" "0 0"
    assert_equal "$(jq -R 'fromjson? | .key' "$MANIFEST" | sort -u | wc -l)" 2
  done
  archived cut
  assert_summary "0 0 2 0"
}

@test "missing, cut, longer and swapped objects are found without reading them back" {
  make_days lost 5 30
  archived lost
  rm "$(object_of lost 01)"
  truncate -s -1 "$(object_of lost 02)"
  echo more >>"$(object_of lost 03)"
  : >"$(object_of lost 04)"
  assert_equal "$(verdicts head)" "lost_20240101 missing
lost_20240102 size
lost_20240103 size
lost_20240104 size"
  archived lost
  assert_summary "4 0 1 0"
  verify_all
  assert_status 0
}

@test "A20: every single flipped byte of an object is found by its content" {
  make_days rot 1 3
  archived rot
  object=$(object_of rot 01)
  cp "$object" "$WORK/whole"
  size=$(stat -c %s "$object")
  # One receipt for each damaged copy, so that one run judges them all.
  python3 -c '
import sys
whole = open("whole", "rb").read()
for at, byte in enumerate(whole):
    with open(f"rot.{at}", "wb") as copy:
        copy.write(whole[:at] + bytes([byte ^ 1 << at % 8]) + whole[at + 1:])'
  jq -c --argjson size "$size" --arg url "file://$WORK/rot." \
    'range($size) as $n | .key += "\($n)" | .url = $url + "\($n)"' "$MANIFEST" >"$WORK/rotten"
  MANIFEST=$WORK/rotten
  for check in content rows; do
    verify_all "$check"
    assert_status 1
    assert_equal "$(jq -r .verdict <<<"$output" | sort | uniq -c | xargs)" "$size sha256"
  done
  verify_all head
  assert_status 0
}

@test "rot is found before it is relied on: archive --check content mends, restore refuses" {
  make_days mend 2 30
  archived mend
  printf X | dd of="$(object_of mend 01)" bs=1 seek=40 conv=notrunc status=none
  archived mend
  assert_summary "0 0 2 0"
  sql "create table mend_keep as select * from mend_20240101; drop table mend_20240101"
  run --separate-stderr restore --manifest "$MANIFEST" --partition mend_20240101 --attach
  assert_status 65
  assert_equal "$(sql "select to_regclass('mend_20240101') is null")" t
  change "create table mend_20240101 (like mend); insert into mend_20240101 select * from mend_keep;
    alter table mend attach partition mend_20240101 for values from ('2024-01-01') to ('2024-01-02')"
  archived mend --check content
  assert_summary "1 0 1 0"
  verify_all
  assert_status 0
}

@test "a receipt that promises other rows is found by counting them" {
  make_days promise 1 30
  archived promise
  cp "$MANIFEST" "$WORK/true"
  for lie in '.rows = 31' '.raw_bytes += 1' '.raw_sha256 = "00"'; do
    jq -c "$lie" "$WORK/true" >"$MANIFEST"
    assert_equal "$(verdicts content)" ""
    assert_equal "$(verdicts rows)" "promise_20240101 rows"
  done
}

@test "the manifest of another store does not count, nor does that of another key" {
  make_days moved 2 20
  archived moved
  STORE=file://$WORK/elsewhere
  archived moved
  assert_summary "2 0 0 0"
  archived moved --key 'other/{partition}'
  assert_summary "2 0 0 0"
  assert_equal "$(find "$WORK/elsewhere" "$WORK/store" -type f | wc -l)" 6
  verify_all
  assert_status 0
}

@test "a store or manifest that cannot be written: 74, and nothing is half there" {
  make_days nowhere 1 20
  touch "$WORK/file"
  run --separate-stderr archive --store "file://$WORK/file/store" --manifest "$MANIFEST" --table nowhere
  assert_status 74
  assert_summary "0 0 0 1"
  run --separate-stderr archive --store "$STORE" --manifest "$WORK/no/manifest" --table nowhere
  assert_status 74
  run --separate-stderr archive --store "$STORE" --manifest /dev/full --table nowhere
  assert_status 74
}

@test "servers that are away: 69, and the next run does it" {
  make_days away 1 20
  run --separate-stderr env PGHOST=/nonexistent archive --store "$STORE" --manifest "$MANIFEST" --table away
  assert_status 69
  archived away
  sed -i "s|file://$WORK/store|s3://bucket|" "$MANIFEST"
  AWS_ENDPOINT_URL=http://127.0.0.1:9 AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b SLUICE_RETRIES=1 \
    run --separate-stderr timeout 100 archive --store s3://bucket --manifest "$MANIFEST" --table away
  assert_status 69
  assert_summary "0 0 0 1"
}
