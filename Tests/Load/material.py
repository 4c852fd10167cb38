"""The files that are sent: real photos and videos, each followed by noise until it is as large as a phone's."""

import os
import random
import shutil
import subprocess

FREE_BOX_HEADER = 8


def make(directory, seed):
    """Fills the directory, unless that seed's files are there already."""
    mark = f"{directory}/made-by-seed"
    if os.path.exists(mark) and open(mark).read() == str(seed):
        return
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    source = random.Random(seed)
    photo = made(directory, "photo.jpg", "color=gray:size=64x64", "-frames:v", "1")
    video = made(directory, "video.mp4", "testsrc2=size=320x240:rate=25:duration=1", "-pix_fmt", "yuv420p")
    gallery(f"{directory}/photos", photo, [20_000 * 1.6 ** step for step in range(12)], source)
    gallery(f"{directory}/photos-15", photo, [86e6 / 15] * 15, source)
    gallery(f"{directory}/photos-30", photo, [200e6 / 30] * 30, source)
    for megabytes in (9, 100):
        noise = source.randbytes(varied(megabytes * 1e6, source) - len(video) - FREE_BOX_HEADER)
        box = (len(noise) + FREE_BOX_HEADER).to_bytes(4, "big") + b"free"
        write(f"{directory}/video-{megabytes}.mp4", video + box + noise)
    write(f"{directory}/document.pdf", b"%PDF-1.4\n%%EOF\n" + source.randbytes(varied(300_000, source)))
    write(mark, str(seed).encode())


def gallery(directory, photo, sizes, source):
    """Numbered photos. A decoder stops where the picture ends; what follows costs it nothing."""
    for number, size in enumerate(sizes, 1):
        write(f"{directory}/{number}.jpg", photo + source.randbytes(varied(size, source) - len(photo)))


def varied(size, source):
    """No two files have the same size."""
    return round(size * source.uniform(0.97, 1.03))


def made(directory, name, source, *arguments):
    """What ffmpeg makes of a test picture."""
    path = f"{directory}/{name}"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", source, *arguments, path]
    subprocess.run(command, check=True)
    with open(path, "rb") as file:
        return file.read()


def write(path, content):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
