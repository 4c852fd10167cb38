# shellcheck shell=bash
# Processes that outlive the script that starts them. Each is remembered in a file NAME.pid of the
# directory $processes as "id start-time": an id alone could belong to a stranger after a reboot.

# The fields of /proc/ID/stat after the command's name, which may hold spaces: state, parent, group, session…
stat_fields() {
    local line
    { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
    read -ra fields <<<"${line##*) }"
}

remember() {
    local -a fields=()
    stat_fields "$2" || true
    printf '%s %s\n' "$2" "${fields[19]:-ended}" >"$processes/$1.pid"
}

# Whether the process NAME runs; its id is then in $pid. A zombie nobody has collected yet has ended.
running() {
    local -a fields=()
    local started
    pid=
    [[ -s $processes/$1.pid ]] || return 1
    read -r pid started <"$processes/$1.pid"
    stat_fields "$pid" && [[ ${fields[19]} == "$started" && ${fields[0]} != Z ]]
}

ended() {
    ! running "$1"
}

# detach NAME LOG COMMAND…: starts a command in a session of its own, so that Ctrl-C reaches only the
# script, which stops everything in order. It inherits neither the script's ignored signals nor its lock (9).
detach() {
    local name=$1 log=$2
    shift 2
    setsid env --default-signal "$@" </dev/null >>"$log" 2>&1 9>&- &
    remember "$name" "$!"
    disown "$!"
}

# wait_until SECONDS COMMAND…: asks until the command succeeds; fails when the time is over.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# wait_ready NAME SECONDS COMMAND…: the same, and fails at once when the process NAME has ended.
wait_ready() {
    local name=$1 seconds=$2
    shift 2
    wait_until "$seconds" ready_or_ended "$name" "$@" && running "$name"
}

ready_or_ended() {
    local name=$1
    shift
    ended "$name" || "$@"
}

# end_process NAME SIGNAL SECONDS: sends the signal, and kills what has not ended after SECONDS.
end_process() {
    local name=$1 signal=$2 seconds=$3 leader
    if running "$name"; then
        kill -s "$signal" "$pid" 2>/dev/null || true
        if ! wait_until "$seconds" ended "$name"; then
            say "$name did not end within $seconds s of SIG$signal: killed."
            kill -s KILL "$pid" 2>/dev/null || true
            wait_until 10 ended "$name" || say "$name (process $pid) cannot be killed."
        fi
    fi
    if [[ -s $processes/$name.pid ]]; then
        read -r leader _ <"$processes/$name.pid"
        end_session "$leader"
        rm -f "$processes/$name.pid"
    fi
}

# Kills what a killed process has left behind in its session (an encoder, for example).
end_session() {
    local -a fields=()
    local directory
    for directory in /proc/[0-9]*; do
        if stat_fields "${directory#/proc/}" && [[ ${fields[3]} == "$1" && ${fields[0]} != Z ]]; then
            kill -s KILL "${directory#/proc/}" 2>/dev/null || true
        fi
    done
}
