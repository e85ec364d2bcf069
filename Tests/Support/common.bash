# What the scripts of this folder share. It is sourced, never run.

# shellcheck disable=SC2034  # for the scripts that source this file
cache=${SLUICE_CACHE:-$HOME/.cache/sluice}
script=${BASH_SOURCE[-1]##*/}

die() {
  printf '%s: error: %s\n' "$script" "$1" >&2
  exit "${2:-1}"
}

wrong_usage() {
  printf '%s: error: %s\nhint: try "%s --help"\n' "$script" "$1" "$script" >&2
  exit 64
}

# A script's help is the comment at its top, so that there is one text to keep true.
print_help() {
  sed -n '2,/^$/s/^# \{0,1\}//p' "${BASH_SOURCE[-1]}"
}

# What a process is known by: its id and its start time, since an id alone may have passed to a stranger.
identity() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  read -ra stat <<<"${stat##*) }"
  [[ ${stat[0]} != [ZX] ]] || return 1
  echo "$1 ${stat[19]}"
}

# The process whose identity stands in a file is still that one, and running.
is_running() {
  local pid
  [[ -s $1 ]] || return 1
  read -r pid _ <"$1"
  [[ $(identity "$pid") == "$(<"$1")" ]]
}

# spawn PIDFILE LOG COMMAND…: in the background, in a session of its own.
# Descriptors above 2 are closed: bats waits for its own descriptor 3 until the last holder has closed it.
spawn() {
  local pidfile=$1 log=$2
  shift 2
  setsid "$@" </dev/null >>"$log" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
  identity $! >"$pidfile" || die "could not start $1: $(tail -n 3 "$log")"
}

# stop_process PIDFILE: asks, waits up to 3 s, then insists.
stop_process() {
  local pid waited=0
  if is_running "$1"; then
    read -r pid _ <"$1"
    kill "$pid" 2>/dev/null || true
    while is_running "$1"; do
      ((++waited < 60)) || kill -KILL "$pid" 2>/dev/null || true
      sleep 0.05
    done
  fi
  rm -f "$1"
}

# wait_until SECONDS COMMAND…
wait_until() {
  local left=$(($1 * 20))
  shift
  until "$@"; do
    ((left-- > 0)) || return 1
    sleep 0.05
  done
}

# The first of N neighbouring free TCP ports, below those that the kernel hands out by itself.
free_ports() {
  python3 - "$1" <<'PY'
import random, socket, sys

def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True

count = int(sys.argv[1])
for _ in range(1000):
    first = random.randrange(20000, 30000)
    if all(is_free(port) for port in range(first, first + count)):
        print(first)
        sys.exit()
sys.exit("no free ports")
PY
}

# What is listening answers HTTP, whatever it says.
answers_http() {
  curl --silent --output /dev/null --max-time 5 "http://127.0.0.1:$1/"
}

# The lines that a caller puts through `eval` to talk to a store.
print_store_exports() {
  printf 'export AWS_ENDPOINT_URL=http://127.0.0.1:%s\n' "$1"
  printf 'export AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\nexport AWS_REGION=us-east-1\n' "$2" "$3"
}
