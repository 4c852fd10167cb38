#!/usr/bin/env bash
# ffmpeg 9.0.2: what is recorded after a phone was turned comes out squashed.
#
# A browser that records the camera of a phone goes on in the other orientation when the phone is turned: VP8 may
# change the size of its pictures at a key frame (RFC 6386, 9.1), here from 320x180 to 180x320 after a second. Both
# parts show a square of 100 by 100.
# Expected: a square stays a square, with black beside it or in a video that changes its size as well.
# Seen:     every picture is pulled to the first one's size, with exit code 0 and no message: the square is three
#           times as wide as it is high. A scale that keeps proportions and pads is evaluated anew for each size, and
#           helps.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$dir/packages" imageio-ffmpeg==0.8.1
ffmpeg=("$dir"/packages/imageio_ffmpeg/binaries/ffmpeg-*-v9.0.2)

ffmpeg() { "${ffmpeg[0]}" -v error -nostdin -y "$@"; }
record() {
    ffmpeg -f lavfi -i color=black:size="$2":rate=30:duration=1 \
        -vf 'drawbox=x=(iw-100)/2:y=(ih-100)/2:w=100:h=100:color=white:t=fill' -c:v libvpx "$dir/$1"
    printf "file '%s'\n" "$dir/$1" >>"$dir/parts"
}
# Width and height of what is white in the 46th frame.
square() {
    ffmpeg -i "$dir/$1" -vf 'select=eq(n\,45),format=gray' -frames:v 1 -f rawvideo - | python3 -c '
import sys
rows = [sys.stdin.buffer.read(320) for _ in range(180)]
print(max(sum(point > 128 for point in row) for row in rows), "x", sum(max(row) > 128 for row in rows), sep="")'
}

record level.webm 320x180
record upright.webm 180x320
ffmpeg -f concat -safe 0 -i "$dir/parts" -c copy "$dir/turned.webm"
ffmpeg -i "$dir/turned.webm" -c:v libx264 "$dir/plain.mp4" 2>"$dir/said"
ffmpeg -i "$dir/turned.webm" -vf 'scale=320:180:force_original_aspect_ratio=decrease,pad=320:180:-1:-1' \
    -c:v libx264 "$dir/padded.mp4"

seen="$(square plain.mp4), $(square padded.mp4)"
printf 'ffmpeg 9.0.2, a square after the turn: converted, converted with a scale that keeps proportions\n'
printf 'expected: equal sides\nseen:     %s, messages: %s\n' "$seen" "$(wc -l <"$dir/said")"
[[ $seen == '178x56, 57x56' && ! -s $dir/said ]]
