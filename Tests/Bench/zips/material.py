"""35 items with six photos each, and three procedures: about 640 MB."""

import dataclasses
import os
import random
import subprocess

ITEMS = 35
PHOTOS_PER_ITEM = 6
PROCEDURES = 3
PHOTO_BYTES = 3_000_000
TEXT_LINE = b"BT /F1 12 Tf 72 712 Td (Close the inlet valve, wait for the pressure to fall, open the drain.) Tj ET\n"


@dataclasses.dataclass
class Material:
    """What was made."""

    # The same files in directories, for peers that know nothing of items.
    directory: str
    files: int = 0
    bytes: int = 0


def make(clients, directory, seed):
    """Uploads everything with each client, and writes the same bytes below the directory.

    There it is a folder an item, as in an export.
    """
    source = random.Random(seed)
    header = photo_header()
    material = Material(directory)
    for number in range(1, ITEMS + 1):
        code = f"EQ-{number:03d}"
        photos = [(f"IMG_{number:03d}{shot}.jpg", "image/jpeg", photo(header, source))
                  for shot in range(1, PHOTOS_PER_ITEM + 1)]
        for client in clients:
            attributes = {"serial": f"{seed}-{number}"}
            item = client.post("/v1/items", {"code": code, "name": "Pump", "attributes": attributes})
            client.upload(f"/v1/items/{item['id']}/assets", photos)
        write(photos, f"{directory}/{code} Pump", material)
    procedures = [(f"Procedure {number}.pdf", "application/pdf", procedure(source))
                  for number in range(1, PROCEDURES + 1)]
    for client in clients:
        client.upload("/v1/documents", procedures)
    write(procedures, f"{directory}/procedures", material)
    return material


def write(files, directory, material):
    os.makedirs(directory)
    for name, _, content in files:
        with open(f"{directory}/{name}", "wb") as file:
            file.write(content)
        material.files += 1
        material.bytes += len(content)


def photo_header():
    """A real JPEG without its end."""
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=gray:size=64x64", "-frames:v", "1",
               "-f", "mjpeg", "-"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.removesuffix(b"\xff\xd9")


def photo(header, source):
    """No two have the same size, and nothing makes them smaller: as photos are."""
    return header + source.randbytes(round(PHOTO_BYTES * source.uniform(0.95, 1.05))) + b"\xff\xd9"


def procedure(source):
    """Half text, half pictures."""
    text = TEXT_LINE * round(10_000 * source.uniform(0.95, 1.05))
    return b"%PDF-1.4\n" + text + source.randbytes(len(text)) + b"\n%%EOF\n"
