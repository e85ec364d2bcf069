# What every tool does alike when its streams misbehave.

# shellcheck disable=SC2016  # inner shells expand
load support

setup_file() {
  start_postgres
  cd "$SCRATCH" || return
  sql "create table many (id int, at date) partition by range (at);
    do \$\$ declare d date; begin for d in select date '2024-01-01' + i from generate_series(0, 299) i loop
      execute format('create table many_%s partition of many for values from (%L) to (%L)', to_char(d, 'YYYYMMDD'), d, d + 1);
    end loop; end \$\$;
    create table rows as select i as id, repeat(md5(i::text), 10) as text from generate_series(1, 20000) i"
  pg-extract-jsonl --relation rows | tee rows.jsonl | zst >rows.zst
  pg-partitions --table many >partitions
  for i in $(seq 300); do echo x >"$SCRATCH/object-$(printf %s "$i" | md5sum | cut -c 1-32)-with-a-long-name"; done
}

setup() { cd "$SCRATCH" || return; }

# Commands with more output than a pipe holds, or some at least.
readonly writers='pg-extract-jsonl --relation rows
pg-partitions --table many
zst --decompress <rows.zst
zst <rows.jsonl
s3get "file://$SCRATCH/rows.jsonl"
s3ls "file://$SCRATCH/"
s3verify --manifest /nonexistent/manifest <partitions'

@test "output that cannot be written: 74" {
  while read -r command; do
    run bash -c "$command >/dev/full"
    [[ $status == 74 ]] || fail "$command: $status"
  done <<<"$writers"
}

@test "output of a pipeline that cannot be written: 74" {
  STORE=file://$SCRATCH/full-store MANIFEST=$SCRATCH/full-manifest
  options="--store $STORE --manifest $MANIFEST --table many --from 2024-01-01 --to 2024-01-02"
  while read -r command; do
    run bash -c "$command >/dev/full"
    [[ $status == 74 ]] || fail "$command: $status"
  done <<EOT
archive --dry-run $options
archive $options
restore --manifest $MANIFEST --all --dry-run
head -n 1 partitions | archive-one --store $STORE --manifest $MANIFEST
EOT
  for command in "$REPO"/pipelines/*; do
    if [[ $command == *.sh ]]; then continue; fi
    run bash -c '"$1" --help >/dev/full' - "$command"
    [[ $status == 74 ]] || fail "$command --help: $status"
  done
}

@test "archive ends by the signal that it got, and so do its jobs" {
  sql "create table slow (id int, at date, text text) partition by range (at);
    create table slow_1 partition of slow for values from ('2024-01-01') to ('2024-01-02');
    insert into slow select i, '2024-01-01', repeat(md5(i::text), 20) from generate_series(1, 300000) i"
  for signal in HUP INT TERM; do
    rm -rf "$SCRATCH/signal-store" "$SCRATCH/signal-manifest"
    # A shell's background jobs ignore SIGINT; a session of its own does not.
    python3 -c 'import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])' \
      archive --store "file://$SCRATCH/signal-store" --manifest "$SCRATCH/signal-manifest" --table slow --level 19 >/dev/null 2>&1 3>&- &
    pid=$!
    eventually 20 pgrep -f "[p]g-extract-jsonl --record.*%2Fslow%2F"
    kill "-$signal" $pid
    status=0
    wait $pid || status=$?
    assert_equal "$status" $((128 + $(kill -l $signal))) "$signal"
    assert_equal "$(cat "$SCRATCH/signal-manifest")" ""
    ! pgrep -f "[p]g-extract-jsonl --record.*%2Fslow%2F" || fail "a job goes on"
  done
}

@test "a reader that goes away: 141" {
  while read -r command; do
    # shellcheck disable=SC2016  # the inner shell expands it
    run bash -c '{ eval "$1"; echo $? >"$2"; } | head -c 1 >/dev/null' - "$command" "$SCRATCH/status"
    [[ $(cat "$SCRATCH/status") == 141 ]] || fail "$command: $(cat "$SCRATCH/status")"
  done <<<"$writers"
}

@test "closed standard input is an error where it is read, and no crash anywhere" {
  for tool in "$REPO"/bin/*; do
    run timeout 20 bash -c '"$1" <&- >/dev/null' - "$tool"
    # walfetch has one status for all failures.
    [[ $status == 64 || $status == 74 || $status == 65 || "$tool $status" == */walfetch\ 255 ]] || fail "$tool: $status"
  done
}

@test "a tool that waits for its input ends by SIGTERM: 143" {
  mkfifo "$SCRATCH/silent"
  # shellcheck disable=SC2217  # it only holds the FIFO open
  sleep 300 >"$SCRATCH/silent" 3>&- &
  writer=$!
  for command in 'zst' 'zst -d' 'walprune -D . --keep-last 1' "s3put --to file://$SCRATCH/never" 's3verify' 's3rm' 'pg-attach' 'pg-extract-jsonl' \
    'pg-load-jsonl --relation rows'; do
    # shellcheck disable=SC2086  # several words
    $command <"$SCRATCH/silent" >/dev/null 3>&- &
    pid=$!
    sleep 0.3
    kill -TERM $pid
    status=0
    wait $pid || status=$?
    [[ $status == 143 ]] || fail "$command: $status"
  done
  kill $writer
  [[ ! -e $SCRATCH/never ]]
}
