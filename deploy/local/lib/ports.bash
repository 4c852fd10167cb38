# shellcheck shell=bash
# Ports of this machine.

# Whether nothing listens on the port.
free() {
    ! { true <>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null
}

# free_port TAKEN…: a free port below the range the kernel hands out to outgoing connections, and none of those.
free_port() {
    local port
    while true; do
        # Unlike RANDOM, it does not begin alike in two subshells.
        port=$((SRANDOM % 10000 + 20000))
        if [[ " $* " != *" $port "* ]] && free "$port"; then
            printf '%s' "$port"
            return
        fi
    done
}

# keep_or_free_port PORT TAKEN…: the port if there is one and it is free, or else another.
keep_or_free_port() {
    if [[ -n ${1:-} ]] && free "$1"; then
        printf '%s' "$1"
    else
        free_port "${@:2}"
    fi
}
