# What the benchmarks share: two commands by turns, medians, one record a bar. Sourced.
# shellcheck shell=bash
# shellcheck disable=SC2154  # scratch is made by who sources this

runs=${BENCH_RUNS:-5}
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PATH=$repo/bin:$repo/pipelines:$PATH
export PATH

# asked_for_help "$1" "$usage"
asked_for_help() {
  if [[ $1 == --help ]]; then
    echo "$2"
    exit 0
  fi
}

# seconds COMMAND: runs it and prints how long it took.
seconds() {
  local before after
  before=$(date +%s%N)
  bash -c "$1" >/dev/null
  after=$(date +%s%N)
  awk -v ns=$((after - before)) 'BEGIN { printf "%.3f\n", ns / 1e9 }'
}

median() { sort -n "$1" | sed -n "$(((runs + 1) / 2))p"; }

# compare NAME BAR OURS PEERS [BEFORE]: one record. A first run of each is not counted; BEFORE runs before each, untimed.
# Whoever comes second may find the machine otherwise: by turns it is one and the other.
compare() {
  local name=$1 bar=$2 ours=$3 peers=$4 before=${5:-:} run
  : >"$scratch/ours"
  : >"$scratch/peers"
  for ((run = 0; run <= runs; run++)); do
    if ((run == 1)); then : >"$scratch/ours" && : >"$scratch/peers"; fi
    if ((run % 2)); then bash -c "$before" && seconds "$ours" >>"$scratch/ours"; fi
    bash -c "$before"
    seconds "$peers" >>"$scratch/peers"
    if ((run % 2 == 0)); then bash -c "$before" && seconds "$ours" >>"$scratch/ours"; fi
  done
  record "$name" "$bar" "$(median "$scratch/ours")" "$(median "$scratch/peers")" _s
}

# record NAME BAR OURS PEERS UNIT: the ratio of two figures.
record() {
  awk -v name="$1" -v bar="$2" -v ours="$3" -v peer="$4" -v unit="$5" 'BEGIN {
    printf "{\"type\":\"bench\",\"name\":\"%s\",\"ours%s\":%s,\"peer%s\":%s,", name, unit, ours, unit, peer
    printf "\"ratio\":%.3f,\"bar\":%s}\n", ours / peer, bar
  }'
}

# limit NAME BAR FIGURE UNIT: a figure that has no peer but a limit.
limit() {
  awk -v name="$1" -v bar="$2" -v ours="$3" -v unit="$4" 'BEGIN {
    printf "{\"type\":\"bench\",\"name\":\"%s\",\"ours_%s\":%s,\"bar\":%s}\n", name, unit, ours, bar
  }'
}

# peak COMMAND…: the most memory it had, in KiB.
peak() { /usr/bin/time -f %M "$@" 2>&1 >/dev/null | tail -n 1; }
