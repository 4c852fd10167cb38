#!/usr/bin/env bash
# libvips 8.18.7: an animated AVIF is no picture, unless its loader is called by name.
#
# An AVIF of several frames has the major brand `avis`, and `avif` among the compatible ones, since its first picture
# is a still one (AV1 Image File Format, 6.2 and 6.3).
# Expected: opened as the first frame, as animated GIF and WebP are, or as all of them.
# Seen:     "is not a known file format": only the major brand is looked at, and `avis` is not among those that are
#           looked for. heifload opens the same file.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# Two directories: where libvips has headers, pyvips builds a binding to it, which is not to replace the other one.
python3 -m pip install --quiet --root-user-action ignore --target "$dir/libvips" pyvips-binary==8.18.7 pillow==12.0.0
python3 -m pip install --quiet --root-user-action ignore --target "$dir/pyvips" --no-deps pyvips==3.2.0

PYTHONPATH="$dir/libvips:$dir/pyvips" python3 - "$dir" >"$dir/seen" <<'PYTHON'
import sys
import pyvips
from PIL import Image

path = f"{sys.argv[1]}/three.avif"
frames = [Image.new("RGB", (64, 48), colour) for colour in ("red", "green", "blue")]
frames[0].save(path, save_all=True, append_images=frames[1:], duration=100)
head = open(path, "rb").read(44)
assert head[4:12] == b"ftypavis" and b"avif" in head[16:] and Image.open(path).n_frames == 3
try:
    print(pyvips.Image.new_from_file(path).width, end=", ")
except pyvips.Error as error:
    print("unknown" if "is not a known file format" in str(error) else error, end=", ")
print(pyvips.Image.heifload(path).width)
PYTHON
printf 'libvips 8.18.7, width of an AVIF of three frames: opened as what it is, opened by heifload\n'
printf 'expected: 64, 64\nseen:     %s\n' "$(cat "$dir/seen")"
[[ $(cat "$dir/seen") == 'unknown, 64' ]]
