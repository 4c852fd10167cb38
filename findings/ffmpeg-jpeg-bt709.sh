#!/usr/bin/env bash
# ffmpeg 9.0.2: a frame of a BT.709 video saved as JPEG has other colours.
#
# Nearly every phone records BT.709; the numbers of a JPEG mean BT.601 (JFIF 1.02), and JFIF has no way to say
# otherwise.
# Expected: the colours of the JPEG are those of the video: ffmpeg knows both matrices.
# Seen:     the numbers are kept, and only the range is converted. Red (220,30,30) is then about (201,9,30) in
#           whatever reads JPEG by its standard (Pillow here), 20 steps off; grey is right, which hides it. With
#           `out_color_matrix=bt601` all of them are within 6 steps.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m pip install --quiet --root-user-action ignore --target "$dir/packages" imageio-ffmpeg==0.8.1 pillow==12.0.0
ffmpeg=("$dir"/packages/imageio_ffmpeg/binaries/ffmpeg-*-v9.0.2)

ffmpeg() { "${ffmpeg[0]}" -v error -nostdin -y "$@"; }
red_and_green() {
    PYTHONPATH="$dir/packages" python3 - "$dir/$1" <<'PYTHON'
import sys
from PIL import Image

picture = Image.open(sys.argv[1]).convert("RGB")
fields = ((80, 90), (220, 30, 30)), ((240, 90), (30, 190, 60))
print(*(max(abs(a - b) for a, b in zip(picture.getpixel(middle), right)) for middle, right in fields))
PYTHON
}

ffmpeg -f lavfi -i color=0xdc1e1e:size=160x180:duration=1 -f lavfi -i color=0x1ebe3c:size=160x180:duration=1 \
    -filter_complex '[0]format=gbrp[red];[1]format=gbrp[green];[red][green]hstack,
        scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,
        setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709' \
    -c:v libx264 -crf 12 "$dir/video.mp4"
ffmpeg -i "$dir/video.mp4" -frames:v 1 -q:v 2 -update 1 "$dir/plain.jpg"
ffmpeg -i "$dir/video.mp4" -vf scale=out_color_matrix=bt601:out_range=pc -frames:v 1 -q:v 2 -update 1 "$dir/matrix.jpg"

read -r red green < <(red_and_green plain.jpg)
read -r right_red right_green < <(red_and_green matrix.jpg)
printf 'ffmpeg 9.0.2, how far red and green of the JPEG are from the video, in steps of 255\n'
printf 'expected: at most 6\nseen:     %s and %s; with out_color_matrix=bt601: %s and %s\n' \
    "$red" "$green" "$right_red" "$right_green"
((red > 15 && green > 15 && right_red <= 6 && right_green <= 6))
