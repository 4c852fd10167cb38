#!/usr/bin/env bash
# libvips 8.18.7: a TIFF of floating-point numbers becomes a black picture.
#
# Scanners, microscopes and darkroom programs write TIFF with samples of IEEE 754 (SampleFormat 3, TIFF 6.0) from 0,
# black, to 1, white. This one is a ramp from one to the other.
# Expected: a JPEG or a thumbnail of it is a ramp; its mean is about 127.
# Seen:     every pixel is cut to 0, or to 1 of 255 at the white end: a black picture, without an error.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# Two directories: where libvips has headers, pyvips builds a binding to it, which is not to replace the other one.
python3 -m pip install --quiet --root-user-action ignore --target "$dir/libvips" pyvips-binary==8.18.7 pillow==12.0.0
python3 -m pip install --quiet --root-user-action ignore --target "$dir/pyvips" --no-deps pyvips==3.2.0

PYTHONPATH="$dir/libvips:$dir/pyvips" python3 - "$dir" >"$dir/seen" <<'PYTHON'
import io
import sys
import pyvips
from PIL import Image

path = f"{sys.argv[1]}/ramp.tif"
Image.linear_gradient("L").convert("F").point(lambda number: number * (1 / 255) + 0).save(path)
assert Image.open(path).tag_v2[339] == (3,) and Image.open(path).getextrema() == (0, 1)
jpeg = Image.open(io.BytesIO(pyvips.Image.new_from_file(path).jpegsave_buffer()))
thumbnail = pyvips.Image.thumbnail(path, 64).copy_memory()
print(*jpeg.getextrema(), int(thumbnail.min()), int(thumbnail.max()))
PYTHON
printf 'libvips 8.18.7, darkest and lightest: of a JPEG of the ramp, of a thumbnail\n'
printf 'expected: 0 255 0 255\nseen:     %s\n' "$(cat "$dir/seen")"
read -r _ lightest _ shown <"$dir/seen"
((lightest <= 1 && shown <= 1))
