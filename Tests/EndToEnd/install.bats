# What `make install` puts in place works without the toolchain, and is small.

load support

setup_file() {
  start_postgres
  make --silent -C "$REPO" install DESTDIR="$SCRATCH/root" PREFIX=/usr
}

@test "tools, pipelines, pages and runtime are there, in 60 MB at most" {
  for tool in "$REPO"/bin/*; do [[ -x $SCRATCH/root/usr/bin/$(basename "$tool") ]]; done
  [[ -f $SCRATCH/root/usr/share/man/man1/zst.1 && -f $SCRATCH/root/usr/share/man/man7/sluice.7 ]]
  size=$(du --summarize --block-size=1000000 "$SCRATCH/root" | cut -f 1)
  [[ $size -le 60 ]] || fail "$size MB"
}

# The toolchain's folder is covered, in a mount namespace of its own, while the command runs.
without_toolchain() {
  local runtime
  runtime=$(ldd "$REPO/bin/zst" | sed -n 's/.*libswiftCore.* => \(.*\)\/libswiftCore.*/\1/p')
  # shellcheck disable=SC2016  # the inner shell expands it
  unshare --mount bash -c 'mount -t tmpfs none "$1" && shift && "$@"' - "$runtime" env PATH="$SCRATCH/root/usr/bin:/usr/bin:/bin" "$@"
}

@test "installed tools run without a toolchain" {
  if ! unshare --mount true 2>/dev/null; then skip "no mount namespace to be had here"; fi
  assert_equal "$(without_toolchain bash -c 'seq 1000 | zst | zst -d | cksum')" "$(seq 1000 | cksum)"
  sql "create table days (d date) partition by range (d);
    create table days_1 partition of days for values from ('2024-01-01') to ('2024-01-02');
    insert into days values ('2024-01-01')"
  without_toolchain archive --store "file://$SCRATCH/store" --table days --manifest "$SCRATCH/manifest" >"$SCRATCH/summary"
  assert_equal "$(jq -r .uploaded "$SCRATCH/summary")" 1
}
