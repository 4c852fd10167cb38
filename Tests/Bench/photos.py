"""Photos that are really decoded: each has bytes of its own, and none is of another's exact size."""

import itertools
import random
import subprocess

PICTURES = 8
LEAST_SHARE, MOST_SHARE = 0.97, 1.03
# A JPEG begins with two bytes and its first segment, whose next two bytes are its marker, and then its length.
FIRST_SEGMENT = 2
COMMENT_BYTES = 16
COMMENT_START = b"\xff\xfe" + (2 + COMMENT_BYTES).to_bytes(2, "big")


class Camera:
    """Takes a few pictures, and gives them again and again with another comment in each."""

    def __init__(self, width, height, seed):
        self.source = random.Random(f"{seed} {width}")
        self.numbers = itertools.count(1)
        self.pictures = [self.picture(width, height) for _ in range(PICTURES)]

    def picture(self, width, height):
        share = self.source.uniform(LEAST_SHARE, MOST_SHARE)
        # With noise in it, since drawings are decoded faster than what a lens sees.
        scene = (f"testsrc2=size={round(width * share)}x{round(height * share)},"
                 f"noise=alls=10:all_seed={self.source.randrange(1 << 16)}")
        command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", scene, "-frames:v", "1", "-q:v", "4",
                   "-pix_fmt", "yuvj420p", "-f", "mjpeg", "-"]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout

    def photo(self):
        """As `Client.upload` takes it."""
        number = next(self.numbers)
        picture = self.pictures[number % PICTURES]
        behind = FIRST_SEGMENT + 2 + int.from_bytes(picture[FIRST_SEGMENT + 2:FIRST_SEGMENT + 4], "big")
        comment = COMMENT_START + self.source.randbytes(COMMENT_BYTES)
        return f"IMG_{number:05d}.jpg", "image/jpeg", picture[:behind] + comment + picture[behind:]

    def photos(self, count):
        return [self.photo() for _ in range(count)]
