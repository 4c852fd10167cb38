#!/usr/bin/env bash
# ffmpeg 5.1.9 (Debian 12): of the sound of many old phones it decodes a fifth.
#
# A 3GP sample may hold several AMR frames; the box `damr` says how many (3GPP TS 26.244, 6.7), and phones have
# used that. This file has 2 s of sound, 100 frames of 20 ms, five in each sample.
# Expected: 2 s of sound, 16 000 samples.
# Seen:     3200 samples, with exit code 0 and no message: the first frame of every five. A copy of the same track to
#           the format AMR, where each frame stands by itself, decodes whole. (ffmpeg 7 decodes all of it at once.)
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

ffmpeg() { LD_LIBRARY_PATH="$libraries" "$dir/tree/usr/bin/ffmpeg" -v error -nostdin -y "$@" 2>>"$dir/said"; }
samples() { echo $(($(ffmpeg -i "$dir/$1" -f s16le - | wc -c) / 2)); }

# Any bits are speech to AMR, of a kind.
python3 -c 'import sys; sys.stdout.buffer.write(b"#!AMR\n" + b"".join(
    bytes([0x3C]) + bytes((37 * frame + 91 * byte) % 251 for byte in range(31)) for frame in range(100)))' \
    >"$dir/sound.amr"
ffmpeg -i "$dir/sound.amr" -c copy "$dir/single.3gp"
python3 - "$dir/single.3gp" "$dir/packed.3gp" <<'PYTHON'
import struct
import sys

movie = bytearray(open(sys.argv[1], "rb").read())


def set_numbers(box, offset, before, after):
    at = movie.rindex(box) + 4 + offset
    assert struct.unpack_from(f">{len(before)}I", movie, at) == before
    struct.pack_into(f">{len(after)}I", movie, at, *after)


set_numbers(b"stts", 8, (100, 160), (20, 800))
set_numbers(b"stsc", 8, (1, 100), (1, 20))
set_numbers(b"stsz", 4, (32, 100), (160, 20))
movie[movie.rindex(b"damr") + 12] = 5
open(sys.argv[2], "wb").write(movie)
PYTHON
ffmpeg -i "$dir/packed.3gp" -c copy "$dir/unpacked.amr"

seen="$(samples single.3gp), $(samples packed.3gp), $(samples unpacked.amr)"
printf 'ffmpeg 5.1.9, samples of: a frame a sample, five frames a sample, the same copied to AMR\n'
printf 'expected: 16000, 16000, 16000\nseen:     %s, messages: %s\n' "$seen" "$(wc -l <"$dir/said")"
[[ $seen == '16000, 3200, 16000' && ! -s $dir/said ]]
