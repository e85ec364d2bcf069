# shellcheck disable=SC2016,SC2030,SC2031,SC2154  # inner shells expand; each test is a subshell; run sets stderr
load support

# s3put against a real store, with and without faults on the way, and to files.

setup_file() {
  start_store
  # Three parts and a bit, and less than one; 5 MiB is the least that a part may have.
  head -c 16000000 /dev/urandom >"$SCRATCH/large"
  head -c 100000 /dev/urandom >"$SCRATCH/small"
}

put() { s3put --part-size 5MiB --timeout 2s "$@"; }

member() { jq -r ".$1" <<<"$output"; }

# The object under a key is the given file, or there is none.
assert_whole() {
  s3 GET "/$BUCKET/$1" >"$SCRATCH/got"
  assert_same_file "$SCRATCH/got" "$2"
}

assert_no_uploads() { assert_equal "$(unfinished_uploads || true)" "" "unfinished uploads"; }

multipart_etag() {
  local sums
  sums=$(split -b 5M --filter 'md5sum | cut -c1-32' "$1")
  printf '%s-%s\n' "$(python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' <<<"$sums" | md5sum | cut -c1-32)" "$(wc -l <<<"$sums")"
}

@test "one request for what fits in one part" {
  run --separate-stderr put --to "s3://$BUCKET/small" <"$SCRATCH/small"
  assert_status 0
  assert_whole small "$SCRATCH/small"
  assert_equal "$(member sha256)" "$(sha256sum <"$SCRATCH/small" | cut -d' ' -f1)"
  assert_equal "$(member etag)" "$(md5sum <"$SCRATCH/small" | cut -d' ' -f1)"
  assert_equal "$(jq -c '[.md5 == .etag, .parts, .part_bytes, .object_bytes, .outcome]' <<<"$output")" \
    '[true,1,5242880,100000,"uploaded"]'
}

@test "parts for what does not" {
  run --separate-stderr put --to "s3://$BUCKET/large" <"$SCRATCH/large"
  assert_status 0
  assert_whole large "$SCRATCH/large"
  assert_equal "$(member etag)" "$(multipart_etag "$SCRATCH/large")"
  assert_equal "$(jq -c '[.md5, .parts]' <<<"$output")" '[null,4]'
  assert_no_uploads
}

@test "an input that fills its parts exactly, and an empty one" {
  local size
  for size in 0 5242880 10485760; do
    head -c $size "$SCRATCH/large" >"$SCRATCH/exact"
    run --separate-stderr put --to "s3://$BUCKET/exact" <"$SCRATCH/exact"
    assert_status 0
    assert_whole exact "$SCRATCH/exact"
  done
}

@test "keys with every kind of character" {
  local key
  for key in 'sp ace' 'pl+us' 'pct%2Fx' 'üñ/日本' "q'(!)*" 'a//b' 'dot/../up' 'semi;col&amp=x?y#z' '~:@$,' 'trail/x/'; do
    echo "$key" | put --record "$(jq -nc --arg k "$key" '{type: "x", key: $k}')" --to "s3://$BUCKET/odd/" >/dev/null
    assert_equal "$(s3 GET "/$BUCKET/odd/$key")" "$key"
    assert_equal "$(s3get "s3://$BUCKET/odd/$key")" "$key"
  done
}

@test "the record's members pass through as they were, type first" {
  run --separate-stderr put --record '{"type":"partition","n":1.50,"key":"k/1","s":"\u00e4"}' \
    --to "s3://$BUCKET/" <"$SCRATCH/small"
  assert_status 0
  [[ $output == '{"type":"object","n":1.50,"key":"k/1","s":"\u00e4","url":"s3://'"$BUCKET"'/k/1","object_bytes":100000,'* ]] ||
    fail "another order"
}

