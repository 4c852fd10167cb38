#!/usr/bin/env bash
# nginx 1.22.1 (Debian 12): an interim response of the server behind it is taken for the answer.
#
# Before the answer, a server may send any number of responses of the class 1xx; who does not know one passes it on or
# drops it (RFC 9110, 15.2). Here it is 104, which the IETF's resumable uploads send early, and then 201.
# Expected: the client's answer is 201, with or without the 104 before it; the log says 201.
# Seen:     the answer is 104, to nginx's log too, and all that follows, the head of the 201 included, is passed on as
#           bytes of its body: the 201 has no `Server` of nginx, nor anything else that nginx is told to add.
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
unpack nginx=1.22.1-9+deb12u11

cat >"$dir/nginx.conf" <<CONF
daemon off;
master_process off;
pid nginx.pid;
error_log stderr error;
events {}
http {
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path cgi; uwsgi_temp_path cgi; scgi_temp_path cgi;
    log_format short '\$status \$body_bytes_sent';
    access_log access.log short;
    server {
        listen unix:$dir/nginx.sock;
        location / {
            proxy_pass http://unix:$dir/backend.sock:/;
            proxy_http_version 1.1;
        }
    }
}
CONF
python3 - "$dir/backend.sock" <<'PYTHON' &
import socket
import sys

server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
client = server.accept()[0]
received = b""
while not received.endswith(b"hello"):
    received += client.recv(65536)
client.sendall(b"HTTP/1.1 104 Upload Resumption Supported\r\nLocation: /uploads/1\r\n\r\n")
client.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\nConnection: close\r\n\r\nmade\n")
client.close()
PYTHON
(LD_LIBRARY_PATH="$libraries" exec "$dir/tree/usr/sbin/nginx" -e stderr -p "$dir" -c nginx.conf) &
for _ in {1..100}; do [[ -S $dir/nginx.sock && -S $dir/backend.sock ]] || sleep 0.1; done

python3 - "$dir/nginx.sock" >"$dir/answer" <<'PYTHON'
import socket
import sys

client = socket.socket(socket.AF_UNIX)
client.settimeout(20)
client.connect(sys.argv[1])
client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
while piece := client.recv(65536):
    sys.stdout.buffer.write(piece)
PYTHON
heads=$(grep -a -E '^(HTTP/|Server:)' "$dir/answer" | tr -d '\r' | paste -sd, | sed 's/,/, /g')
printf 'nginx 1.22.1, a server answers 104 and then 201\n'
printf 'expected: log: 201 5; heads: HTTP/1.1 104 …, HTTP/1.1 201 Created, Server: nginx/1.22.1\n'
printf 'seen:     log: %s; heads: %s\n' "$(cat "$dir/access.log")" "$heads"
[[ $(cat "$dir/access.log") == '104 67' ]]
[[ $heads == 'HTTP/1.1 104 Upload Resumption Supported, Server: nginx/1.22.1, HTTP/1.1 201 Created' ]]
