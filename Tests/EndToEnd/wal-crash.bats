# bats file_tags=long
# The promise of walrecv: what was acknowledged is there. Tests/Support/wal-crash says how it is put to the test; the
# store of these rounds is one of their own. `make test-wal-crash` has 20 of them.

load support

@test "server, receivers and writers are killed at random moments: every acknowledged commit is recovered" {
  run "$SUPPORT/wal-crash" --rounds "${SLUICE_WAL_CRASH_ROUNDS:-3}" --version "${SLUICE_PG_VERSION:-15}" --store alternate
  # The numbers of the rounds, also when all is well.
  grep '^round ' <<<"$output" | sed 's/^/# /' >&3
  assert_status 0
}
