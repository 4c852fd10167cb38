#!/usr/bin/env bash
# ext4 without a journal (Linux 6.18, e2fsprogs 1.47): after many files were deleted, each new file is slow for
# minutes.
#
# Disks of some virtual machines have no journal. Here 30,000 small files are made and deleted, as a store does whose
# exports expire or whose trash is emptied; then files are made in the same directory, on an ext4 with and on one without
# a journal.
# Expected: deleting gives back what making takes; new files cost what they did before.
# Seen:     with a journal they do. Without one, a new file costs many times as much processor time: the kernel passes
#           over inodes that were freed in the last five minutes, one by one, each time from the first.
# What helps: nothing but time, or a journal (`tune2fs -O has_journal`, unmounted).
set -euo pipefail

[[ $EUID == 0 ]] || { echo "It needs root, to mount file systems." >&2; exit 77; }
dir=$(mktemp -d)
trap 'umount "$dir"/*/ 2>/dev/null || true; rm -rf "$dir"' EXIT
PATH=$PATH:/usr/sbin:/sbin
command -v mkfs.ext4 >/dev/null || { apt-get -qq update && apt-get -qq install -y e2fsprogs >/dev/null; }

for kind in has_journal ^has_journal; do
    name=${kind#^}-${#kind}
    truncate -s 1G "$dir/$name.img"
    mkfs.ext4 -q -O "$kind" -N 262144 "$dir/$name.img"
    mkdir "$dir/$name"
    mount -o loop "$dir/$name.img" "$dir/$name"
    python3 - "$dir/$name" <<'PYTHON'
import os
import sys
import time

COUNT = 500
directory = f"{sys.argv[1]}/files"
os.mkdir(directory)


def make(first, count):
    """Microseconds of processor time a file."""
    began = time.process_time()
    for number in range(first, first + count):
        os.close(os.open(f"{directory}/{number}", os.O_CREAT | os.O_WRONLY))
    return (time.process_time() - began) / count * 1e6


before = make(0, COUNT)
make(COUNT, 30_000)
for name in os.listdir(directory):
    os.remove(f"{directory}/{name}")
os.sync()
after = make(100_000, COUNT)
print(f"{before:.0f} {after:.0f} {after / before:.1f}")
PYTHON
done >"$dir/seen"
echo "Linux $(uname -r), $(mkfs.ext4 -V 2>&1 | head -1)"
awk '{ print (NR == 1 ? "with a journal:    " : "without a journal: ") $1 " µs a file before, " $2 " µs after, " $3 " times" }' "$dir/seen"
awk 'NR == 1 && $3 > 4 { exit 1 } NR == 2 && $3 < 8 { exit 1 }' "$dir/seen" || {
    echo "This has changed." >&2
    exit 1
}
