#!/usr/bin/env bash
# ffmpeg 7.0.2: a copy of a video that changes its coding on the way breaks at the change.
#
# QuickTime and phones join clips without encoding: one track, with a sample description for each clip (ISO/IEC
# 14496-12, 8.5.2). Here two clips of 60 frames differ in their H.264 settings alone.
# Expected: `-c copy` keeps both descriptions, or refuses.
# Seen:     ffmpeg plays all 120 frames of the video, but a copy gets the first description only: what follows the
#           change cannot be decoded right. Exit code 0. (So does 5.1.9; 9.0.2 keeps both.)
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$dir/packages" imageio-ffmpeg==0.6.0
ffmpeg=("$dir"/packages/imageio_ffmpeg/binaries/ffmpeg-*-v7.0.2)

ffmpeg() { "${ffmpeg[0]}" -v error -nostdin -y "$@"; }
clip() {
    ffmpeg -f lavfi -i testsrc2=size=320x180:rate=30:duration=2 -pix_fmt yuv420p -c:v libx264 -bf 0 "${@:2}" \
        -use_editlist 0 "$dir/$1"
}
clip first.mp4 -profile:v baseline
clip second.mp4 -profile:v high -x264-params cqm=jvt
python3 - "$dir"/{first,second,joined}.mp4 <<'PYTHON'
import struct
import sys


def boxes(data):
    at = 0
    while at < len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        yield name, data[at + 8 : at + size]
        at += size


def box(name, content):
    return struct.pack(">I4s", 8 + len(content), name) + content


def numbers(*values):
    return struct.pack(f">{len(values)}I", *values)


def table(movie):
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        movie = dict(boxes(movie))[name]
    return dict(boxes(movie))


def rebuilt(movie, joined):
    made = b""
    for name, content in boxes(movie):
        if name in (b"mvhd", b"tkhd", b"mdhd"):
            at = 20 if name == b"tkhd" else 16
            content = content[:at] + numbers(2 * struct.unpack_from(">I", content, at)[0]) + content[at + 4 :]
        elif name in (b"trak", b"mdia", b"minf"):
            content = rebuilt(content, joined)
        elif name == b"stbl":
            content = b"".join(box(*part) for part in joined)
        made += box(name, content)
    return made


clips = [open(path, "rb").read() for path in sys.argv[1:3]]
media = [dict(boxes(clip))[b"mdat"] for clip in clips]
tables = [table(clip) for clip in clips]
kind = box(b"ftyp", dict(boxes(clips[0]))[b"ftyp"])
start = len(kind) + 8
joined = [
    (b"stsd", numbers(0, 2) + b"".join(part[b"stsd"][8:] for part in tables)),
    (b"stts", numbers(0, 1, 120, struct.unpack_from(">I", tables[0][b"stts"], 12)[0])),
    (b"stss", numbers(0, 2, 1, 61)),
    (b"stsc", numbers(0, 2, 1, 60, 1, 2, 60, 2)),
    (b"stsz", numbers(0, 0, 120) + b"".join(part[b"stsz"][12:] for part in tables)),
    (b"stco", numbers(0, 2, start, start + len(media[0]))),
]
index = box(b"moov", rebuilt(dict(boxes(clips[0]))[b"moov"], joined))
open(sys.argv[3], "wb").write(kind + box(b"mdat", b"".join(media)) + index)
PYTHON
ffmpeg -i "$dir/joined.mp4" -c copy "$dir/copy.mp4"

hashes() { ffmpeg -i "$dir/$1" -fps_mode passthrough -f framemd5 - 2>/dev/null | awk '!/^#/ { print $NF }' | sort -u; }
# How many frames are as they are in the two clips.
right() { comm -12 <(hashes "$1") <({ hashes first.mp4 && hashes second.mp4; } | sort -u) | wc -l; }

seen="$(right joined.mp4), $(right copy.mp4)"
printf 'ffmpeg 7.0.2, frames that are those of the clips: in the joined video, in its copy\n'
printf 'expected: 120, 120\nseen:     %s\n' "$seen"
[[ $seen == '120, 60' ]]
