#!/usr/bin/env bats
# zst against the zstd command, and its endings.

# shellcheck disable=SC2154  # status, output and stderr are set by `run`

bats_require_minimum_version 1.5.0

setup_file() {
  PATH=$(cd "$BATS_TEST_DIRNAME/../../bin" && pwd):$PATH
  cd "$BATS_FILE_TMPDIR" || return
  # About 24 MB of rows, so that there are several frames of 8 MiB.
  awk 'BEGIN {
    srand(1)
    for (i = 1; i <= 250000; i++)
      printf "{\"id\":%d,\"amount\":%.6f,\"note\":\"customer %d of %d\",\"active\":true}\n",
        i, rand() * 1e6, int(rand() * 5000), i % 12
  }' > rows
  head -c 300000 rows > few
  zst < rows > rows.zst
  zst --frame-size 64KiB < few > few.zst
  export PATH
}

setup() {
  set -o pipefail
  cd "$BATS_FILE_TMPDIR" || return
  unset SLUICE_JOB
}

# decodes FILE: zst -d restores what `zstd -d` restores.
decodes() {
  zst -d < "$1" > ours
  zstd -d -q -c < "$1" > theirs
  cmp ours theirs
}

# offsets FILE: where its frames begin.
offsets() { zst -l < "$1" | jq .offset; }

@test "zstd reads what zst writes" {
  for options in -1 -3 "-19 --frame-size 1MiB" "-T1 --frame-size 100000" "--level 7 -T 0"; do
    # shellcheck disable=SC2086 # words are options
    zst $options < few > out.zst
    zstd -t -q out.zst
    zstd -d -q -c out.zst | cmp - few
  done
  zstd -d -q -c rows.zst | cmp - rows
}

@test "zst reads what zstd writes" {
  for options in -1 -3 -19 --fast=5 --no-check "-T2 -B300KB" --no-content-size; do
    # shellcheck disable=SC2086 # words are options
    zstd -q -c $options few > their.zst
    zst -d < their.zst | cmp - few
    # From a pipe zstd does not know the size.
    # shellcheck disable=SC2086
    zstd -q -c $options < few > their.zst
    zst -d < their.zst | cmp - few
  done
  zstd -q -c -T2 rows > their.zst
  zst -d < their.zst | cmp - rows
  zstd -q -c < rows > their.zst
  zst -d < their.zst | cmp - rows
}

@test "frames of several writers may follow one another" {
  zstd -q -c few > one.zst
  zstd -q -c < rows > two.zst
  printf '\x50\x2a\x4d\x18\x04\x00\x00\x00note' > note.zst
  cat note.zst one.zst few.zst note.zst two.zst rows.zst one.zst note.zst > all.zst
  decodes all.zst
  cat few few rows rows few | cmp - ours
}

@test "a window of 128 MiB is taken, a longer one refused" {
  zstd -q -c --long=27 < few > long.zst
  zst -d < long.zst | cmp - few
  zstd -q -c --long=28 < few > long.zst
  run -65 --separate-stderr zst -d < long.zst
  [[ $stderr == "zst: error: frame 1 at byte 0 needs a window of 268435456 bytes,"* ]]
}

@test "the output depends neither on the threads nor on how the input comes" {
  for threads in 1 2 3 4; do
    zst -T $threads < rows | cmp - rows.zst
    zst -d -T $threads < rows.zst | cmp - rows
  done
  dd if=rows bs=1000 status=none | zst | cmp - rows.zst
  # shellcheck disable=SC2002 # a pipe on purpose
  cat rows | zst | cmp - rows.zst
}

@test "no input is an archive of nothing" {
  zst < /dev/null > empty.zst
  zstd -t -q empty.zst
  [ "$(zst -d < empty.zst | wc -c)" -eq 0 ]
  run -65 --separate-stderr zst -d < /dev/null
  [ "$stderr" = "zst: error: input is empty, not even a zstd frame" ]
  run -65 zst -t < /dev/null
  run -65 zst -l < /dev/null
}

@test "a truncated archive is refused wherever it is cut" {
  size=$(stat -c %s few.zst)
  for offset in $(offsets few.zst); do
    for length in $offset $((offset + 1)) $((offset + 9)) $((offset + 5000)); do
      [ "$length" -lt "$size" ] || continue
      head -c "$length" few.zst > cut.zst
      for mode in -d -t -l; do
        run -65 --separate-stderr zst $mode < cut.zst
        [[ $stderr == "zst: error: input is "* ]]
      done
    done
  done
}

@test "a truncated stream of zstd is refused" {
  zstd -q -c < rows > their.zst
  size=$(stat -c %s their.zst)
  for length in 1 3 5 8 1000 $((size / 2)) $((size - 1)); do
    head -c "$length" their.zst > cut.zst
    run -65 zst -t < cut.zst
  done
}

@test "damage is refused and named" {
  second=$(offsets few.zst | sed -n 3p)
  size=$(stat -c %s few.zst)
  for place in $((second + 20)) $((second + 3000)) $((size - 30)) $((size - 3)); do
    cp few.zst bad.zst
    byte=$(od -An -tu1 -j "$place" -N 1 few.zst)
    printf '%b' "\\x$(printf %x $((byte ^ 255)))" |
      dd of=bad.zst bs=1 seek="$place" conv=notrunc status=none
    run -65 --separate-stderr zst -t < bad.zst
    [[ $stderr == "zst: error: "*"frame "*" at byte "* ]]
  done
  run -65 --separate-stderr zst -d < few
  [ "$stderr" = "zst: error: frame 1 at byte 0 is not a zstd frame" ]
  cat few.zst few > bad.zst
  run -65 zst -t < bad.zst
}

