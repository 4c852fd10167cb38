# shellcheck shell=bash
# A private RabbitMQ in $servers/rabbitmq, on the loopback address only, with a port mapper (epmd) of its own
# so that it never meets another one of this machine.

broker_environment() {
    local home=$servers/rabbitmq
    broker=(
        env HOME="$home" PATH="/usr/lib/rabbitmq/bin:$PATH"
        ERL_EPMD_PORT="$EPMD_PORT" ERL_EPMD_ADDRESS=127.0.0.1
        RABBITMQ_NODENAME=tolva@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1
        RABBITMQ_NODE_PORT="$AMQP_PORT" RABBITMQ_DIST_PORT="$DIST_PORT"
        RABBITMQ_MNESIA_BASE="$home/mnesia" RABBITMQ_LOG_BASE="$home/log" RABBITMQ_LOGS=-
        RABBITMQ_PID_FILE="$home/pid" RABBITMQ_ENABLED_PLUGINS_FILE="$home/enabled_plugins"
        RABBITMQ_CONFIG_FILE="$home/rabbitmq.conf" RABBITMQ_CONF_ENV_FILE=/dev/null
        # Its threads sleep when idle instead of spinning: the cores are shared.
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="+sbwt none +sbwtdcpu none +sbwtdio none"
        # The start script becomes the server, instead of waiting for it: one process, one id.
        RUNNING_UNDER_SYSTEMD=true
    )
}

write_broker_settings() {
    local home=$servers/rabbitmq
    (
        umask 077
        cp "$deploy/rabbitmq/rabbitmq.conf" "$home/rabbitmq.conf"
        printf 'default_user = tolva\ndefault_pass = %s\n' "$RABBITMQ_PASSWORD" >>"$home/rabbitmq.conf"
        printf '[].\n' >"$home/enabled_plugins"
    )
    ((EUID != 0)) || chown rabbitmq:rabbitmq "$home/rabbitmq.conf" "$home/enabled_plugins"
}

# Whether the broker greets a client: it sends a method frame (type 1) to whoever names the protocol.
broker_answers() (
    exec 3<>"/dev/tcp/127.0.0.1/$AMQP_PORT" || exit 1
    printf 'AMQP\0\0\11\1' >&3
    LC_ALL=C IFS= read -r -n 1 -t 2 frame <&3 && [[ $frame == $'\1' ]]
) 2>/dev/null

start_broker() {
    running rabbitmq && return
    become rabbitmq "$servers/rabbitmq"
    broker_environment
    write_broker_settings
    running epmd || detach epmd "$logs/rabbitmq.log" "${become[@]}" epmd -port "$EPMD_PORT" -address 127.0.0.1
    detach rabbitmq "$logs/rabbitmq.log" "${become[@]}" "${broker[@]}" rabbitmq-server
    wait_ready rabbitmq 90 broker_answers || { show_tail "$logs/rabbitmq.log"; fail "RabbitMQ does not start."; }
}

stop_broker() {
    end_process rabbitmq TERM 30
}

kill_broker() {
    end_process rabbitmq KILL 10
}

# The alarm a broker short of memory raises: it takes no messages until it is calmed.
alarm_broker() {
    control_broker set_vm_memory_high_watermark 0
}

calm_broker() {
    control_broker set_vm_memory_high_watermark absolute \
        "$(sed -n 's/^vm_memory_high_watermark.absolute = //p' "$deploy/rabbitmq/rabbitmq.conf")"
}

control_broker() {
    become rabbitmq "$servers/rabbitmq"
    broker_environment
    "${become[@]}" "${broker[@]}" rabbitmqctl -q "$@"
}

stop_port_mapper() {
    end_process epmd TERM 5
}
