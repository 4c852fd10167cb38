# shellcheck shell=bash

# A password that may stand in an address or a shell without being escaped.
new_password() {
    od -An -N 12 -tx1 /dev/urandom | tr -d ' \n'
}
