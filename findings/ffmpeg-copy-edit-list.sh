#!/usr/bin/env bash
# ffmpeg 9.0.2: a copy of a trimmed video keeps what was cut away, and in Matroska it is played.
#
# Phones trim without encoding: the file keeps its frames from the last key frame on, and an edit list says what to
# play (ISO/IEC 14496-12, 8.6.6). Here 3 s (90 frames) of 6 are played.
# Expected: `-c copy` gives the 90 frames that the video shows, or refuses what it cannot express.
# Seen:     a copy to MP4 has all 180 again, behind a new edit list, for anybody who ignores it; a copy to Matroska,
#           which has no edit lists, plays all 180: twice the length, beginning with what was cut away. Exit code 0.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$dir/packages" imageio-ffmpeg==0.8.1
ffmpeg=("$dir"/packages/imageio_ffmpeg/binaries/ffmpeg-*-v9.0.2)

ffmpeg() { "${ffmpeg[0]}" -v error -nostdin -y "$@"; }
frames() { ffmpeg "${@:2}" -i "$dir/$1" -fps_mode passthrough -f framecrc - | grep -vc '^#'; }

ffmpeg -f lavfi -i testsrc2=size=320x180:rate=30:duration=8 -c:v libx264 -g 120 -bf 0 "$dir/whole.mp4"
ffmpeg -ss 3 -i "$dir/whole.mp4" -t 3 -c copy "$dir/trimmed.mp4"
ffmpeg -i "$dir/trimmed.mp4" -c copy "$dir/copy.mp4"
ffmpeg -i "$dir/trimmed.mp4" -c copy "$dir/copy.mkv"
ffmpeg -i "$dir/trimmed.mp4" -c:v libx264 "$dir/encoded.mp4"

seen="$(frames trimmed.mp4), $(frames copy.mp4), $(frames copy.mp4 -ignore_editlist 1), $(frames copy.mkv)"
seen+=", $(frames encoded.mp4 -ignore_editlist 1)"
printf 'ffmpeg 9.0.2, frames of: trimmed video, copy to MP4, all it holds, copy to Matroska, all an encoding holds\n'
printf 'expected: 90, 90, 90, 90, 90\nseen:     %s\n' "$seen"
[[ $seen == '90, 90, 180, 180, 90' ]]
