# What all pipelines share: options, messages, endings. Sourced, with `name` set and `usage` defined.
# shellcheck shell=bash

export SWIFT_BACKTRACE=enable=no
# The tools that were installed or built with this pipeline come first.
here=${BASH_SOURCE[0]%/*}
if [[ -d $here/../bin ]]; then
  PATH=$here:$(cd "$here/../bin" && pwd):$PATH
else
  # Installed, the pipelines are in lib/sluice/pipelines, with links in bin.
  PATH=$(cd "$here/../../../bin" && pwd):$PATH
fi
export PATH

# shellcheck disable=SC2154  # name is the sourcing pipeline's
say() { printf '%s: %s\n' "$name" "$1" >&2; }

die() {
  local code=$1
  shift
  say "error: $1"
  if [[ $code == 64 ]]; then say "hint: Try \"$name --help\" for more information."; fi
  exit "$code"
}

# The options that the help names, by name: `store=` with a value, `dry-run` without.
declare -A known=()

# Sets `known`. No process is left behind that a shell that has ended could not wait for: some inits reap them late.
learn_options() {
  local line
  while IFS= read -r line; do
    if [[ $line =~ ^\ \ --([a-z-]+=?) ]]; then known[${BASH_REMATCH[1]%=}]=${BASH_REMATCH[1]}; fi
  done <<<"$(usage)"
}

# Sets `variable` to the name of the one that an option has; without starting a process.
name_variable() {
  variable=${1^^}
  variable=SLUICE_${variable//-/_}
}

# parse_options WORD…: each option becomes a variable; words that are none end up in `operands`.
parse_options() {
  local word option value
  learn_options
  operands=()
  while [[ $# -gt 0 ]]; do
    word=$1
    shift
    case $word in
    --) operands+=("$@") && break ;;
    --help | '-?')
      usage || exit 74
      exit 0
      ;;
    --version | -V)
      echo "$name (Sluice)" || exit 74
      exit 0
      ;;
    --*)
      option=${word%%=*}
      option=${option#--}
      [[ -n ${known[$option]:-} ]] || die 64 "unrecognized option \"--$option\""
      if [[ ${known[$option]} != *= ]]; then
        [[ $word != *=* ]] || die 64 "option \"--$option\" takes no value"
        value=1
      elif [[ $word == *=* ]]; then
        value=${word#*=}
      else
        [[ $# -gt 0 ]] || die 64 "option \"--$option\" needs a value"
        value=$1
        shift
      fi
      set_option "$option" "$value"
      ;;
    -?*) die 64 "unrecognized option \"$word\"" ;;
    *) operands+=("$word") ;;
    esac
  done
  if [[ -n ${SLUICE_CONFIG:-} ]]; then read_config "$SLUICE_CONFIG"; fi
  for option in "${!known[@]}"; do
    if [[ ${known[$option]} != *= ]]; then settle_switch "$option"; fi
  done
}

# A switch that a variable turns off is as good as one that nobody set.
settle_switch() {
  local variable
  name_variable "$1"
  case ${!variable:-} in
  '' | 1 | true | yes | on) ;;
  0 | false | no | off) unset "$variable" ;;
  *) die 64 "\"${!variable}\" is neither on nor off (variable $variable)" ;;
  esac
}

# The options of the command line, by name.
declare -A given=()

# A pipeline with an option that may be repeated redefines this.
set_option() {
  local variable
  name_variable "$1"
  printf -v "$variable" '%s' "$2"
  given[$1]=1
}

# A configuration that archive shares has its template there, which is no object's key; what --key says is one.
forget_key_template() {
  if [[ -z ${given[key]:-} && ${SLUICE_KEY:-} == *'{'* ]]; then unset SLUICE_KEY; fi
}

# Lines of NAME=value; variables that are set already win.
read_config() {
  local line number=0
  [[ -r $1 ]] || die 64 "could not read the configuration \"$1\""
  while IFS= read -r line || [[ -n $line ]]; do
    number=$((number + 1))
    [[ $line =~ ^[[:space:]]*(#.*)?$ ]] && continue
    [[ $line =~ ^([A-Za-z_][A-Za-z_0-9]*)=(.*)$ ]] ||
      die 64 "line $number of \"$1\" is not NAME=value"
    local variable=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
    # Quotes around a value are the file's, as systemd and shells read it.
    if [[ $value =~ ^\"(.*)\"$ || $value =~ ^\'(.*)\'$ ]]; then value=${BASH_REMATCH[1]}; fi
    [[ -n ${!variable+set} ]] || export "$variable=$value"
  done <"$1"
}

# need OPTION…: each of them must have been given.
need() {
  local option variable
  for option in "$@"; do
    name_variable "$option"
    [[ -n ${!variable:-} ]] || die 64 "no --$option was given"
  done
}

# field NAME RECORD: a member as text, empty where there is none.
#
# One that stands before all records in the record is read here: jq takes longer to start than most of what it is asked takes.
# A record may have the columns of a very wide table, so each of these patterns takes one pass: it begins with what it looks for,
# or is held at the record's beginning.
field() {
  if [[ $2 == "{"*"}" && $2 != *"\"$1\""* ]]; then return; fi
  if [[ $2 == "{"*"}" && $2 != *"\"$1\""*"\"$1\""* && $2 =~ ^\{[^{]*\"$1\"\ *:\ *(\"([^\"\\]*)\"|(-?[0-9]+))\ *[,}] ]]; then
    printf '%s\n' "${BASH_REMATCH[2]}${BASH_REMATCH[3]}"
  else
    jq -r --arg name "$1" '.[$name] // empty' <<<"$2"
  fi
}

# first_failure STATUS…: the status of the stage that failed by itself, where others only saw its pipe close.
first_failure() {
  local status broken=0
  for status in "$@"; do
    case $status in
    0) ;;
    141) broken=141 ;;
    *) return "$status" ;;
    esac
  done
  return "$broken"
}

# Runs the user's own command as a stage that says in the job log that it finished, because an end of file does not.
filter_stage() {
  log_stage "$1" start && bash -o pipefail -c "$2" && log_stage "$1" "done"
}

# The number that a position such as 1/6B3748 is.
position() { echo $(((16#${1%/*} << 32) + 16#${1#*/})); }

