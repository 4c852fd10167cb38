#!/usr/bin/env bash
# libvips 8.18.7: a DNG opens as its thumbnail, and says nothing of the picture behind it.
#
# Phones and cameras write DNG as TIFF whose first directory is a small preview (NewSubfileType 1) and whose
# sub-directory is the picture (DNG 1.4, chapter 2). Here 96x60 before a picture of 640x400, which LibRaw develops as
# such.
# Expected: refused as a raw picture, or one of 640x400.
# Seen:     "tiffload", 96x60, without an error: whoever makes photos of it gets one hundredth of each. The
#           sub-directory opens with `subifd=0`, as grey numbers of a sensor behind a mosaic.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# Two directories: where libvips has headers, pyvips builds a binding to it, which is not to replace the other one.
python3 -m pip install --quiet --root-user-action ignore --target "$dir/libvips" pyvips-binary==8.18.7 rawpy==0.28.0
python3 -m pip install --quiet --root-user-action ignore --target "$dir/pyvips" --no-deps pyvips==3.2.0

PYTHONPATH="$dir/libvips:$dir/pyvips" python3 - "$dir/photo.dng" >"$dir/seen" <<'PYTHON'
import struct
import sys
import pyvips
import rawpy

BYTE, TEXT, SHORT, LONG, RATIO = "B", "s", "H", "I", "i"
KINDS = {BYTE: 1, TEXT: 2, SHORT: 3, LONG: 4, RATIO: 10}


def directory(at, entries):
    """The bytes of a directory that stands at an offset, with its longer values behind it."""
    head, tail = struct.pack("<H", len(entries)), b""
    for tag, kind, *values in sorted(entries):
        data = values[0] if kind == TEXT else struct.pack(f"<{len(values)}{kind}", *values)
        count = len(data) if kind == TEXT else len(values) // (2 if kind == RATIO else 1)
        if len(data) > 4:
            place = at + 2 + 12 * len(entries) + 4 + len(tail)
            tail += data + b"\0" * (len(data) % 2)
            data = struct.pack("<I", place)
        head += struct.pack("<HHI4s", tag, KINDS[kind], count, data)
    return head + bytes(4) + tail


def strip(width, height, photometric, depth, samples, at):
    size = width * height * samples * depth // 8
    return [(256, LONG, width), (257, LONG, height), (258, SHORT, *[depth] * samples), (259, SHORT, 1),
            (262, SHORT, photometric), (273, LONG, at), (277, SHORT, samples), (278, LONG, height), (279, LONG, size)]


preview = bytes((200, 60, 40)) * (96 * 60)
raw = struct.pack("<H", 9000) * (640 * 400)
first, second, pixels = 8, 1000, 2000
main = strip(96, 60, 2, 8, 3, pixels) + [
    (254, LONG, 1), (271, TEXT, b"Maker\0"), (272, TEXT, b"Phone\0"), (274, SHORT, 1), (330, LONG, second),
    (50706, BYTE, 1, 4, 0, 0), (50708, TEXT, b"Maker Phone\0"), (50778, SHORT, 21),
    (50721, RATIO, *[number for row in range(3) for column in range(3) for number in (row == column, 1)]),
    (50728, RATIO, 1, 1, 1, 1, 1, 1)]
picture = strip(640, 400, 32803, 16, 1, pixels + len(preview)) + [
    (254, LONG, 0), (33421, SHORT, 2, 2), (33422, BYTE, 0, 1, 1, 2), (50717, LONG, 16383)]
data = b"II*\0" + struct.pack("<I", first) + directory(first, main)
data = data.ljust(second, b"\0") + directory(second, picture)
open(sys.argv[1], "wb").write(data.ljust(pixels, b"\0") + preview + raw)

with rawpy.imread(sys.argv[1]) as developed:
    print(developed.postprocess(half_size=False).shape[1::-1], end=" ")
image = pyvips.Image.new_from_file(sys.argv[1])
print(image.get("vips-loader"), (image.width, image.height))
PYTHON
printf 'libvips 8.18.7, a DNG: as LibRaw develops it, as libvips opens it\n'
printf 'expected: (640, 400), an error or (640, 400)\nseen:     %s\n' "$(cat "$dir/seen")"
[[ $(cat "$dir/seen") == '(640, 400) tiffload (96, 60)' ]]