@test "metadata, rows and raw bytes" {
  export SLUICE_JOB=$SCRATCH/job
  digest=$(printf '%064d' 7)
  cat >"$SLUICE_JOB" <<EOT
{"type":"start","tool":"pg-extract-jsonl","pid":1,"at":""}
{"type":"start","tool":"zst","pid":2,"at":""}
{"type":"done","tool":"pg-extract-jsonl","pid":1,"in_bytes":0,"out_bytes":500000,"rows":42,"out_sha256":"$digest","at":""}
{"type":"done","tool":"zst","pid":2,"in_bytes":500000,"out_bytes":100000,"at":""}
EOT
  run --separate-stderr put --after pg-extract-jsonl,zst --meta Team=db --to "s3://$BUCKET/meta" <"$SCRATCH/small"
  assert_status 0
  assert_equal "$(jq -c '[.rows, .raw_bytes, .raw_sha256]' <<<"$output")" "[42,500000,\"$digest\"]"
  s3 --show headers HEAD "/$BUCKET/meta" | jq -c 'with_entries(.key |= ascii_downcase)' >"$SCRATCH/headers"
  assert_equal "$(jq -r '[."x-amz-meta-team", ."x-amz-meta-sluice-rows", ."x-amz-meta-sluice-raw-bytes"] | join(" ")' "$SCRATCH/headers")" \
    "db 42 500000"
  assert_equal "$(jq -r .type "$SLUICE_JOB" | tail -n 1)" "done"
}

@test "an upstream that did not finish, or wrote other bytes: 65, nothing is published" {
  export SLUICE_JOB=$SCRATCH/job-broken
  echo '{"type":"start","tool":"zst","pid":2,"at":""}' >"$SLUICE_JOB"
  for file in small large; do
    run --separate-stderr put --after zst --to "s3://$BUCKET/broken-$file" <"$SCRATCH/$file"
    assert_status 65
    run ! object_exists "broken-$file"
  done
  echo '{"type":"done","tool":"zst","pid":2,"in_bytes":5,"out_bytes":99999,"at":""}' >>"$SLUICE_JOB"
  run --separate-stderr put --after zst --to "s3://$BUCKET/broken-small" <"$SCRATCH/small"
  assert_status 65
  run ! object_exists broken-small
  run --separate-stderr put --after zst --to "file://$SCRATCH/files/broken" <"$SCRATCH/small"
  assert_status 65
  [[ ! -e $SCRATCH/files/broken ]]
  assert_no_uploads
}

@test "--if-none-match leaves what is there" {
  echo first | put --to "s3://$BUCKET/once" --if-none-match
  run --separate-stderr put --to "s3://$BUCKET/once" --if-none-match <"$SCRATCH/small"
  assert_status 1
  assert_equal "$(member outcome)" exists
  run --separate-stderr put --to "s3://$BUCKET/once" --if-none-match <"$SCRATCH/large"
  assert_status 1
  assert_equal "$(s3 GET "/$BUCKET/once")" first
}

@test "parts lie in files below TMPDIR, which have no name and go with the process" {
  mkdir -p "$SCRATCH/parts"
  mkfifo "$SCRATCH/slow"
  TMPDIR=$SCRATCH/parts s3put --part-size 5MiB --to "s3://$BUCKET/infiles" <"$SCRATCH/slow" >"$SCRATCH/receipt" 3>&- &
  local pid=$! held=0 try
  exec 9>"$SCRATCH/slow"
  head -c 9000000 "$SCRATCH/large" >&9
  for ((try = 0; try < 100 && held == 0; try++)); do
    held=$(find "/proc/$pid/fd" -lname "$SCRATCH/parts/*deleted*" 2>/dev/null | wc -l)
    sleep 0.05
  done
  ((held > 0)) || fail "no file is held"
  assert_equal "$(ls -A "$SCRATCH/parts")" ""
  tail -c +9000001 "$SCRATCH/large" >&9
  exec 9>&-
  wait $pid
  assert_whole infiles "$SCRATCH/large"
}

