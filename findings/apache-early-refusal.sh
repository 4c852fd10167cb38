#!/usr/bin/env bash
# Apache 2.4.71 (Debian 12): a refusal that comes before the body's end becomes 502, after the whole body.
#
# A server may answer before it has read a body, and who sends is to watch for that (RFC 9112, 9.5). This one says 413
# as soon as it has the head, closes its sending half, reads 4 MB more and stops. A client sends 60 MB through
# mod_proxy_http.
# Expected: the client gets 413 while it is sending, as through other proxies.
# Seen:     Apache looks for an answer only when it has sent the body on: it takes all 60 MB from the client, cannot
#           get rid of them, and says 502. With `ping=5` it asks with `Expect: 100-continue` first, and passes 413 on.
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
unpack apache2-bin=2.4.71-1~deb12u1

read -r plain asking first second < <(python3 -c 'import socket
print(*[place.getsockname()[1] for place in [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]])')
modules="$dir/tree/usr/lib/apache2/modules"
cat >"$dir/apache.conf" <<CONF
ServerName localhost
PidFile $dir/pid
DefaultRuntimeDir $dir
ErrorLog $dir/errors
User www-data
Group www-data
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule proxy_module $modules/mod_proxy.so
LoadModule proxy_http_module $modules/mod_proxy_http.so
Listen 127.0.0.1:$plain
Listen 127.0.0.1:$asking
<VirtualHost 127.0.0.1:$plain>
    ProxyPass / http://127.0.0.1:$first/
</VirtualHost>
<VirtualHost 127.0.0.1:$asking>
    ProxyPass / http://127.0.0.1:$second/ ping=5
</VirtualHost>
CONF
(LD_LIBRARY_PATH="$libraries" exec "$dir/tree/usr/sbin/apache2" -f "$dir/apache.conf" -DFOREGROUND) &

python3 - "$plain" "$asking" "$first" "$second" >"$dir/seen" <<'PYTHON'
import select, socket, sys, threading, time


def serve(port):
    server = socket.create_server(("127.0.0.1", port))
    client = server.accept()[0]
    client.recv(65536)
    client.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    client.shutdown(socket.SHUT_WR)
    count = 0
    while count < 4 << 20 and (piece := client.recv(65536)):
        count += len(piece)
    time.sleep(3)
    client.close()


def upload(port):
    for _ in range(100):
        try:
            client = socket.create_connection(("127.0.0.1", port), timeout=30)
            break
        except ConnectionRefusedError:
            time.sleep(0.1)
    client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000000\r\n\r\n")
    sent = 0
    while sent < 60_000_000 and not select.select([client], [], [], 0.001 if sent % 1_000_000 == 0 else 0)[0]:
        client.sendall(bytes(10_000))
        sent += 10_000
    return f"{client.recv(65536).split()[1].decode()} after {'all' if sent == 60_000_000 else 'part'}"


plain, asking, first, second = map(int, sys.argv[1:])
for port in first, second:
    threading.Thread(target=serve, args=[port], daemon=True).start()
print(upload(plain), upload(asking), sep="; ")
PYTHON
printf 'Apache 2.4.71, answer to 60 MB that the server refuses; the same with ping=5\n'
printf 'expected: 413 after part; 413 after part\nseen:     %s\n' "$(cat "$dir/seen")"
[[ $(cat "$dir/seen") == '502 after all; 413 after part' ]]
