#!/usr/bin/env bash
# PgBouncer 1.18.0 (Debian 12) and psycopg 3.2.13: a prepared statement runs with the text of another connection's.
#
# In transaction mode PgBouncer lends each transaction a session of the server. psycopg, as most drivers, names the
# statements it prepares by counting, so the first of each connection has the same name. Here one connection of a
# program prepares "SELECT 'first'", the other "SELECT 'second'", in transactions that overlap.
# Expected: executed again, each gives its own text, or fails.
# Seen:     the first connection's statement gives 'second': the name is that of the statement prepared in the session
#           that was lent this time. (PgBouncer 1.21 learnt to keep them apart.)
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
unpack pgbouncer=1.18.0-1+deb12u1 postgresql-15=15.20-0+deb12u1
python3 -m pip install --quiet --root-user-action ignore --target "$dir/packages" 'psycopg[binary]==3.2.13'

# Both refuse to be root.
run=(env LD_LIBRARY_PATH="$libraries")
if [[ $EUID == 0 ]]; then
    run=(setpriv --reuid=nobody --regid=nogroup --clear-groups "${run[@]}")
    chmod 755 "$dir"
fi
mkdir -m 777 "$dir/data" "$dir/sockets"
if [[ $EUID == 0 ]]; then chown nobody "$dir/data"; fi
postgres="$dir/tree/usr/lib/postgresql/15/bin"
"${run[@]}" "$postgres/initdb" -D "$dir/data" -U postgres --locale=C -E UTF8 -A trust --no-sync >/dev/null
"${run[@]}" "$postgres/postgres" -D "$dir/data" -c listen_addresses= \
    -c unix_socket_directories="$dir/sockets" 2>"$dir/log" &
cat >"$dir/pgbouncer.ini" <<CONF
[databases]
postgres = host=$dir/sockets user=postgres
[pgbouncer]
unix_socket_dir = $dir/sockets
listen_port = 6432
auth_type = any
pool_mode = transaction
CONF
"${run[@]}" "$dir/tree/usr/sbin/pgbouncer" --quiet "$dir/pgbouncer.ini" 2>>"$dir/log" &
for _ in {1..100}; do [[ -S $dir/sockets/.s.PGSQL.5432 && -S $dir/sockets/.s.PGSQL.6432 ]] || sleep 0.1; done

PYTHONPATH="$dir/packages" python3 - "$dir/sockets" >"$dir/seen" <<'PYTHON'
import sys
import psycopg

first, second = (psycopg.connect(host=sys.argv[1], port=6432, user="postgres", dbname="postgres") for _ in range(2))


def ask(connection, word):
    return connection.execute(f"SELECT '{word}'", prepare=True).fetchone()[0]


print(ask(first, "first"), ask(second, "second"), end=" ")
first.commit(), second.commit()
print(ask(first, "first"))
PYTHON
printf 'PgBouncer 1.18.0, what the statements of two connections give, and that of the first again\n'
printf 'expected: first second first\nseen:     %s\n' "$(cat "$dir/seen")"
[[ $(cat "$dir/seen") == 'first second second' ]]
