# Helpers of the tests of backups and recovery: `load recovering` behind `load support`. The server's user cannot get at
# bats' directories, so GROUND is one that it can: `make_ground` in setup_file, `clear_ground` in teardown_file.
# shellcheck shell=bash disable=SC2154,SC2034  # `run` sets variables, tests use them

as_server() {
  if ((EUID == 0)); then
    (cd / && runuser -u postgres -- "$@")
  else
    "$@"
  fi
}

make_ground() {
  GROUND=$(mktemp -d /tmp/sluice-ground.XXXXXX)
  export GROUND
  own "$GROUND"
  chmod 755 "$GROUND"
  # The programs of the server's version come first.
  export PATH=$PGHOST/bin:$PATH
}

own() {
  if ((EUID == 0)); then chown postgres: "$1"; fi
}

clear_ground() {
  local data
  for data in "$GROUND"/*/data "$GROUND"/*/*/data; do
    if [[ -e $data/postmaster.pid ]]; then as_server pg_ctl stop -D "$data" -m immediate -s; fi
  done
  rm -rf "$GROUND"
}

# A directory for this test alone, that the server's user may write to; the test begins in it.
enter_work() {
  WORK=$(mktemp -d "$GROUND/work.XXXXXX")
  own "$WORK"
  chmod 755 "$WORK"
  cd "$WORK" || return
}

# serve DATA: a server on what was restored; restored_sql asks it.
serve() {
  mkdir -p "$WORK/socket"
  own "$WORK/socket"
  as_server pg_ctl start -D "$1" -l "$WORK/server.log" -w -t 60 -s \
    -o "-c unix_socket_directories='$WORK/socket' -c port=5432 -c archive_mode=off" 3>&- 4>&- ||
    fail "the server did not start: $(tail -n 20 "$WORK/server.log")"
}

restored_sql() { PGHOST=$WORK/socket PGPORT=5432 sql "$1"; }

unserve() { as_server pg_ctl stop -D "$1" -m immediate -s; }

# setting DATA NAME: as the server reads it.
setting_of() { as_server postgres -D "$1" -C "$2"; }

# What the server has in a table, whatever the order.
contents_of() { echo "select count(*) || ' ' || coalesce(md5(string_agg(r::text, ',' order by r::text)), '') from $1 r"; }

# The process below $1 with that name, wherever in its tree; empty if there is none.
descendant() {
  local pid
  for pid in $(pgrep -P "$1"); do
    if [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "${2:0:15}" ]]; then
      echo "$pid"
      return
    fi
    descendant "$pid" "$2"
  done
}

has_descendant() { [[ -n $(descendant "$1" "$2") ]]; }

# kill_descendant PID NAME: -9, as soon as it is there.
kill_descendant() { eventually 20 strike "$1" "$2"; }

strike() {
  local pid
  pid=$(descendant "$1" "$2" | head -n 1)
  [[ -n $pid ]] && kill -KILL "$pid" 2>/dev/null
}
