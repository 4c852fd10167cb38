#!/usr/bin/env bash
# libvips 8.18.7: the colours that an AVIF says it has leave no trace.
#
# AVIF and HEIF say what their numbers mean by an ICC profile or by four code points (`nclx`; ISO/IEC 14496-12,
# 12.1.5), as phones and encoders do for Display P3 and high dynamic range. This AVIF is in Display P3: its red
# (220,30,30) is (240,0,0) in sRGB.
# Expected: converted to sRGB on the way, or a field in the opened image that says Display P3.
# Seen:     the numbers are kept, the image is called sRGB, and none of its fields holds the code points: whoever
#           saves it makes pale colours of strong ones, and cannot know.
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# Two directories: where libvips has headers, pyvips builds a binding to it, which is not to replace the other one.
python3 -m pip install --quiet --root-user-action ignore --target "$dir/libvips" pyvips-binary==8.18.7 \
    imageio-ffmpeg==0.8.1
python3 -m pip install --quiet --root-user-action ignore --target "$dir/pyvips" --no-deps pyvips==3.2.0

ffmpeg=("$dir"/libvips/imageio_ffmpeg/binaries/ffmpeg-*-v9.0.2)
"${ffmpeg[0]}" -v error -nostdin -f lavfi -i color=0xdc1e1e:size=64x64:duration=0.04 -vf 'format=gbrp,
    scale=out_color_matrix=bt709:out_range=pc,format=yuv444p,
    setparams=colorspace=bt709:color_primaries=smpte432:color_trc=iec61966-2-1:range=pc' \
    -frames:v 1 -c:v libaom-av1 -crf 10 -still-picture 1 "$dir/p3.avif"
PYTHONPATH="$dir/libvips:$dir/pyvips" python3 - "$dir" >"$dir/seen" <<'PYTHON'
import sys
import pyvips

data = open(f"{sys.argv[1]}/p3.avif", "rb").read()
assert data[data.index(b"nclx") :][4:8] == bytes([0, 12, 0, 13]), "the file does not say Display P3"
image = pyvips.Image.new_from_file(f"{sys.argv[1]}/p3.avif")
plain = "width height bands format coding interpretation xoffset yoffset xres yres filename vips-loader".split()
fields = [name for name in image.get_fields() if name not in plain]
near = all(abs(a - b) < 6 for a, b in zip(image(32, 32), (220, 30, 30)))
print(image.interpretation, "unchanged" if near else "changed", *sorted(fields))
PYTHON
seen=$(cat "$dir/seen")
printf 'libvips 8.18.7, an AVIF in Display P3: space, red, other fields\n'
printf 'expected: srgb changed, or a field with the code points\nseen:     %s\n' "$seen"
[[ $seen == 'srgb unchanged bits-per-sample heif-compression heif-primary n-pages' ]]
