# shellcheck shell=bash
# What `rolling` and `soak` begin with.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=../../deploy/local/lib/output.bash
source "$root/deploy/local/lib/output.bash"

# Whether all programs are in the directory.
built() {
    local program
    for program in tolva-api tolva-media-worker tolva-zip-worker tolvactl; do
        [[ -x $1/$program ]] || return 1
    done
}

# start NAME ARGUMENT…: runs NAME.py with the programs that were asked for (--release, --debug), or else with those that
# are built; with neither, the release is built.
start() {
    local name=$1 data programs='' arguments=()
    shift
    for argument in "$@"; do
        case $argument in
            --release | --debug) programs=$root/.build/${argument#--} ;;
            *) arguments+=("$argument") ;;
        esac
    done
    [[ -n $programs ]] || built "$root/.build/release" || ! built "$root/.build/debug" || programs=$root/.build/debug
    programs=${programs:-$root/.build/release}
    umask 022
    data=$(realpath -m "${DATA_DIR:-$root/.data}")/$name
    mkdir -p "$data"
    exec 9>"$data/lock"
    flock -n 9 || fail "It already runs in $data."
    "$root/deploy/local/packages" test
    built "$programs" || {
        say "Building (the first time takes several minutes)…"
        swift build --package-path "$root" -c "${programs##*/}" >&2
    }
    # What makes files, starts servers and prints tables is there already.
    export PYTHONPATH=$root/Tests/Faults:$root/Tests/Load:$root/Tests/Bench
    exec /usr/bin/python3 -B "$root/Tests/Faults/$name.py" --data "$data" --programs "$programs" "${arguments[@]}"
}
