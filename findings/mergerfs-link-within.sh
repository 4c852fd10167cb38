#!/usr/bin/env bash
# mergerfs 2.33.5 (Debian 12): a link within one mount fails as if it went to another file system.
#
# mergerfs makes one file system of several disks. A program writes a file into one directory and links, or renames,
# it into another of the same mount; `stat` gives both directories the same device. One of them exists on the first
# disk alone, the other on the second. Needs root and /dev/fuse.
# Expected: both succeed: by POSIX EXDEV is for other file systems, and the device says that this is one.
# Seen:     EXDEV for both: with a policy that preserves paths (`epmfs`) a file stays on the disk where it is. Where
#           the second directory exists on the first disk too, both succeed.
set -euo pipefail

if [[ $EUID != 0 || ! -e /dev/fuse ]]; then
    echo 'Not tried: this needs root and /dev/fuse.' >&2
    exit 1
fi
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
unpack mergerfs=2.33.5-1

mkdir -p "$dir"/disk1/{spool,both} "$dir"/disk2/{files,both} "$dir/pool"
export dir libraries
# The mount is this process's own, and ends with it.
unshare --mount --propagation private bash -s >"$dir/seen" <<'MOUNTED'
set -euo pipefail
trap 'kill %1 && wait' EXIT
LD_LIBRARY_PATH="$libraries" "$dir/tree/usr/bin/mergerfs" -f -o category.create=epmfs \
    "$dir/disk1:$dir/disk2" "$dir/pool" &
for _ in {1..100}; do mountpoint -q "$dir/pool" || sleep 0.1; done
python3 - "$dir/pool" <<'PYTHON'
import errno
import os
import sys

os.chdir(sys.argv[1])
assert os.stat("spool").st_dev == os.stat("files").st_dev == os.stat("both").st_dev
for directory in ("files", "both"):
    for place in (os.link, os.rename):
        open("spool/file", "w").close()
        try:
            place("spool/file", f"{directory}/{place.__name__}")
            print("done", end=" ")
        except OSError as error:
            print(errno.errorcode[error.errno], end=" ")
PYTHON
MOUNTED
printf 'mergerfs 2.33.5, link and rename to a directory of another disk, to one that both disks have\n'
printf 'expected: done done done done\nseen:     %s\n' "$(cat "$dir/seen")"
[[ $(cat "$dir/seen") == 'EXDEV EXDEV done done ' ]]