@test "parts lie in memory with --in-memory, or where TMPDIR is no folder: smaller ones then" {
  head -c 40000000 /dev/urandom >"$SCRATCH/larger"
  run --separate-stderr s3put --in-memory --to "s3://$BUCKET/inmemory" <"$SCRATCH/larger"
  assert_status 0
  assert_equal "$(member part_bytes) $(member parts)" "15728640 3"
  assert_whole inmemory "$SCRATCH/larger"
  TMPDIR=$SCRATCH/missing run --separate-stderr s3put --to "s3://$BUCKET/inmemory" <"$SCRATCH/larger"
  assert_status 0
  assert_equal "$(member part_bytes) $(member parts)" "15728640 3"
  run --separate-stderr s3put --to "s3://$BUCKET/infiles" <"$SCRATCH/larger"
  assert_equal "$(member part_bytes) $(member parts)" "52428800 1"
  assert_whole infiles "$SCRATCH/larger"
}

@test "a TMPDIR with little room holds as many parts as fit, and with none they lie in memory" {
  mkdir -p "$SCRATCH/narrow"
  mount -t tmpfs -o size=12m sluice "$SCRATCH/narrow" 2>/dev/null || skip "no file system can be mounted here"
  TMPDIR=$SCRATCH/narrow run --separate-stderr put --to "s3://$BUCKET/narrow" <"$SCRATCH/large"
  run_memory=$(TMPDIR=$SCRATCH/narrow s3put --to "s3://$BUCKET/none" <"$SCRATCH/large")
  umount "$SCRATCH/narrow"
  assert_status 0
  assert_equal "$(member part_bytes) $(member parts)" "5242880 4"
  assert_whole narrow "$SCRATCH/large"
  assert_equal "$(jq '.part_bytes, .parts' <<<"$run_memory" | xargs)" "15728640 2"
  assert_whole none "$SCRATCH/large"
}

@test "--if-none-match with --skip-identical: the same parts are identical, others leave what is there" {
  put --to "s3://$BUCKET/parts" --part-size 5MiB <"$SCRATCH/large"
  before=$(s3 GET "/$BUCKET/parts" | sha256sum)
  run --separate-stderr put --if-none-match --skip-identical --part-size 5MiB --to "s3://$BUCKET/parts" <"$SCRATCH/large"
  assert_status 0
  assert_equal "$(member outcome)" identical
  run --separate-stderr put --if-none-match --skip-identical --part-size 5MiB --to "s3://$BUCKET/parts" < <(tac -s x "$SCRATCH/large"; echo)
  assert_status 1
  assert_equal "$(member outcome)" exists
  assert_equal "$(s3 GET "/$BUCKET/parts" | sha256sum)" "$before"
  assert_equal "$(unfinished_uploads)" ""
}

@test "bytes that went up in other parts are the same bytes: they are read back, and nothing is uploaded" {
  put --to "s3://$BUCKET/otherwise" <"$SCRATCH/large"
  local size
  for size in 6MiB 20MiB; do
    run --separate-stderr s3put --part-size "$size" --if-none-match --skip-identical --to "s3://$BUCKET/otherwise" <"$SCRATCH/large"
    assert_status 0
    assert_equal "$(jq -c '[.outcome, .part_bytes, (.parts as $n | .etag | endswith("-\($n)"))]' <<<"$output")" '["identical",5242880,true]'
    run --separate-stderr s3put --part-size "$size" --if-none-match --skip-identical --to "s3://$BUCKET/otherwise" \
      < <(head -c 15999999 "$SCRATCH/large"; echo)
    assert_status 1
    assert_equal "$(member outcome)" exists
  done
  # Another's object, of which only its content tells.
  "$SUPPORT/s3-request" --data "$SCRATCH/large" PUT "/$BUCKET/foreign"
  head -c 5000000 /dev/urandom | cat - "$SCRATCH/large" >"$SCRATCH/larger"
  "$SUPPORT/s3-request" --data "$SCRATCH/larger" PUT "/$BUCKET/foreign-larger"
  run --separate-stderr /usr/bin/time -f %M -o "$SCRATCH/peak" s3put --in-memory --if-none-match --skip-identical \
    --to "s3://$BUCKET/foreign-larger" <"$SCRATCH/larger"
  assert_equal "$(member outcome)" identical
  [[ $(tail -n 1 "$SCRATCH/peak") -le 65536 ]] || fail "$(<"$SCRATCH/peak") KiB"
  assert_whole otherwise "$SCRATCH/large"
  assert_no_uploads
}

