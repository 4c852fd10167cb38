#!/usr/bin/env bash
# nginx 1.22.1 (Debian 12): a file sent by X-Accel-Redirect fails the condition that its own tag fulfils.
#
# A server hands a file over to nginx and says its ETag, which nginx passes on with the file, as deploy/nginx does.
# Clients that go on with a download send the tag back in `If-Match` (RFC 9110, 13.1.1).
# Expected: 200: the server has seen the condition and agreed; the tag is the one on the response.
# Seen:     412. nginx looks at the condition again, after the server, and with a tag of its own or none.
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
    access_log off;
    server {
        listen unix:$dir/nginx.sock;
        location / {
            proxy_pass http://unix:$dir/backend.sock:/;
        }
        location /volumes/ {
            internal;
            alias $dir/files/;
            etag off;
            add_header ETag \$upstream_http_etag;
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
while True:
    client = server.accept()[0]
    client.recv(65536)
    client.sendall(b'HTTP/1.0 200 OK\r\nETag: "abc"\r\nX-Accel-Redirect: /volumes/file\r\n\r\n')
    client.close()
PYTHON
mkdir -p "$dir/files"
echo made >"$dir/files/file"
(LD_LIBRARY_PATH="$libraries" exec "$dir/tree/usr/sbin/nginx" -e stderr -p "$dir" -c nginx.conf) &
for _ in {1..100}; do [[ -S $dir/nginx.sock && -S $dir/backend.sock ]] || sleep 0.1; done

python3 - "$dir/nginx.sock" >"$dir/seen" <<'PYTHON'
import http.client
import socket
import sys


def status(**headers):
    client = http.client.HTTPConnection("localhost")
    client.sock = socket.socket(socket.AF_UNIX)
    client.sock.settimeout(20)
    client.sock.connect(sys.argv[1])
    client.request("GET", "/file", headers=headers)
    response = client.getresponse()
    return f"{response.status} {response.headers['ETag']}"


print(status(), status(**{"If-Match": '"abc"'}), sep="; ")
PYTHON
printf 'nginx 1.22.1, status and tag without a condition; with If-Match: "abc"\n'
printf 'expected: 200 "abc"; 200 "abc"\nseen:     %s\n' "$(cat "$dir/seen")"
[[ $(cat "$dir/seen") == '200 "abc"; 412 None' ]]
