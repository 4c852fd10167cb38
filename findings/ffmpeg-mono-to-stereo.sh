#!/usr/bin/env bash
# ffmpeg 9.0.2: mono sound becomes 3 dB quieter when it is made stereo.
#
# A sine of one channel, converted with `-ac 2`, as converters do for players that want two channels.
# Expected: both channels are the one there was, as a player gives it to both loudspeakers.
# Seen:     each channel is 3 dB quieter: the mixer keeps the power of both together. Converted back to mono it stays
#           quieter, so each round through converters takes 3 dB more.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$dir/packages" imageio-ffmpeg==0.8.1
ffmpeg=("$dir"/packages/imageio_ffmpeg/binaries/ffmpeg-*-v9.0.2)

ffmpeg() { "${ffmpeg[0]}" -nostdin -y "$@"; }
loudness() { ffmpeg -i "$dir/$1" -af volumedetect -f null - 2>&1 | sed -n 's/.*mean_volume: //p'; }

ffmpeg -v error -f lavfi -i sine=frequency=1000:duration=2 -ac 1 "$dir/mono.wav"
ffmpeg -v error -i "$dir/mono.wav" -ac 2 "$dir/stereo.wav"
ffmpeg -v error -i "$dir/stereo.wav" -ac 1 "$dir/back.wav"
ffmpeg -v error -i "$dir/mono.wav" -af 'pan=stereo|c0=c0|c1=c0' "$dir/doubled.wav"

seen="$(loudness mono.wav), $(loudness stereo.wav), $(loudness back.wav), $(loudness doubled.wav)"
printf 'ffmpeg 9.0.2, mean of: mono, -ac 2, that with -ac 1, mono doubled by the pan filter\n'
printf 'expected: -21.1 dB, -21.1 dB, -21.1 dB, -21.1 dB\nseen:     %s\n' "$seen"
[[ $seen == '-21.1 dB, -24.1 dB, -24.1 dB, -21.1 dB' ]]
