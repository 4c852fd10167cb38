# shellcheck shell=bash
# Tolva's own services: starting, watching and stopping them, with the servers below them.

services=(api media-worker zip-worker)
# A little more than the grace period the services keep for themselves (GRACE_PERIOD).
stop_seconds=35

start_everything() {
    choose_settings
    say "Starting Postgres and RabbitMQ…"
    LOGS_DIR=$logs "$root/deploy/local/servers" start "$servers"
    read_addresses
    "$root/.build/release/tolvactl" migrate >&2 || fail "The database could not be migrated."
    local service
    for service in "${services[@]}"; do
        start_service "$service"
    done
    for service in "${services[@]}"; do
        wait_ready "$service" 60 answers "$service" || { show_tail "$logs/$service.log"; fail "$service does not become ready."; }
    done
    write_environment
}

choose_settings() {
    export HTTP_HOST=${HTTP_HOST:-127.0.0.1} HTTP_PORT=${HTTP_PORT:-8080}
    local host=$HTTP_HOST
    [[ $host != 0.0.0.0 && $host != :: ]] || host=127.0.0.1
    base_url=http://$host:$HTTP_PORT
    media_worker_port=$(keep_or_free_port "${MEDIA_WORKER_HEALTH_PORT:-8081}" "$HTTP_PORT")
    zip_worker_port=$(keep_or_free_port "${ZIP_WORKER_HEALTH_PORT:-8082}" "$HTTP_PORT" "$media_worker_port")
    if [[ -z ${VOLUMES:-} ]]; then
        install -d -m 700 "$data/media"
        VOLUMES=main=$data/media
    fi
    export VOLUMES
    choose_sign_in
}

# The database keeps the first admin, so the first start's sign-in is the one to show from then on.
choose_sign_in() {
    local file=$data/sign-in.env asked=${ADMIN_PASSWORD:-}
    if [[ ! -s $file ]]; then
        : "${ADMIN_EMAIL:=admin@example.com}" "${ADMIN_PASSWORD:=$(new_password)}"
        (umask 077 && printf '%s=%q\n' ADMIN_EMAIL "$ADMIN_EMAIL" ADMIN_PASSWORD "$ADMIN_PASSWORD" >"$file")
    fi
    # shellcheck source=/dev/null
    source "$file"
    [[ -z $asked || $asked == "$ADMIN_PASSWORD" ]] \
        || say "ADMIN_PASSWORD is for the first start only: $data keeps the password it was started with."
    export ADMIN_EMAIL ADMIN_PASSWORD
}

read_addresses() {
    # shellcheck source=/dev/null
    source "$servers/servers.env"
    export DATABASE_URL AMQP_URL
}

start_service() {
    case $1 in
        api) detach api "$logs/api.log" "$root/.build/release/tolva-api" ;;
        *)
            detach "$1" "$logs/$1.log" \
                env HEALTH_HOST=127.0.0.1 HEALTH_PORT="$(health_port "$1")" "$root/.build/release/tolva-$1"
            ;;
    esac
}

health_port() {
    local name=${1//-/_}_port
    printf '%s' "${!name}"
}

answers() {
    local url=$base_url
    [[ $1 == api ]] || url=http://127.0.0.1:$(health_port "$1")
    curl -fs -m 5 -o /dev/null "$url/health/ready"
}

# What a program that uses the running suite needs to know. Replaced as a whole, so a reader never sees half of it.
write_environment() {
    local -A value=(
        [BASE_URL]=$base_url [HTTP_PORT]=$HTTP_PORT
        [MEDIA_WORKER_HEALTH_PORT]=$media_worker_port [ZIP_WORKER_HEALTH_PORT]=$zip_worker_port
        [DATABASE_URL]=$DATABASE_URL [AMQP_URL]=$AMQP_URL [VOLUMES]=$VOLUMES
        [ADMIN_EMAIL]=$ADMIN_EMAIL [ADMIN_PASSWORD]=$ADMIN_PASSWORD
        [POSTGRES_PORT]=$POSTGRES_PORT [AMQP_PORT]=$AMQP_PORT [EPMD_PORT]=$EPMD_PORT
        [DATA_DIR]=$data [SUITE_PID]=$$
    )
    local process
    for process in "${services[@]}"; do
        running "$process" || true
        process=${process^^}_PID
        value[${process//-/_}]=$pid
    done
    for process in postgres rabbitmq epmd; do
        processes=$servers running "$process" || true
        value[${process^^}_PID]=$pid
    done
    (
        umask 077
        for name in "${!value[@]}"; do
            printf '%s=%q\n' "$name" "${value[$name]}"
        done | sort >"$data/suite.env.new"
    )
    mv "$data/suite.env.new" "$data/suite.env"
}

# Whatever has ended, crashed or stopped by hand, is started again.
restart_ended() {
    local changed='' name
    for name in postgres broker; do
        if processes=$servers ended "${name/broker/rabbitmq}"; then
            say "$name has ended: starting it again."
            LOGS_DIR=$logs "$root/deploy/local/servers" "start-$name" "$servers" || say "$name: the next attempt follows."
            changed=yes
        fi
    done
    for name in "${services[@]}"; do
        if ended "$name"; then
            say "$name has ended: starting it again."
            end_process "$name" TERM 1
            start_service "$name"
            changed=yes
        fi
    done
    [[ -z $changed ]] || write_environment
}

# Also after a failed start, and after a supervisor that was killed itself.
stop_everything() {
    set +e
    trap '' INT TERM HUP
    rm -f "$data/suite.env"
    say "Stopping…"
    [[ -z ${viewer:-} ]] || kill "$viewer" 2>/dev/null
    stop_processes
    rm -f "$processes/suite.pid"
}

stop_leftovers() {
    rm -f "$data/suite.env"
    stop_processes
}

stop_processes() {
    local service
    local -a stopping=()
    for service in "${services[@]}"; do
        end_process "$service" TERM "$stop_seconds" &
        stopping+=("$!")
    done
    wait "${stopping[@]}"
    [[ ! -d $servers ]] || LOGS_DIR=$logs "$root/deploy/local/servers" stop "$servers"
}