@test "how the object is kept: tags, storage class, encryption, metadata, at one request and in parts" {
  start_faults
  local file
  for file in small large; do
    run --separate-stderr put --storage-class STANDARD --meta X-Y=z --to "s3://$BUCKET/kept" <"$SCRATCH/$file"
    assert_status 0
    assert_whole kept "$SCRATCH/$file"
    # Not every store has tags, or keys to encrypt with; that they were asked for is seen all the same.
    put --tag 'a b=c&d' --tag e=f --to "s3://$BUCKET/tagged" <"$SCRATCH/$file" || true
    put --sse AES256 --to "s3://$BUCKET/encrypted" <"$SCRATCH/$file" || true
    put --sse aws:kms:k/1 --to "s3://$BUCKET/encrypted" <"$SCRATCH/$file" || true
  done
  assert_equal "$(jq -r 'select(.headers["x-amz-meta-x-y"]) | "\(.method) \(.headers | [.["x-amz-storage-class"],
    .["x-amz-meta-x-y"]] | join(" "))"' "$FAULT_LOG")" $'PUT STANDARD z\nPOST STANDARD z'
  # What is refused while it is being sent may be sent again.
  assert_equal "$(jq -r 'select(.headers["x-amz-tagging"]) | "\(.method) \(.headers["x-amz-tagging"])"' "$FAULT_LOG" | sort -u)" \
    $'POST a%20b=c%26d&e=f\nPUT a%20b=c%26d&e=f'
  assert_equal "$(jq -r 'select(.headers["x-amz-server-side-encryption"]) | "\(.method) \(.headers | [.["x-amz-server-side-encryption"],
    .["x-amz-server-side-encryption-aws-kms-key-id"]] | join(" "))"' "$FAULT_LOG" | sort -u)" \
    $'POST AES256 \nPOST aws:kms k/1\nPUT AES256 \nPUT aws:kms k/1'
  run --separate-stderr put --meta a=1 --meta A=2 --to "s3://$BUCKET/kept" <"$SCRATCH/small"
  assert_status 64
}

@test "a secret in a URL is not repeated" {
  run --separate-stderr env AWS_ENDPOINT_URL=http://bob:hunter2@127.0.0.1:1 s3ls "s3://$BUCKET/"
  [[ $status != 0 && $stderr != *hunter2* ]] || fail "the secret is there, or no error"
  run --separate-stderr s3ls "s3://AKID:hunter2@$BUCKET/"
  assert_status 64
  [[ $stderr != *hunter2* ]] || fail "the secret is there"
}

@test "a record whose key leaves the root is bad input: 65" {
  run --separate-stderr put --to "file://$SCRATCH/root/" --record '{"type":"partition","key":"../x"}' <"$SCRATCH/small"
  assert_status 65
}

@test "--skip-identical uploads nothing twice" {
  start_faults
  put --to "s3://$BUCKET/same" <"$SCRATCH/small"
  run --separate-stderr put --skip-identical --to "s3://$BUCKET/same" <"$SCRATCH/small"
  assert_equal "$(member outcome)" identical
  put --spool "$SCRATCH" --to "s3://$BUCKET/same-large" <"$SCRATCH/large"
  run --separate-stderr put --spool "$SCRATCH" --skip-identical --to "s3://$BUCKET/same-large" <"$SCRATCH/large"
  assert_equal "$(member outcome)" identical
  # Without our metadata it is the ETag that tells.
  put --to "s3://$BUCKET/same-etag" <"$SCRATCH/large"
  run --separate-stderr put --spool "$SCRATCH" --skip-identical --to "s3://$BUCKET/same-etag" <"$SCRATCH/large"
  assert_equal "$(member outcome)" identical
  assert_equal "$(jq -s 'map(select(.method == "PUT")) | length' "$FAULT_LOG")" 9
  run --separate-stderr put --skip-identical --to "s3://$BUCKET/same" <"$SCRATCH/large"
  assert_equal "$(member outcome)" uploaded
}

