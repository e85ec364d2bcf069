# base-backup and base-restore: a real server's backups into a real store and back.

# shellcheck disable=SC2016,SC2030,SC2031  # inner shells expand; each test is a subshell

load support
load recovering

setup_file() {
  start_postgres --own --setting wal_keep_size=1GB
  start_store
  make_ground
  sql "create table plain as select i, md5(i::text) as t from generate_series(1, 5000) i"
  system=$(psql -XAtd replication=true -c IDENTIFY_SYSTEM | cut -d '|' -f 1)
  data=$(sql 'show data_directory')
  export system data
  # What the tests read: a backup in the store, and one in files.
  export BASE=s3://$BUCKET/base FILES=file://$GROUND/base
  base-backup --store "$BASE" --label whole >"$GROUND/record" 2>"$GROUND/messages"
  base-backup --store "$FILES" --label whole >/dev/null 2>&1
}

teardown_file() {
  clear_ground
  stop_servers
}

setup() { enter_work; }

restore() { run --separate-stderr base-restore --to "$WORK/data" --restore-command "cp $data/pg_wal/%f %p" "$@"; }

assert_nothing_restored() {
  assert_equal "$(ls -A "$WORK/data" 2>/dev/null)" "" "what is left in the target"
}

# -- backups

@test "the record says what and where, and the backup is in the store" {
  record=$(<"$GROUND/record")
  assert_equal "$(jq -c '[.type, .backup, .system_identifier, .timeline, .segment_size, .url, .tablespaces]' <<<"$record")" \
    "[\"backup\",\"whole\",\"$system\",1,16777216,\"$BASE/$system/whole/\",[]]"
  assert_equal "$(jq -c '[.start_lsn, .stop_lsn | test("^[0-9A-F]+/[0-9A-F]+$")] | all' <<<"$record")" true
  assert_equal "$(s3 GET "/$BUCKET/base/$system/whole/backup.json")" "$record"
  for file in $(jq -r '.files[].key' <<<"$record"); do object_exists "base/$system/whole/$file"; done
  grep -q 'nothing receives' "$GROUND/messages" || fail "no warning that nothing keeps the WAL"
}

@test "W7: the backup manifest is stored as the server made it" {
  s3 GET "/$BUCKET/base/$system/whole/backup_manifest" >manifest
  # Its last line is the checksum of all before.
  assert_equal "$(sed -n 's/^"Manifest-Checksum": "\([0-9a-f]*\)"}$/\1/p' manifest)" \
    "$(head -c "$(grep -abo '"Manifest-Checksum"' manifest | cut -d : -f 1)" manifest | sha256sum | cut -d ' ' -f 1)"
  assert_equal "$(jq -c '."WAL-Ranges"[0] | [."Start-LSN", ."End-LSN"]' manifest)" \
    "$(jq -c '[.start_lsn, .stop_lsn]' "$GROUND/record")"
}

@test "a label that is taken is 1, and what is there stays" {
  before=$(s3 GET "/$BUCKET/base/$system/whole/backup.json")
  run --separate-stderr base-backup --store "$BASE" --label whole
  assert_status 1
  assert_equal "$(s3 GET "/$BUCKET/base/$system/whole/backup.json")" "$before"
}

@test "wrong usage is 64 before anything is read" {
  for options in '' '--store=ftp://x/' "--store=$FILES --label=../x" "--store=$FILES --checkpoint=never" \
    "--store=$FILES --level=99" "--store=$FILES more"; do
    # shellcheck disable=SC2086  # several words
    run --separate-stderr base-backup $options
    [[ $status != 0 ]] || fail "exit 0 with $options"
    assert_output ""
  done
  run --separate-stderr env PGPORT=1 base-backup --store "$FILES"
  assert_status 69
}

@test "whatever stage is killed, there is no backup, and the next run makes one" {
  for stage in pg_basebackup tee tar zst s3put; do
    base-backup --store "$FILES" --label killed --max-rate 1M >out 2>err 3>&- &
    job=$!
    kill_descendant "$job" "$stage"
    status=0
    wait "$job" || status=$?
    [[ $status != 0 ]] || fail "exit 0 though $stage was killed"
    [[ ! -e $GROUND/base/$system/killed/backup.json ]] || fail "there is a record though $stage was killed"
  done
  run --separate-stderr base-backup --store "$FILES" --label killed
  assert_status 0
  [[ -e $GROUND/base/$system/killed/backup.json ]]
}

