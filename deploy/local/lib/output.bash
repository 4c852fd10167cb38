# shellcheck shell=bash
# What the scripts say to the person at the terminal.

say() {
    printf '%s\n' "$*" >&2
}

# Says what is wrong and what to do about it, and ends the script.
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Shows the end of a log, the first place to look when something does not start.
show_tail() {
    [[ -s $1 ]] || return 0
    say "The last lines of $1:"
    tail -n 25 "$1" | sed 's/^/    /' >&2
}