@test "--dry-run uploads nothing" {
  for file in small large; do
    run --separate-stderr put --dry-run --to "s3://$BUCKET/dry" <"$SCRATCH/$file"
    assert_status 0
    assert_equal "$(member outcome) $(member sha256)" "dry-run $(sha256sum <"$SCRATCH/$file" | cut -d' ' -f1)"
  done
  run ! object_exists dry
}

@test "--dry-run tells what would be: exists, identical" {
  local file
  for file in small large; do
    put --to "s3://$BUCKET/dry-$file" <"$SCRATCH/$file"
    run --separate-stderr put --dry-run --if-none-match --to "s3://$BUCKET/dry-$file" <"$SCRATCH/$file"
    assert_equal "$status $(member outcome)" "1 exists"
    run --separate-stderr put --dry-run --if-none-match --skip-identical --to "s3://$BUCKET/dry-$file" <"$SCRATCH/$file"
    assert_equal "$status $(member outcome)" "0 identical"
  done
  put --to "file://$SCRATCH/dry/f" <"$SCRATCH/small"
  run --separate-stderr put --dry-run --if-none-match --to "file://$SCRATCH/dry/f" <"$SCRATCH/large"
  assert_equal "$status $(member outcome)" "1 exists"
}

@test "wrong secret 77, unknown key 77, missing bucket 78, no server 69" {
  AWS_SECRET_ACCESS_KEY=wrong run --separate-stderr put --to "s3://$BUCKET/x" <"$SCRATCH/small"
  assert_status 77
  AWS_ACCESS_KEY_ID=NOSUCHKEY000000000AA run --separate-stderr put --to "s3://$BUCKET/x" <"$SCRATCH/small"
  assert_status 77
  [[ $stderr != *"$AWS_SECRET_ACCESS_KEY"* ]]
  run --separate-stderr put --to "s3://no-such-bucket-here/x" <"$SCRATCH/large"
  assert_status 78
  AWS_ENDPOINT_URL=http://127.0.0.1:9 run --separate-stderr put --retries 1 --to "s3://$BUCKET/x" <"$SCRATCH/small"
  assert_status 69
}

@test "keys come from a profile and from a process" {
  cat >"$SCRATCH/credentials" <<EOT
[stored]
aws_access_key_id = $AWS_ACCESS_KEY_ID
aws_secret_access_key = $AWS_SECRET_ACCESS_KEY
EOT
  cat >"$SCRATCH/config" <<EOT
[profile run]
credential_process = printf '{"Version":1,"AccessKeyId":"$AWS_ACCESS_KEY_ID","SecretAccessKey":"$AWS_SECRET_ACCESS_KEY"}'
EOT
  export AWS_SHARED_CREDENTIALS_FILE=$SCRATCH/credentials AWS_CONFIG_FILE=$SCRATCH/config
  for profile in stored run; do
    echo "$profile" | env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY AWS_PROFILE=$profile \
      s3put --to "s3://$BUCKET/profile"
    assert_equal "$(s3 GET "/$BUCKET/profile")" "$profile"
  done
  AWS_ACCESS_KEY_ID='' AWS_PROFILE=none run --separate-stderr put --to "s3://$BUCKET/x" <"$SCRATCH/small"
  assert_status 77
}

# -- faults: the object is whole or absent, and no upload is left

@test "faults that pass" {
  local rule file number=0
  for rule in "PUT . 2 503" "PUT . 2 500" "PUT . 1 reset-req@50000" "PUT . 1 lost-answer" "PUT . 1 close" \
    "PUT . 1 trunc@20" "PUT . 1 403skew" "POST uploads 1 lost-answer" "POST uploads 1 500" \
    "POST uploadId 1 okerr" "POST uploadId 2 500" "POST uploadId 1 lost-answer" "POST uploadId 1 trunc@150"; do
    for file in small large; do
      # A small one is a request by itself.
      if [[ $file == small && $rule == POST* ]]; then continue; fi
      number=$((number + 1))
      start_faults "$rule"
      run --separate-stderr put --to "s3://$BUCKET/fault-$number" <"$SCRATCH/$file"
      stop_faults
      assert_status 0
      assert_whole "fault-$number" "$SCRATCH/$file"
      assert_no_uploads
    done
  done
}

