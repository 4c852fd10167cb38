"""What is uploaded: every file is another one, real enough for a worker to have work with it, and small."""

import dataclasses
import hashlib
import os

import material

FREE_BOX_HEADER = 8
COMMENT = b"\xff\xfe"


@dataclasses.dataclass
class File:
    name: str
    content_type: str
    content: bytes
    # Whether it can become ready; what is broken ends `failed`, with a reason.
    is_sound: bool = True

    @property
    def sha256(self):
        return hashlib.sha256(self.content).hexdigest()


class Files:
    """Makes files from a few real ones, in which noise differs."""

    def __init__(self, directory):
        os.makedirs(directory)
        self.small = material.made(directory, "small.jpg", "color=gray:size=64x64", "-frames:v", "1")
        self.large = material.made(directory, "large.jpg", "testsrc2=size=2400x1800", "-frames:v", "1")
        self.short = material.made(directory, "short.mp4", "testsrc2=size=320x240:rate=25:duration=1",
                                   "-pix_fmt", "yuv420p")
        # Larger than a rendition, so that it has to be encoded: for some seconds.
        self.long = material.made(directory, "long.mp4", "testsrc2=size=1280x960:rate=25:duration=5", "-c:v", "mpeg4",
                                  "-b:v", "2M")

    def photo(self, source, most=400_000):
        """Quickly worked on; what follows the picture costs a decoder nothing."""
        return File(name(source, "jpg"), "image/jpeg", self.small + source.randbytes(source.randrange(5_000, most)))

    def large_photo(self, source):
        return File(name(source, "jpg"), "image/jpeg", self.large + source.randbytes(16))

    def video(self, source, is_long=False):
        noise = source.randbytes(16 if is_long else source.randrange(100_000, 1_500_000))
        box = (len(noise) + FREE_BOX_HEADER).to_bytes(4, "big") + b"free" + noise
        return File(name(source, "mp4"), "video/mp4", (self.long if is_long else self.short) + box)

    def document(self, source):
        noise = source.randbytes(source.randrange(1_000, 200_000))
        return File(name(source, "pdf"), "application/pdf", b"%PDF-1.4\n%%EOF\n" + noise)

    def broken(self, source):
        """A photo that ends in its middle, or a video without the index at its end."""
        if source.random() < 0.7:
            note = source.randbytes(16).hex().encode()
            start = self.large[:2] + COMMENT + (len(note) + 2).to_bytes(2, "big") + note
            return File(name(source, "jpg"), "image/jpeg", start + self.large[2:len(self.large) // 2], is_sound=False)
        start = self.long[:len(self.long) // 2]
        return File(name(source, "mp4"), "video/mp4", start + source.randbytes(16), is_sound=False)


def name(source, extension):
    return f"{source.getrandbits(40):x}.{extension}"
