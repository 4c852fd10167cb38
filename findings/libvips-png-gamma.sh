#!/usr/bin/env bash
# libvips 8.18.7: a PNG's gamma is neither followed nor kept.
#
# Programs that render light write PNG with `gAMA` 1.0: numbers are in proportion to light, so 128 is the grey that
# sRGB calls 188, and browsers show it so. Without cICP, iCCP and sRGB a reader is to follow gAMA (PNG, third edition,
# 4.3).
# Expected: 188 in an sRGB thumbnail, or the gamma as a field of the opened image.
# Seen:     128, far too dark, and no field. What libvips saves has no gAMA either, so nobody can repair it later.
# In Tolva: Services/MediaWorker/Images/PictureColours.swift reads it from the file.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# Two directories: where libvips has headers, pyvips builds a binding to it, which is not to replace the other one.
python3 -m pip install --quiet --root-user-action ignore --target "$dir/libvips" pyvips-binary==8.18.7 pillow==12.0.0
python3 -m pip install --quiet --root-user-action ignore --target "$dir/pyvips" --no-deps pyvips==3.2.0

PYTHONPATH="$dir/libvips:$dir/pyvips" python3 - "$dir" >"$dir/seen" <<'PYTHON'
import struct
import sys
import pyvips
from PIL import Image, PngImagePlugin

path = f"{sys.argv[1]}/linear.png"
chunks = PngImagePlugin.PngInfo()
chunks.add(b"gAMA", struct.pack(">I", 100_000))
Image.new("RGB", (64, 64), (128, 128, 128)).save(path, pnginfo=chunks)
assert Image.open(path).info["gamma"] == 1
image = pyvips.Image.new_from_file(path)
fields = [name for name in image.get_fields() if "gam" in name.lower()]
saved = pyvips.Image.thumbnail(path, 32).pngsave_buffer()
print(round(pyvips.Image.thumbnail(path, 32)(16, 16)[0]), len(fields), saved.count(b"gAMA"))
PYTHON
printf 'libvips 8.18.7, linear grey of 128: in a thumbnail; fields about gamma; gAMA in the thumbnail as PNG\n'
printf 'expected: 188 0 0, or a field\nseen:     %s\n' "$(cat "$dir/seen")"
[[ $(cat "$dir/seen") == '128 0 0' ]]
