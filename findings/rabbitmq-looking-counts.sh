#!/usr/bin/env bash
# RabbitMQ 3.10.8 (Debian 12): a message that is looked at often enough is thrown away.
#
# Tools show what waits in a queue by taking messages and giving them back (basic.get, then requeue or disconnect); so
# does the management page. This quorum queue has `x-delivery-limit` 20, which from 4.0 on every quorum queue has that
# says nothing else; nobody ever works on its message.
# Expected: however often it is looked at, the message stays: the limit is for what makes its consumers fail.
# Seen:     each look counts. After the 21st the message is gone from the queue, without a trace. (From 4.3 on a nack
#           does not count.)
set -euo pipefail

dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$dir"' EXIT

# Unpacks Debian packages, and all they need but the C library, into $dir/tree.
unpack() {
    mkdir -p "$dir"/apt/{lists,archives}/partial
    : >"$dir/apt/status"
    printf '%s;\n' "Dir::State::lists \"$dir/apt/lists\"" "Dir::State::status \"$dir/apt/status\"" \
        "Dir::Cache \"$dir/apt\"" 'APT::Install-Recommends "false"' 'APT::Sandbox::User ""' >"$dir/apt/conf"
    export APT_CONFIG="$dir/apt/conf"
    apt-get -qq update
    apt-get -qq --yes --download-only install "$@" >/dev/null
    local package
    for package in "$dir"/apt/archives/*.deb; do
        [[ $package == */libc6_* ]] || dpkg -x "$package" "$dir/tree"
    done
    libraries=$(find "$dir/tree" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
}
unpack rabbitmq-server=3.10.8-1.1+deb12u1
python3 -m pip install --quiet --root-user-action ignore --target "$dir/packages" pika==1.3.2

read -r amqp distribution mapper < <(python3 -c 'import socket
print(*[place.getsockname()[1] for place in [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]])')
mkdir "$dir/broker"
sed -i "s#=/usr/lib/erlang#=$dir/tree/usr/lib/erlang#" "$dir/tree/usr/lib/erlang/bin/erl"
broker=(
    env HOME="$dir/broker" LD_LIBRARY_PATH="$libraries"
    PATH="$dir/tree/usr/lib/erlang/bin:$PATH" ERL_EPMD_PORT="$mapper" ERL_EPMD_ADDRESS=127.0.0.1
    RABBITMQ_NODENAME=finding@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$amqp"
    RABBITMQ_DIST_PORT="$distribution" RABBITMQ_MNESIA_BASE="$dir/broker" RABBITMQ_LOG_BASE="$dir/broker"
    RABBITMQ_PID_FILE="$dir/broker/pid" RABBITMQ_ENABLED_PLUGINS_FILE="$dir/broker/plugins"
    RABBITMQ_CONFIG_FILE="$dir/broker/rabbitmq.conf" RABBITMQ_CONF_ENV_FILE=/dev/null
)
"${broker[@]}" "$dir"/tree/usr/lib/erlang/erts-*/bin/epmd -port "$mapper" -address 127.0.0.1 >"$dir/log" 2>&1 &
"${broker[@]}" "$dir/tree/usr/lib/rabbitmq/bin/rabbitmq-server" >>"$dir/log" 2>&1 &

PYTHONPATH="$dir/packages" python3 - "$amqp" >"$dir/seen" <<'PYTHON' || { tail -20 "$dir/log" && exit 1; }
import sys
import time
import pika


def connect():
    for attempt in range(120):
        try:
            return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(sys.argv[1])))
        except pika.exceptions.AMQPConnectionError:
            time.sleep(0.5)
    sys.exit("the broker does not start")


connection = connect()
channel = connection.channel()
channel.confirm_delivery()
limit = {"x-queue-type": "quorum", "x-delivery-limit": 20}
channel.queue_declare("letters", durable=True, arguments=limit)
channel.basic_publish("", "letters", b"a letter", mandatory=True)
looks = 0
while looks < 40:
    found, _, _ = channel.basic_get("letters")
    if not found:
        break
    looks += 1
    channel.basic_nack(found.delivery_tag, requeue=True)
    time.sleep(0.1)
print(looks, channel.queue_declare("letters", passive=True).method.message_count)
PYTHON
printf 'RabbitMQ 3.10.8, looks at a message, of 40, and messages that are left\n'
printf 'expected: 40 1\nseen:     %s\n' "$(cat "$dir/seen")"
[[ $(cat "$dir/seen") == '21 0' ]]
