# shellcheck shell=bash
# Who the private servers run as.

# become ACCOUNT DIRECTORY: puts into the array $become what a command needs in front of it to run with
# DIRECTORY as its own. Postgres refuses root, so under root it is the account Debian made for the
# server; anyone else stays who they are.
become() {
    local account=$1 directory=$2
    become=()
    mkdir -p "$directory"
    ((EUID == 0)) || return 0
    become=(setpriv --reuid "$account" --regid "$account" --init-groups)
    chown "$account:$account" "$directory"
    "${become[@]}" ls "$directory" &>/dev/null && return
    # Some directory above is closed to the account (a checkout below /root): the server is allowed past it,
    # and access(2) is told so (without the secure bit it ignores a non-root process's capabilities).
    become+=(--securebits +no_setuid_fixup --inh-caps +dac_override --ambient-caps +dac_override)
    "${become[@]}" ls "$directory" &>/dev/null \
        || fail "The account '$account' cannot enter $directory. Choose a directory it can: DATA_DIR=/var/lib/tolva"
}
