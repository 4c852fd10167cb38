#!/usr/bin/env bash
# ffmpeg 9.0.2: a recording that begins still loses most of its frames.
#
# Phones, browsers and thermal cameras record a frame only when the picture changes. This one has about one frame a
# second for 12 s, each a few milliseconds early or late, then 30 frames a second for 5 s.
# Expected: converting it keeps its 162 frames, or says that it does not.
# Seen:     the rate is guessed from the first seconds (1 a second) and becomes the result's: 18 frames are left, with
#           exit code 0 and no message. `-fps_mode vfr` alone does not help: the encoder's clock still ticks at that
#           rate. With the input's clock for the encoder all frames are there.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$dir/packages" imageio-ffmpeg==0.8.1
ffmpeg=("$dir"/packages/imageio_ffmpeg/binaries/ffmpeg-*-v9.0.2)

ffmpeg() { "${ffmpeg[0]}" -v error -nostdin -y "$@"; }
frames() { ffmpeg -i "$1" -fps_mode passthrough -f framecrc - | grep -vc '^#'; }
convert() { ffmpeg -i "$dir/recording.mp4" "${@:2}" -c:v libx264 -preset ultrafast "$dir/$1" 2>&1; }

changes="settb=1/1000,select='gte(t,12)+not(mod(n,30))',setpts='PTS+if(lt(T,12),mod(N*7,19),0)'"
ffmpeg -f lavfi -i testsrc2=size=320x180:rate=30:duration=17 -vf "$changes" -fps_mode vfr -enc_time_base 1/1000 \
    -c:v libx264 -preset ultrafast "$dir/recording.mp4"

said="$(convert plain.mp4)$(convert vfr.mp4 -fps_mode vfr)"
convert clock.mp4 -fps_mode vfr -enc_time_base demux
seen="$(frames "$dir/recording.mp4"), $(frames "$dir/plain.mp4"), $(frames "$dir/vfr.mp4"), $(frames "$dir/clock.mp4")"

printf 'ffmpeg 9.0.2, frames of: recording, conversion, the same with vfr, the same with the clock of the input\n'
printf 'expected: 162, 162, 162, 162\nseen:     %s%s\n' "$seen" "${said:+ ($said)}"
[[ $seen == '162, 18, 18, 162' && -z $said ]]