@test "a clock that is wrong is corrected by the store's" {
  cat >"$SCRATCH/clock.c" <<'EOT'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    if (id == CLOCK_REALTIME) now->tv_sec += 3600;
    return result;
}
EOT
  cc -shared -fPIC -o "$SCRATCH/clock.so" "$SCRATCH/clock.c"
  LD_PRELOAD=$SCRATCH/clock.so run --separate-stderr put --to "s3://$BUCKET/skewed" <"$SCRATCH/large"
  assert_status 0
  assert_whole skewed "$SCRATCH/large"
}

@test "a request that stands still is sent again" {
  start_faults "PUT partNumber 1 blackhole"
  run --separate-stderr put --to "s3://$BUCKET/still" <"$SCRATCH/large"
  assert_status 0
  assert_whole still "$SCRATCH/large"
}

@test "faults that stay: 75, nothing is published, nothing is left" {
  start_faults "PUT . * 503"
  run --separate-stderr put --retries 1 --to "s3://$BUCKET/never" <"$SCRATCH/small"
  assert_status 75
  run --separate-stderr put --retries 1 --to "s3://$BUCKET/never" <"$SCRATCH/large"
  assert_status 75
  stop_faults
  start_faults "POST uploadId * okerr"
  run --separate-stderr put --retries 1 --to "s3://$BUCKET/never" <"$SCRATCH/large"
  assert_status 75
  stop_faults
  run ! object_exists never
  assert_no_uploads
}

@test "with --if-none-match a lost answer is not taken for another's object" {
  start_faults "PUT . 1 lost-answer"
  run --separate-stderr put --if-none-match --to "s3://$BUCKET/mine" <"$SCRATCH/small"
  assert_status 0
  assert_equal "$(member outcome)" uploaded
}

# A function in the background would be a shell of its own, and the signal would be the shell's.
@test "SIGTERM aborts the upload, and so does a terminal that goes away" {
  mkfifo "$SCRATCH/feed"
  local signal
  for signal in TERM HUP; do
    s3put --part-size 5MiB --to "s3://$BUCKET/stopped" <"$SCRATCH/feed" 3>&- &
    local process=$!
    exec 9>"$SCRATCH/feed"
    cat "$SCRATCH/large" >&9
    eventually 10 has_uploads
    kill -$signal $process
    local result=0
    wait $process || result=$?
    exec 9>&-
    assert_equal $result $((128 + $(kill -l $signal)))
    run ! object_exists stopped
    assert_no_uploads
  done
}

@test "after kill -9 nothing is published, and the next run leaves no upload" {
  rm -f "$SCRATCH/feed"
  mkfifo "$SCRATCH/feed"
  local file
  for file in small large; do
    s3put --part-size 5MiB --to "s3://$BUCKET/killed" <"$SCRATCH/feed" 3>&- &
    local process=$!
    exec 9>"$SCRATCH/feed"
    cat "$SCRATCH/large" >&9
    eventually 10 has_uploads
    kill -KILL $process
    wait $process || true
    exec 9>&-
    run ! object_exists killed
    put --to "s3://$BUCKET/killed" <"$SCRATCH/$file"
    assert_whole killed "$SCRATCH/$file"
    assert_no_uploads
    s3 DELETE "/$BUCKET/killed"
  done
}

has_uploads() { [[ -n $(unfinished_uploads) ]]; }

# -- files

@test "a file is there whole, and its key stays below the root" {
  run --separate-stderr put --to "file://$SCRATCH/files/a b/ü" <"$SCRATCH/large"
  assert_status 0
  assert_same_file "$SCRATCH/files/a b/ü" "$SCRATCH/large"
  assert_equal "$(member sha256)" "$(sha256sum <"$SCRATCH/large" | cut -d' ' -f1)"
  local key
  mkdir "$SCRATCH/files/..."
  # A slash with a combining mark behind it is a slash.
  for key in ../x a/../../x /x a//x . '' a/ $'.../../\u0301x' $'../\u0301x' .x.1.partial; do
    run --separate-stderr put --record "$(jq -nc --arg k "$key" '{key: $k}')" --to "file://$SCRATCH/files/" <"$SCRATCH/small"
    assert_status 65
  done
  assert_equal "$(find "$SCRATCH/files" -type f | wc -l)" 1
}

