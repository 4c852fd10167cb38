#!/usr/bin/env bash
# unar 1.10.1 (Debian 12): what begins behind 4 GiB in a ZIP is lost.
#
# A ZIP of a little more than 4 GiB, written by Python's zipfile: a short file, a large one and two short ones. Where
# an entry's place needs more than 32 bits, the directory has it in the ZIP64 field (APPNOTE 6.3.10, 4.5.3).
# Expected: all four are listed and can be extracted; Python does so.
# Seen:     the two that begin before 4 GiB; then "Archive parsing failed! (Data is corrupted.)".
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
unpack unar=1.10.7+ds1+really1.10.1-2+b2

python3 - "$dir/large.zip" >"$dir/python" <<'PYTHON'
import io
import sys
import zipfile

ZEROS = bytes(1 << 20)


class SparseFile(io.FileIO):
    """Leaves out what is zero: 4 GiB take a few kilobytes of disk."""

    def write(self, data):
        return self.seek(len(data), io.SEEK_CUR) and len(data) if data == ZEROS else super().write(data)


with zipfile.ZipFile(SparseFile(sys.argv[1], "w+"), "w") as archive:
    archive.writestr("first.txt", "1")
    with archive.open("video.mp4", "w", force_zip64=True) as video:
        for _ in range(4097):
            video.write(ZEROS)
    archive.writestr("third.txt", "3")
    archive.writestr("fourth.txt", "4")
with zipfile.ZipFile(sys.argv[1]) as archive:
    assert archive.read("third.txt") == b"3" and archive.read("fourth.txt") == b"4"
    print(*archive.namelist())
PYTHON
code=0
LD_LIBRARY_PATH="$libraries" "$dir/tree/usr/bin/lsar" "$dir/large.zip" >"$dir/lsar" 2>&1 || code=$?
listed=$(grep -x -E '(first|third|fourth)\.txt|video\.mp4' "$dir/lsar" | paste -sd' ')

printf 'unar 1.10.1, entries of a ZIP of 4.001 GiB\n'
printf 'expected: %s\n' "$(cat "$dir/python")"
printf 'seen:     %s (exit code %s, %s)\n' "$listed" "$code" "$(tail -1 "$dir/lsar")"
[[ $listed == 'first.txt video.mp4' ]] && grep -q 'Data is corrupted' "$dir/lsar"
