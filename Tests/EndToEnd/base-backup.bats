# base-backup and base-restore: a real server's backups into a real store and back.

# shellcheck disable=SC2016,SC2030,SC2031,SC2154  # inner shells expand; each test is a subshell; `run` sets variables

load support
load recovering

setup_file() {
  start_postgres --own --setting wal_keep_size=1GB --initdb --wal-segsize=1
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

setup() {
  need_verifybackup
  enter_work
}

restore() { run --separate-stderr base-restore --to "$WORK/data" --restore-command "cp $data/pg_wal/%f %p" "$@"; }

# flip FILE OFFSET: changes the byte there, whatever it is.
flip() {
  local byte
  byte=$(od -An -tu1 -j "$2" -N 1 "$1")
  printf '%b' "\\x$(printf %x $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

assert_nothing_restored() {
  assert_equal "$(ls -A "$WORK/data" 2>/dev/null)" "" "what is left in the target"
}

# -- backups

@test "the record says what and where, and the backup is in the store" {
  record=$(<"$GROUND/record")
  assert_equal "$(jq -c '[.type, .backup, .system_identifier, .timeline, .segment_size, .url, .tablespaces]' <<<"$record")" \
    "[\"backup\",\"whole\",\"$system\",1,1048576,\"$BASE/$system/whole/\",[]]"
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
    flip "store/$system/whole/$file" 100000
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
  assert_equal "$(setting_of "$WORK/data" recovery_target_time)" "${between:0:10} ${between:11:15} +00"
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

@test "W6: an encrypted object in another's place, or with its blocks in another order, is refused: 65" {
  cipher='openssl enc -aes-256-ctr -K 00 -iv 00'
  for label in one two; do
    run --separate-stderr base-backup --store "file://$WORK/store" --label "$label" --encrypt "$cipher 2>/dev/null"
    assert_status 0
    sql "insert into plain values (0, '$label')"
  done
  cd "store/$system"
  cp two/base.tar.zst kept
  for tamper in 'cp one/base.tar.zst two/' '{ head -c 131072 kept | tail -c 65536; head -c 65536 kept; tail -c +131073 kept; } >two/base.tar.zst' \
    '{ head -c 65536 kept; cat kept; } >two/base.tar.zst' 'head -c 65536 kept >two/base.tar.zst' 'cp one/backup_manifest two/'; do
    eval "$tamper"
    restore --from "file://$WORK/store" --backup two --decrypt "$cipher -d 2>/dev/null"
    assert_status 65
    assert_nothing_restored
    cp kept two/base.tar.zst
  done
}

@test "what another recovery was to do is forgotten: the targets and commands of a server that was restored once" {
  at=$(date -u +%Y-%m-%dT%H:%M:%S.%6NZ)
  sql "insert into plain values (0, 'behind the target')"
  restore --from "$FILES" --backup whole --target-time "$at" --target-action promote
  assert_status 0
  serve "$WORK/data"
  eventually 20 eval '[[ $(restored_sql "select pg_is_in_recovery()") == f ]]'
  for setting in recovery_end_command archive_cleanup_command; do
    restored_sql "alter system set $setting = 'touch $WORK/$setting'"
  done
  restored_sql "alter system set recovery_min_apply_delay = '1d'"
  restored_sql "alter system set recovery_target_inclusive = off"
  PGHOST=$WORK/socket PGPORT=5432 run --separate-stderr base-backup --store "file://$WORK/store" --label two
  assert_status 0
  restored_sql "create table since as select 1 as i"
  end=$(restored_sql "select pg_current_wal_flush_lsn()")
  restored_sql "insert into since values (2)"
  unserve "$WORK/data"
  for target in '' "--target-lsn=$end"; do
    rm -rf "$WORK/again"
    # shellcheck disable=SC2086  # perhaps none
    run --separate-stderr base-restore --from "file://$WORK/store" --backup two --to "$WORK/again" --target-action promote \
      --restore-command "cp $WORK/data/pg_wal/%f %p" $target
    assert_status 0
    for setting in recovery_target{,_name,_time,_xid} recovery_end_command archive_cleanup_command primary_conninfo; do
      assert_equal "$(setting_of "$WORK/again" "$setting")" "" "$setting"
    done
    assert_equal "$(setting_of "$WORK/again" recovery_target_lsn)" "${target#*=}"
    assert_equal "$(setting_of "$WORK/again" recovery_min_apply_delay)" 0
    assert_equal "$(setting_of "$WORK/again" recovery_target_inclusive)" on
    serve "$WORK/again"
    eventually 20 eval '[[ $(restored_sql "select pg_is_in_recovery()") == f ]]'
    if [[ -n $target ]]; then expected=1; else expected=2; fi
    assert_equal "$(restored_sql "select max(i) from since")" "$expected"
    unserve "$WORK/again"
  done
  [[ ! -e $WORK/recovery_end_command ]] || fail "a command of the backup's was run"
  [[ ! -e $WORK/archive_cleanup_command ]] || fail "a command of the backup's was run"
}

@test "a backup of a standby is restored to a server of its own" {
  as_server pg_basebackup -D "$WORK/standby" -h "$PGHOST" -p "$PGPORT" -U postgres -X stream -c fast -R
  serve "$WORK/standby"
  PGHOST=$WORK/socket PGPORT=5432 run --separate-stderr base-backup --store "file://$WORK/store" --label standby
  assert_status 0
  unserve "$WORK/standby"
  sql "create table later as select 1 as i"
  restore --from "file://$WORK/store" --target-action promote
  assert_status 0
  assert_stderr_has 'standby.signal was removed'
  [[ ! -e data/standby.signal ]]
  [[ -e data/recovery.signal ]]
  assert_equal "$(setting_of "$WORK/data" primary_conninfo)" ""
  serve "$WORK/data"
  eventually 20 eval '[[ $(restored_sql "select pg_is_in_recovery()") == f ]]'
  assert_equal "$(restored_sql "select i from later")" 1
  unserve "$WORK/data"
  sql "drop table later"
}

@test "a record with what cannot be a part of a path or a command is refused: 65, and nothing is written" {
  mkdir -p "store/$system" tree
  cp -r "$GROUND/base/$system/whole" "store/$system/"
  while IFS= read -r change; do
    jq -c "$change" "$GROUND/base/$system/whole/backup.json" >"store/$system/whole/backup.json"
    restore --from "file://$WORK/store"
    assert_status 65
    assert_stderr_has 'is no record of a backup'
    assert_equal "$(find "$WORK" -newer "store/$system/whole/backup.json" -not -path "$WORK")" "" "written with $change"
  done <<CHANGES
.tablespaces = [{oid: "../../x", location: "$WORK/space"}]
.tablespaces = [{oid: "16384/../../x", location: "$WORK/space"}]
.tablespaces = [{oid: "16384\n../../x", location: "$WORK/space"}]
.tablespaces = [{oid: -1, location: "$WORK/space"}]
.tablespaces = [{oid: 16384, location: "space"}]
.tablespaces = [{oid: 16384, location: "$WORK/a\nb"}]
.tablespaces = [{oid: 16384, location: null}]
.tablespaces = [{oid: 16384, location: "$WORK/a"}, {oid: 16384, location: "$WORK/b"}]
.tablespaces = null
.backup = "../x"
.backup = "x\n../x"
.system_identifier = "1/../2"
.system_identifier = 1
.start_lsn = "a[\$(touch $WORK/x)]/0"
.stop_lsn = "0"
.timeline = "a[\$(touch $WORK/x)]"
.timeline = 0
.finished_at = "z"
.files = [1]
.type = "object"
., .
[]
empty
CHANGES
  printf '{"type":"backup"' >"store/$system/whole/backup.json"
  restore --from "file://$WORK/store"
  assert_status 65
  # Beside it a whole one can be had by its URL.
  cp -r "$GROUND/base/$system/whole" "store/$system/other"
  restore --from "file://$WORK/store"
  assert_status 65
  restore --from "file://$WORK/store/$system/other/"
  assert_status 0
}

@test "a store that does not answer is 69 or 75, whatever is asked for" {
  for object in backup.json base.tar.zst backup_manifest; do
    start_faults "GET $object * 503"
    SLUICE_RETRIES=1 restore --from "$BASE" --backup whole
    stop_faults
    [[ $status == @(69|75) ]] || fail "exit $status without $object"
    [[ $stderr != *'is no record'* ]] || fail "it blames the record"
    assert_nothing_restored
  done
}

@test "a link in a tar is not followed when settings are written" {
  mkdir tree
  zst -d <"$GROUND/base/$system/whole/base.tar.zst" | tar -xf - -C tree
  echo mine >mine
  for file in postgresql.auto.conf recovery.signal tablespace_map; do
    rm -rf "tree/$file" store
    ln -s "../mine" "tree/$file"
    tar -cf linked.tar -C tree .
    forge linked.tar
    restore --from "file://$WORK/store"
    assert_status 65
    assert_equal "$(cat mine)" mine
    assert_nothing_restored
    rm "tree/$file"
    : >"tree/$file"
  done
}

@test "places that lie in one another are refused: 64" {
  mkdir -p "store/$system"
  cp -r "$GROUND/base/$system/whole" "store/$system/"
  for location in "$WORK/data/pg_wal" "$WORK/new/../data/x" "$WORK/data" "$WORK"; do
    jq -c --arg location "$location" '.tablespaces = [{oid: 16384, location: $location}]' \
      "$GROUND/base/$system/whole/backup.json" >"store/$system/whole/backup.json"
    restore --from "file://$WORK/store"
    [[ $status == @(64|65) ]] || fail "exit $status with $location"
    [[ ! -e data ]]
  done
}
