#!/usr/bin/env bash
# ffmpeg 9.0.2: how long the last frame stays is lost.
#
# A screen recording of 2 s whose last frame then stands for 3 s: the table of times gives its last sample 3 s, and
# the headers of movie and track say 5 s, as recorders write it when nothing moves any more (ISO/IEC 14496-12,
# 8.6.1.2).
# Expected: a conversion runs 5 s, as the recording does.
# Seen:     it runs 2 s, with exit code 0: more than half is gone, and a slide show ends as its last picture appears.
#           The frame that is coded last is not the one that is shown last, as soon as there are B-frames (x264 makes
#           them unless told not to), and its length is not the one that counts. Without B-frames all 5 s are there.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$dir/packages" imageio-ffmpeg==0.8.1
ffmpeg=("$dir"/packages/imageio_ffmpeg/binaries/ffmpeg-*-v9.0.2)

ffmpeg() { "${ffmpeg[0]}" -nostdin -y "$@"; }
# ffmpeg says how long a file is, and that nothing was to be done with it.
seconds() { { ffmpeg -i "$1" 2>&1 || true; } | sed -n 's/^ *Duration: 00:00:0*\([0-9.]*\),.*/\1/p'; }

# The frame before the last stays for two periods, so that the last has an entry of its own in the table.
ffmpeg -v error -f lavfi -i testsrc2=size=320x180:rate=30:duration=2 -vf 'select=not(eq(n\,58))' -fps_mode vfr \
    -c:v libx264 -bf 0 -use_editlist 0 -video_track_timescale 30 -movie_timescale 30 "$dir/short.mp4"
python3 - "$dir/short.mp4" "$dir/recording.mp4" <<'PYTHON'
import struct
import sys

movie = bytearray(open(sys.argv[1], "rb").read())


def lengthen(box, offset):
    at = movie.rindex(box) + 4 + offset
    movie[at : at + 4] = struct.pack(">I", struct.unpack_from(">I", movie, at)[0] + 90)


lengthen(b"mvhd", 16)
lengthen(b"tkhd", 20)
lengthen(b"mdhd", 16)
entries = struct.unpack_from(">I", movie, movie.rindex(b"stts") + 8)[0]
lengthen(b"stts", 8 + 8 * (entries - 1) + 4)
open(sys.argv[2], "wb").write(movie)
PYTHON
ffmpeg -v error -i "$dir/recording.mp4" -c:v libx264 "$dir/converted.mp4"
ffmpeg -v error -i "$dir/recording.mp4" -c:v libx264 -bf 0 "$dir/in-order.mp4"

seen="$(seconds "$dir/recording.mp4") s, $(seconds "$dir/converted.mp4") s, $(seconds "$dir/in-order.mp4") s"
printf 'ffmpeg 9.0.2, length of: recording, conversion, conversion without B-frames\n'
printf 'expected: 5.00 s, 5.00 s, 5.00 s\nseen:     %s\n' "$seen"
[[ $seen == '5.00 s, 2.00 s, 5.00 s' ]]
