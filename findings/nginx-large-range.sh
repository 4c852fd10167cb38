#!/usr/bin/env bash
# nginx 1.22.1 (Debian 12): a range that ends behind 2^63 is refused.
#
# Clients that want "the rest" of a file ask up to a number that no file reaches. A last position behind the end means
# the end, and a suffix longer than the file the whole file (RFC 9110, 14.1.2); digits are not limited.
# Expected: 206 for `bytes=0-18446744073709551615` (2^64 - 1) and `bytes=-18446744073709551615` of a file of 1000
#           bytes, as for `bytes=0-9223372036854775807` (2^63 - 1).
# Seen:     416 for both.
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
        root $dir/files;
    }
}
CONF
mkdir -p "$dir/files"
head -c 1000 /dev/zero >"$dir/files/file"
(LD_LIBRARY_PATH="$libraries" exec "$dir/tree/usr/sbin/nginx" -e stderr -p "$dir" -c nginx.conf) &
for _ in {1..100}; do [[ -S $dir/nginx.sock ]] || sleep 0.1; done

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
    return client.getresponse().status


for last in (999, 2**63 - 1, 2**64 - 1):
    print(status(Range=f"bytes=0-{last}"), status(Range=f"bytes=-{last}"), end="; ")
PYTHON
printf 'nginx 1.22.1, ranges 0-N and -N of 1000 bytes, N = 999; 2^63 - 1; 2^64 - 1\n'
printf 'expected: 206 206; 206 206; 206 206;\nseen:     %s\n' "$(cat "$dir/seen")"
[[ $(cat "$dir/seen") == '206 206; 206 206; 416 416; ' ]]
