# shellcheck shell=bash
# Ports of this machine.

# Whether nothing listens on the port.
free() {
    ! { true <>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null
}

# A free port below the range the kernel hands out to outgoing connections.
free_port() {
    local port
    while true; do
        port=$((RANDOM % 10000 + 20000))
        if free "$port"; then
            printf '%s' "$port"
            return
        fi
    done
}

# The given port if there is one and it is free, or else another.
keep_or_free_port() {
    if [[ -n ${1:-} ]] && free "$1"; then
        printf '%s' "$1"
    else
        free_port
    fi
}
