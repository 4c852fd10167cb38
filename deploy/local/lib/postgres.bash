# shellcheck shell=bash
# A private Postgres in $servers/postgres, on the loopback address only.

postgres_programs() {
    local version='*' programs
    [[ -s $servers/postgres/data/PG_VERSION ]] && version=$(<"$servers/postgres/data/PG_VERSION")
    # shellcheck disable=SC2086 # the version is a pattern
    programs=$(printf '%s\n' /usr/lib/postgresql/$version/bin | sort -V | tail -n 1)
    [[ -x $programs/postgres ]] || fail "No Postgres programs in $programs."
    printf '%s' "$programs"
}

# A directory is only called data once it is whole, so an interrupted first start does no harm.
make_postgres_data() {
    local programs=$1 fresh=$servers/postgres/fresh password=$servers/postgres/password
    [[ -e $servers/postgres/data ]] && return
    rm -rf "$fresh" "$password"
    "${become[@]}" install -m 600 /dev/null "$password"
    printf '%s' "$POSTGRES_PASSWORD" >"$password"
    # In a session of its own, out of Ctrl-C's reach.
    setsid "${become[@]}" "$programs/initdb" -D "$fresh" -U tolva -A scram-sha-256 --pwfile="$password" \
        --locale=C.UTF-8 -E UTF8 >>"$logs/postgres.log" 2>&1 || { show_tail "$logs/postgres.log"; fail "initdb failed."; }
    rm "$password"
    mv "$fresh" "$servers/postgres/data"
}

postgres_answers() {
    "$1/pg_isready" -q -h 127.0.0.1 -p "$POSTGRES_PORT"
}

# Whether any process of a server still works in the data directory.
data_in_use() {
    local directory
    for directory in /proc/[0-9]*; do
        [[ $(readlink "$directory/cwd") != "$servers/postgres/data" ]] || return 0
    done 2>/dev/null
    return 1
}

data_at_rest() {
    ! data_in_use
}

start_postgres() {
    local programs
    running postgres && return
    programs=$(postgres_programs)
    become postgres "$servers/postgres"
    make_postgres_data "$programs"
    # A killed server's children follow it within moments. Its lock file names a process that may be a zombie
    # still, which Postgres would take for a living server.
    wait_until 20 data_at_rest || fail "Another Postgres works in $servers/postgres/data."
    rm -f "$servers/postgres/data/postmaster.pid"
    detach postgres "$logs/postgres.log" "${become[@]}" "$programs/postgres" -D "$servers/postgres/data" \
        -p "$POSTGRES_PORT" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
        -c max_connections=200 -c shared_buffers=64MB
    wait_ready postgres 60 postgres_answers "$programs" || { show_tail "$logs/postgres.log"; fail "Postgres does not start."; }
    make_database "$programs"
}

make_database() {
    local -a query=(env PGPASSWORD="$POSTGRES_PASSWORD" "$1/psql" -X -q -h 127.0.0.1 -p "$POSTGRES_PORT" -U tolva -d postgres)
    [[ -n $("${query[@]}" -At -c "SELECT 1 FROM pg_database WHERE datname = 'tolva'") ]] \
        || "${query[@]}" -c 'CREATE DATABASE tolva'
}

# Ends the sessions and writes everything down (a "fast" shutdown).
stop_postgres() {
    end_process postgres INT 60
}

# Ends as a crash would, with recovery at the next start (an "immediate" shutdown).
kill_postgres() {
    end_process postgres QUIT 10
}
