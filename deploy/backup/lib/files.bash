# shellcheck shell=bash
# Lists of files: a line a file, `path<TAB>bytes`, sorted. Of several volumes, `volume/path<TAB>bytes`.
# No path of Tolva's has a tab or a newline in it. Lists are compared with LC_ALL=C, as they are sorted.

# The files of one volume in a list of several.
files_of() {
    # The name has only letters, digits and '-'.
    sed -n "s:^$1/::p" "$2"
}

# What lies in a directory.
files_in() {
    [[ ! -d $1 ]] || find "$1" -name lost+found -prune -o -type f -printf '%P\t%s\n' | LC_ALL=C sort
}

# fetch --link|--copy FROM TO LIST: brings what is in the list and not in TO yet. One that is cut has another size.
fetch() {
    local how=$1 from=$2 to=$3 list=$4
    local -a options=(--parents)
    [[ $how == --copy ]] || options+=(--link)
    mkdir -p "$to"
    LC_ALL=C comm -23 "$list" <(files_in "$to") | cut -f 1 \
        | (cd "$from" && xargs -r -d '\n' cp "${options[@]}" --remove-destination -t "$to" --)
}

# Removes from a directory what is not in a list.
keep_only() {
    local directory=$1 list=$2
    [[ -d $directory ]] || return 0
    LC_ALL=C comm -13 "$list" <(files_in "$directory") | cut -f 1 | (cd "$directory" && xargs -r -d '\n' rm --)
}

# Fails unless all of a list is there, each file with all its bytes.
require_files() {
    local missing
    missing=$(LC_ALL=C comm -23 "$2" <(files_in "$1") | sed -n 1,5p)
    [[ -z $missing ]] || fail "Not in $1, or not of the size the database says:"$'\n'"$missing"
}

# Fails if a list of several volumes names one that VOLUMES does not.
require_volumes() {
    local name
    while IFS= read -r name; do
        [[ -n ${volumes[$name]:-} ]] || fail "There are files of a volume '$name', which VOLUMES does not name."
    done < <(cut -d / -f 1 "$1" | uniq)
}
