"""What is uploaded: a video and a long one, photos as phones take them, a small picture, and a small document."""

import dataclasses
import os
import random

from uploads.driver import MOST_REQUESTS
from zips.material import photo_header

VIDEO_BYTES = 100_000_000
LONG_VIDEO_BYTES = 1_000_000_000
SMALL_VIDEO_BYTES = 9_000_000
PICTURE_BYTES = 20_000
DOCUMENT_BYTES = 20_000
PHOTOS = 30
PHOTO_BYTES = 200_000_000 // PHOTOS
PIECE_BYTES = 16 << 20
# No two rounds send the same sizes; the files have all that may be asked for.
LEAST_SHARE, MOST_SHARE = 0.97, 1.03
# An MP4 by its first box, and then one of data.
VIDEO_HEADER = b"\0\0\0\x18ftypisom\0\0\2\0isommp42" + b"\0\0\0\0mdat"
PDF_HEADER = b"%PDF-1.7\n"


@dataclasses.dataclass
class Material:
    """The paths of the files."""

    video: str
    long_video: str
    photos: list
    picture: str


def make(directory, seed):
    os.makedirs(directory)
    source = random.Random(seed)
    photo_start = photo_header()
    return Material(
        video=write(f"{directory}/video.mp4", VIDEO_HEADER, VIDEO_BYTES, source),
        long_video=write(f"{directory}/long.mp4", VIDEO_HEADER, LONG_VIDEO_BYTES, source),
        photos=[write(f"{directory}/IMG_{number:04d}.jpg", photo_start, PHOTO_BYTES, source)
                for number in range(1, PHOTOS + 1)],
        picture=write(f"{directory}/picture.jpg", photo_start, PICTURE_BYTES, source),
    )


def make_document(directory, seed):
    """The document alone, whose path it gives."""
    os.makedirs(directory)
    return write(f"{directory}/document.pdf", PDF_HEADER, DOCUMENT_BYTES, random.Random(seed))


def write(path, header, count, source):
    """Noise, so that nothing makes it smaller on its way."""
    left = round(count * MOST_SHARE) - len(header)
    with open(path, "wb") as file:
        file.write(header)
        while left > 0:
            left -= file.write(source.randbytes(min(left, PIECE_BYTES)))
    return path


@dataclasses.dataclass
class Load:
    """What one run uploads."""

    files: list
    bytes_each: int
    # One request brings all the files.
    requests: int = MOST_REQUESTS
    connections: int = 1
    # No request begins after that; None if all do, however long they take.
    seconds: int | None = None

    def sized_files(self, seed, number):
        """Each file with the bytes of it to send in the round of that number."""
        return [f"{path}:{self.size(seed, number)}" for path in self.files]

    def size(self, seed, number):
        """Of each file in the round of that number, in bytes; the same for every contender."""
        return round(self.bytes_each * random.Random(f"{seed} {number}").uniform(LEAST_SHARE, MOST_SHARE))
