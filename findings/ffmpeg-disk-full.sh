#!/usr/bin/env bash
# ffmpeg 5.1.9 (Debian 12): a disk that fills up as a file is finished is called a success.
#
# An MP4's index is written last. A limit on the size of files stands for the disk here: the frames fit, the index
# does not, as on a disk with a few kilobytes too little.
# Expected: an exit code other than 0, as for a disk that fills up earlier.
# Seen:     exit code 0. The messages name the failed write; the file has no index, so nothing can play it. (9.0.2
#           ends with 229.)
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

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
unpack ffmpeg=7:5.1.9-0+deb12u1

ffmpeg() { LD_LIBRARY_PATH="$libraries" "$dir/tree/usr/bin/ffmpeg" -v error -nostdin -y "$@"; }
record() { ffmpeg -f lavfi -i testsrc2=size=320x180:duration=3 -c:v libx264 -preset ultrafast "$dir/$1"; }

record whole.mp4
kilobytes=$(($(stat -c %s "$dir/whole.mp4") / 1024))
code=0
(
    # Without this the process would be killed at the limit; a full disk kills nobody.
    trap '' XFSZ
    ulimit -f $((kilobytes - 1))
    record cut.mp4
) 2>"$dir/said" || code=$?
plays=yes
ffmpeg -i "$dir/cut.mp4" -f null - 2>/dev/null || plays=no

printf 'ffmpeg 5.1.9, the last kilobytes of an MP4 cannot be written\n'
printf 'expected: exit code 1\nseen:     exit code %s, playable: %s, said: ' "$code" "$plays"
head -1 "$dir/said"
[[ $code == 0 && $plays == no ]] && grep -q 'Error writing trailer' "$dir/said"