@test "list writes a record for each frame" {
  run zst -l < rows.zst
  [ "${lines[0]}" = '{"type":"frame","number":1,"offset":0,"kind":"skippable","compressed_bytes":16,"bytes":0,"checksum":false}' ]
  sum=$(zst -l < rows.zst | jq -s '[.[] | select(.kind == "zstd") | select(.checksum).bytes] | add')
  [ "$sum" -eq "$(stat -c %s rows)" ]
  sum=$(zst -l < rows.zst | jq -s '[.[].compressed_bytes] | add')
  [ "$sum" -eq "$(stat -c %s rows.zst)" ]
  zstd -q -c < few > their.zst
  [ "$(zst -l < their.zst | jq -c '[.kind, .bytes]')" = '["zstd",null]' ]
}

@test "wrong usage is 64" {
  for options in -0 -20 "--level 0" "--level x" "-T 257" "--frame-size 0" "--frame-size 2GiB" \
    --nope file; do
    # shellcheck disable=SC2086 # words are options
    run -64 zst $options < /dev/null
  done
  SLUICE_LEVEL=20 run -64 zst < /dev/null
}

@test "variables stand for options" {
  SLUICE_LEVEL=19 SLUICE_FRAME_SIZE=64KiB zst < few > out.zst
  zst -19 --frame-size=64KiB < few | cmp - out.zst
}

@test "output that is not accepted is 74" {
  run -74 bash -c 'zst < rows > /dev/full'
  run -74 bash -c 'zst < /dev/null > /dev/full'
  run -74 bash -c 'zst -d < rows.zst > /dev/full'
  run -74 bash -c 'zst -l < rows.zst > /dev/full'
  run -74 bash -c 'zst < rows >&-'
  zst -t < rows.zst > /dev/full
}

@test "closed standard input is 74" {
  for mode in -3 -d -t -l; do
    run -74 bash -c "zst $mode <&-"
  done
}

@test "a reader that goes away is 141" {
  run bash -c 'zst -d < rows.zst | head -c 10 > /dev/null; echo ${PIPESTATUS[0]}'
  [ "$output" = 141 ]
  run bash -c 'cat rows rows rows | zst | head -c 10 > /dev/null; echo ${PIPESTATUS[1]}'
  [ "$output" = 141 ]
}

# stopped COMMAND: it ends by SIGTERM within a second, wherever it waits.
stopped() {
  bash -c "$1" &
  pid=$!
  sleep 0.3
  kill -TERM $pid
  before=$(date +%s%N)
  status=0
  wait $pid || status=$?
  [ $status -eq 143 ]
  [ $((($(date +%s%N) - before) / 1000000)) -lt 1000 ]
}

@test "SIGTERM ends it while it reads, works and writes" {
  rm -f in out
  mkfifo in out
  sleep 5 > in &
  sleeper=$!
  for mode in -3 -d -t -l; do stopped "exec zst $mode < in > /dev/null"; done
  kill $sleeper
  stopped 'exec zst -19 < rows > /dev/null'
  exec 9<> out # a reader that never reads
  stopped 'exec zst -d < rows.zst > out'
  zstd -q -c < rows > their.zst
  stopped 'exec zst -d < their.zst > out'
  exec 9>&-
}

@test "the job log has what came in and went out" {
  rm -f job
  SLUICE_JOB=job zst < rows > /dev/null
  [ "$(jq -r .type job | tr '\n' ' ')" = "start done " ]
  jq -e --argjson in "$(stat -c %s rows)" --argjson out "$(stat -c %s rows.zst)" \
    'select(.type == "done") | .in_bytes == $in and .out_bytes == $out' job
  rm job
  SLUICE_JOB=job zst -d < rows.zst > /dev/null
  jq -e --argjson out "$(stat -c %s rows)" --argjson in "$(stat -c %s rows.zst)" \
    'select(.type == "done") | .in_bytes == $in and .out_bytes == $out' job
  rm job
  head -c 3000 few.zst | SLUICE_JOB=job run -65 zst -d
  [ "$(jq -c 'select(.type == "failed") | [.tool, .code]' job)" = '["zst",65]' ]
  [ -z "$(jq -c 'select(.type == "done")' job)" ]
}

@test "done is in the job log before the reader sees the end" {
  for _ in 1 2 3 4 5; do
    rm -f job
    SLUICE_JOB=job zst < few | { cat > /dev/null; grep -q '"done"' job; }
  done
}

# peak COMMAND: the most memory it had, in KiB.
peak() {
  python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$@"
}

@test "memory is bounded" {
  cat rows rows rows rows rows rows rows rows > many
  head -c 100000000 /dev/urandom >> many
  [ "$(peak zst -T2 < many)" -le $((160 << 10)) ]
  # What cannot be compressed takes the most memory, and a third of the time.
  for level in 12 15 19; do
    [ "$(peak zst -$level -T2 < <(tail -c 12000000 many))" -le $((160 << 10)) ]
  done
  zst -T2 < many > many.zst
  [ "$(peak zst -d -T2 < many.zst)" -le $((160 << 10)) ]
  zstd -q -c --long=27 < many > many.zst
  [ "$(peak zst -d -T2 < many.zst)" -le $((160 << 10)) ]
  rm many many.zst
}

@test "it works in a directory with spaces" {
  mkdir -p "a b"
  cd "a b" || return
  SLUICE_JOB="the job" zst < ../few > out.zst
  zst -d < out.zst | cmp - ../few
}