@test "SIGTERM ends it: 143, no backup, nobody left" {
  base-backup --store "$FILES" --label stopped --max-rate 1M >out 2>err 3>&- &
  job=$!
  eventually 20 eval '[[ -n $(descendant "$job" s3put) ]]'
  reader=$(descendant "$job" pg_basebackup)
  kill "$job"
  status=0
  wait "$job" || status=$?
  assert_equal "$status" 143
  [[ ! -e /proc/$reader ]]
  [[ ! -e $GROUND/base/$system/stopped/backup.json ]]
}

# -- and back

@test "a restored backup is the server that it was taken of" {
  before=$(sql "$(contents_of plain)")
  restore --from "$BASE" --target-action promote
  assert_status 0
  assert_equal "$(jq -r '.type + " " + .backup + " " + .directory' <<<"$output")" "restore whole $WORK/data"
  [[ -e data/recovery.signal ]]
  assert_equal "$(stat -c %a data)" 700
  serve "$WORK/data"
  assert_equal "$(restored_sql "$(contents_of plain)")" "$before"
  unserve "$WORK/data"
}

@test "tablespaces: spooled, restored elsewhere, the old place untouched" {
  mkdir "$WORK/space"
  own "$WORK/space"
  sql "create tablespace \"over there\" location '$WORK/space'"
  sql "create table apart tablespace \"over there\" as select i, md5(i::text) as t from generate_series(1, 3000) i"
  run --separate-stderr base-backup --store "$BASE"
  assert_status 64
  run --separate-stderr base-backup --store "$BASE" --spool "$WORK/spool" --label spaces
  assert_status 0
  assert_equal "$(jq -r '.tablespaces[].location' <<<"$output")" "$WORK/space"
  assert_equal "$(ls -A "$WORK/spool")" "" "what is left in the spool"
  before=$(sql "$(contents_of apart)")
  restore --from "$BASE"
  assert_status 65
  assert_stderr_has "\"$WORK/space\" is not empty"
  restore --from "$BASE" --tablespace "/nowhere=$WORK/new"
  assert_status 64
  restore --from "$BASE" --tablespace "$WORK/space=$WORK/new place" --target-action promote
  assert_status 0
  serve "$WORK/data"
  assert_equal "$(restored_sql "$(contents_of apart)")" "$before"
  unserve "$WORK/data"
  sql 'drop table apart'
  sql 'drop tablespace "over there"'
  rm -rf "$WORK/data"
  restore --from "$BASE" --tablespaces "$WORK/all"
  assert_status 0
  assert_equal "$(find "$WORK/all" -mindepth 1 -maxdepth 1 | wc -l)" 1
  s3ls "$BASE/$system/spaces/" | s3rm >/dev/null
}

@test "W8: the newest whole backup is taken, never one without its record" {
  cp -r "$GROUND/base/$system/whole" "$GROUND/base/$system/zzz"
  rm "$GROUND/base/$system/zzz/backup.json"
  restore --from "$FILES" --backup zzz
  assert_status 1
  restore --from "$FILES"
  rm -r "$GROUND/base/$system/zzz"
  assert_status 0
  [[ $(jq -r .backup <<<"$output") != zzz ]]
}

# forge TAR: a backup that consists of this tar and says so rightly.
forge() {
  local folder=$WORK/store/$system/forged manifest=${2:-$GROUND/base/$system/whole/backup_manifest}
  mkdir -p "$folder"
  zst <"$1" >"$folder/base.tar.zst"
  cp "$manifest" "$folder/backup_manifest"
  jq -c --arg tar "$(sha256sum <"$folder/base.tar.zst" | cut -d ' ' -f 1)" --argjson size "$(stat -c %s "$folder/base.tar.zst")" '
    .backup = "forged" | .files |= map(if .key == "base.tar.zst" then .sha256 = $tar | .object_bytes = $size | .crc32c = null
      else . end)' "$GROUND/base/$system/whole/backup.json" >"$folder/backup.json"
}