@test "a file: names of 255 bytes, and names that begin with a combining mark" {
  local name
  for name in "$(printf 'n%.0s' {1..255})" $'\u0301x' "$(printf 'é%.0s' {1..127})"; do
    run --separate-stderr put --record "$(jq -nc --arg k "$name" '{key: $k}')" --to "file://$SCRATCH/names/" <"$SCRATCH/small"
    assert_status 0
    assert_same_file "$SCRATCH/names/$name" "$SCRATCH/small"
  done
  assert_equal "$(s3ls "file://$SCRATCH/names/" | wc -l)" 3
}

@test "a file: where the file system knows no renaming that replaces nothing, as NFS" {
  local to=file://$SCRATCH/nfs/f
  run --separate-stderr inject_fault rename:/nfs/f:1:EINVAL s3put --if-none-match --to "$to" <"$SCRATCH/small"
  assert_equal "$status $(member outcome)" "0 uploaded"
  run --separate-stderr inject_fault rename:/nfs/f:1:EINVAL s3put --if-none-match --to "$to" <"$SCRATCH/large"
  assert_equal "$status $(member outcome)" "1 exists"
  assert_same_file "$SCRATCH/nfs/f" "$SCRATCH/small"
  assert_equal "$(ls -A "$SCRATCH/nfs")" f
}

@test "a file: --if-none-match, --skip-identical, --dry-run" {
  local to=file://$SCRATCH/options/f
  put --dry-run --to "$to" <"$SCRATCH/small"
  [[ ! -e $SCRATCH/options ]]
  put --to "$to" --if-none-match <"$SCRATCH/small"
  run --separate-stderr put --to "$to" --if-none-match <"$SCRATCH/large"
  assert_status 1
  assert_same_file "$SCRATCH/options/f" "$SCRATCH/small"
  run --separate-stderr put --to "$to" --skip-identical <"$SCRATCH/small"
  assert_equal "$(member outcome)" identical
  assert_equal "$(ls -A "$SCRATCH/options")" f
}

@test "a file: after kill -9 nothing is there, and the next run clears up" {
  rm -f "$SCRATCH/feed"
  mkfifo "$SCRATCH/feed"
  s3put --part-size 5MiB --to "file://$SCRATCH/killed/f" <"$SCRATCH/feed" 3>&- &
  local process=$!
  exec 9>"$SCRATCH/feed"
  cat "$SCRATCH/large" >&9
  kill -KILL $process
  wait $process || true
  exec 9>&-
  [[ ! -e $SCRATCH/killed/f ]]
  put --to "file://$SCRATCH/killed/f" <"$SCRATCH/small"
  assert_equal "$(ls -A "$SCRATCH/killed")" f
}

@test "a full disk: 74, and nothing is there" {
  run --separate-stderr inject_fault write:full:3:ENOSPC s3put --to "file://$SCRATCH/full/f" <"$SCRATCH/large"
  assert_status 74
  assert_equal "$(ls -A "$SCRATCH/full")" ""
}

@test "1 GiB from a pipe and back, in bounded memory" {
  noise() { head -c 1G /dev/zero | openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 00000000000000000000000000000000; }
  noise | /usr/bin/time -f %M -o "$SCRATCH/put" s3put --to "s3://$BUCKET/gib" >"$SCRATCH/receipt"
  digest=$(noise | sha256sum)
  assert_equal "$(jq -r .sha256 "$SCRATCH/receipt")" "${digest%% *}"
  assert_equal "$(/usr/bin/time -f %M -o "$SCRATCH/get" s3get --record "$(cat "$SCRATCH/receipt")" | sha256sum)" "$digest"
  for side in put get; do
    [[ $(tail -n 1 "$SCRATCH/$side") -le 65536 ]] || fail "s3$side: $(cat "$SCRATCH/$side") KiB"
  done
  "$SUPPORT/s3-request" DELETE "/$BUCKET/gib"
}