# stage NAME COMMAND...: likewise a command of ours, whose words are taken as they are.
stage() {
  local stage=$1
  shift
  log_stage "$stage" start && "$@" && log_stage "$stage" "done"
}

log_stage() {
  local at
  take_time
  printf '{"type":"%s","tool":"%s","pid":%s,"at":"%s"}\n' "$2" "$1" "$BASHPID" "$at" >>"$SLUICE_JOB"
}

# Sets `at` to the present moment as records carry it; without starting a process.
take_time() {
  local seconds=${EPOCHREALTIME%[.,]*} microseconds=${EPOCHREALTIME#*[.,]}
  TZ=UTC printf -v at '%(%Y-%m-%dT%H:%M:%S)T' "$seconds"
  at=$at.${microseconds}Z
}

timestamp() {
  local at
  take_time
  echo "$at"
}

# Milliseconds since 1970.
milliseconds() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# A directory that a run is told to keep its logs in may be anybody's. It is a run's if it was new or empty when a run first
# came, and has a mark since; and in it only what runs write is.

# take_run_dir DIR MANIFEST NAME...: makes and marks it. Ends where it is not a run's, or where the manifest has one of the run's
# own names there.
take_run_dir() {
  local dir=$1 receipts content own
  if [[ -e $dir && ! -e $dir/.sluice-run ]]; then
    [[ -d $dir ]] || die 64 "\"$dir\" is no directory"
    content=$(ls -A -- "$dir") || die 74 "could not read the directory \"$dir\""
    [[ -z $content ]] || die 64 "the directory \"$dir\" is not empty, and not one of an earlier run"
  fi
  dir=$(realpath -m -- "$dir") receipts=$(realpath -m -- "$2")
  for own in "${@:3}"; do
    [[ $receipts/ != "${dir%/}/$own/"* ]] || die 64 "the manifest cannot be \"$2\": each run removes that from its directory"
  done
  { mkdir -p -- "$1" && : >>"$1/.sluice-run"; } || die 74 "could not make the directory \"$1\""
}

# empty_run_dir DIR NAME...: removes what an earlier run has left there under its names.
empty_run_dir() {
  local own
  local -a left=()
  for own in "${@:2}"; do left+=("$1/$own"); done
  rm -rf -- "${left[@]}"
}

group='' stopped=''

# Runs a function in a process group of its own, so that a signal reaches all in it, and only once. Ends when all have.
in_group() {
  local status left=1200
  set -m
  "$@" &
  group=$!
  set +m
  if [[ -n $stopped ]]; then stop "$stopped"; fi
  while :; do
    wait "$group"
    status=$?
    kill -0 "$group" 2>/dev/null || break
  done
  # Without its leader, which holds the snapshot, the rest is of no use.
  if [[ $status -gt 128 ]]; then kill -TERM -- "-$group" 2>/dev/null; fi
  # A minute: where nobody reaps orphans, their group never ends.
  while kill -0 -- "-$group" 2>/dev/null && ((left-- > 0)); do sleep 0.05; done
  group=
  return "$status"
}

# stop [STATUS]: what we are then to end with.
stop() {
  stopped=${1:-143}
  if [[ -n $group ]]; then kill -TERM -- "-$group" 2>/dev/null; fi
}

# Whoever hangs up, too, means all that we started.
trap_signals() {
  trap 'stop 129' HUP
  trap 'stop 130' INT
  trap 'stop 143' TERM
}

# `250ms`, `30s`, `15m`, `24h` or `7d` in milliseconds; fails for what is no duration.
milliseconds_of() {
  local -A units=([ms]=1 [s]=1000 [m]=60000 [h]=3600000 [d]=86400000)
  [[ $1 =~ ^([0-9]{1,9})(ms|s|m|h|d)$ ]] || return
  echo $((10#${BASH_REMATCH[1]} * ${units[${BASH_REMATCH[2]}]}))
}

# is_date TEXT: a day that there is, such as 2024-01-31.
is_date() { [[ $1 =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ && $(date -u -d "$1" +%F 2>/dev/null) == "$1" ]]; }

compress() { zst "-${SLUICE_LEVEL:-3}" --threads "${SLUICE_THREADS:-1}"; }

# append_step FILE STEP [MEMBERS]: appends standard input, a receipt, as a line of that step; MEMBERS is JSON such as
# `"reconciled":true`. The step, the digest and the moment that it had as a line of its own are left behind.
append_step() {
  local record at
  IFS= read -r record || return 1
  [[ $record == '{'*'}' ]] || return 1
  if [[ $record =~ ^(.*),\"step\":\"[a-z]+\",\"at\":\"[^\"]*\",\"previous_sha256\":[^,{}]*\}$ ]]; then
    record=${BASH_REMATCH[1]}\}
    record=${record/%,\"reconciled\":true\}/\}}
  fi
  take_time
  append_chained "$1" <<<"${record%\}}${3:+,$3},\"step\":\"$2\",\"at\":\"$at\"}"
}

# append_chained FILE: appends standard input, a record, alone and durably, with the digest of the line before it.
# shellcheck disable=SC2094  # it is read before it is written, under the lock
append_chained() {
  local line digest previous=null
  IFS= read -r line || return 1
  {
    flock 9
    if [[ -s $1 ]]; then
      finish_line "$1" >&9 || return
      digest=$(last_lines "$1" | sha256sum) || return
      previous=\"${digest%% *}\"
    fi
    line=${line%\}},\"previous_sha256\":$previous\}
    printf '%s\n' "$line" >&9 || return
    # Whoever cuts the end of the file off leaves this behind.
    digest=$(printf '%s' "$line" | sha256sum) && printf '%s\n' "${digest%% *}" >"$1.head"
  } 9>>"$1" && sync "$1"
}

# A line that a power cut left unfinished must not swallow the next one.
finish_line() { [[ -z $(tail -c 1 "$1") ]] || printf '\n'; }

# The last line that is whole, with those behind it that are not; without the last line feed.
last_lines() {
  local count=1 line
  line=$(tail -n 1 "$1" | tr -d '\0')
  if [[ $line == '{'*'}' ]]; then
    printf '%s' "$line"
    return
  fi
  while ((count++ < 15)) && [[ $(tail -n $count "$1" | head -n 1 | tr -d '\0') != '{'*'}' ]]; do :; done
  tail -n $count "$1" | head -c -1
}