@test "W8: a tar that leads outside leads nowhere" {
  mkdir inside
  echo evil >evil
  tar -cPf hostile.tar -C inside ../evil
  mv evil kept
  ln -s "$WORK" inside/link
  echo x >inside/file
  tar -rf hostile.tar -C inside link
  tar -rf hostile.tar --transform 's,file,link/evil,' -C inside file
  forge hostile.tar
  restore --from "file://$WORK/store"
  assert_status 65
  [[ ! -e $WORK/evil ]] || fail "it wrote outside of the target"
  assert_nothing_restored
}

@test "a backup with a changed file does not pass for one" {
  mkdir tree
  zst -d <"$GROUND/base/$system/whole/base.tar.zst" | tar -xf - -C tree
  printf x >>tree/PG_VERSION
  tar -cf changed.tar -C tree .
  forge changed.tar
  restore --from "file://$WORK/store"
  assert_status 65
  assert_stderr_has PG_VERSION
  assert_nothing_restored
}

@test "a damaged object: 65, and nothing that looks like a restored cluster" {
  for file in base.tar.zst backup_manifest; do
    rm -rf store && mkdir -p "store/$system"
    cp -r "$GROUND/base/$system/whole" "store/$system/"
    printf '\001' | dd of="store/$system/whole/$file" bs=1 seek=100000 conv=notrunc status=none
    restore --from "file://$WORK/store"
    assert_status 65
    assert_nothing_restored
    truncate -s 100000 "store/$system/whole/$file"
    restore --from "file://$WORK/store"
    assert_status 65
    assert_nothing_restored
  done
  rm "store/$system/whole/base.tar.zst"
  restore --from "file://$WORK/store"
  [[ $status != 0 ]]
  assert_nothing_restored
}

@test "a store that fails in the middle: no half of a cluster" {
  start_faults "GET base.tar * trunc@1000"
  SLUICE_RETRIES=1 restore --from "$BASE"
  assert_status 69
  assert_nothing_restored
  stop_faults
  restore --from "$BASE"
  assert_status 0
}

@test "a target that is not empty is left alone" {
  mkdir data
  echo mine >data/file
  restore --from "$FILES"
  assert_status 65
  assert_equal "$(cat data/file)" mine
}

@test "the newest backup before the target is taken" {
  between=$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)
  at=$(sql 'select pg_current_wal_lsn()')
  run --separate-stderr base-backup --store "$BASE" --label later
  assert_status 0
  restore --from "$BASE"
  assert_equal "$(jq -r .backup <<<"$output")" later
  rm -rf data
  restore --from "$BASE" --target-time "$between"
  assert_equal "$(jq -r .backup <<<"$output")" whole
  assert_equal "$(setting_of "$WORK/data" recovery_target_time)" "${between/T/ }"
  rm -rf data
  restore --from "$BASE" --target-lsn "$at"
  assert_equal "$(jq -r .backup <<<"$output")" whole
  assert_equal "$(setting_of "$WORK/data" recovery_target_lsn)" "$at"
  rm -rf data
  restore --from "$BASE" --target-time 2000-01-01T00:00:00Z
  assert_status 1
  s3ls "$BASE/$system/later/" | s3rm >/dev/null
}

@test "what the server will run is quoted for it and for the shell" {
  run --separate-stderr base-restore --from "$FILES" --to "$WORK/data" --wal "s3://bucket/it's 100% wal" --local "$WORK/a b" \
    --fetch-options '--use-partial --prefetch=4'
  assert_status 0
  command=$(setting_of "$WORK/data" restore_command)
  words=$(command=${command//%%/%} && eval "printf '<%s>' $command")
  assert_equal "$words" "<$REPO/bin/walfetch><--from><s3://bucket/it's 100% wal/><--directory><$WORK/a b><--system-identifier><$system><--use-partial><--prefetch=4><%f><%p>"
}

@test "encrypted: there and back" {
  echo secret >"$WORK/key"
  run --separate-stderr base-backup --store "file://$WORK/store" --encrypt "openssl enc -aes-256-ctr -pbkdf2 -pass file:$WORK/key"
  assert_status 0
  restore --from "file://$WORK/store"
  assert_status 65
  assert_nothing_restored
  restore --from "file://$WORK/store" --decrypt "openssl enc -d -aes-256-ctr -pbkdf2 -pass file:$WORK/key"
  assert_status 0
}
