"""The most memory the API holds: one long video, and a hundred at once."""

import dataclasses

from uploads.contender import Contender
from uploads.material import VIDEO_BYTES, LONG_VIDEO_BYTES, Load
from uploads.receivers import Tolva

MANY = 100
WAYS = {"PUT": "PUT", "multipart": "POST"}


@dataclasses.dataclass
class Peak:
    """Of a process that has done nothing else, at its most."""

    build: str
    way: str
    long_video_bytes: int
    many_bytes: int


def measure(place, tolvas, material, driver, seed):
    """Each in a new process."""
    long_video = Load([material.long_video], LONG_VIDEO_BYTES, requests=1)
    many = Load([material.video], VIDEO_BYTES, requests=MANY, connections=MANY)
    peaks = []
    for way, method in WAYS.items():
        for number, tolva in enumerate(tolvas):
            name = f"{method.lower()}_{number}"
            peaks.append(Peak(tolva.name, way,
                              peak_bytes(f"{name}_long", method, long_video, place, tolva, driver, seed),
                              peak_bytes(f"{name}_many", method, many, place, tolva, driver, seed)))
    return peaks


def peak_bytes(name, method, load, place, tolva, driver, seed):
    volume = f"{place}/media-{name}"
    with tolva.running([], volume, f"upload_{name}", f"{place}/logs-{name}") as running:
        contender = Contender(f"{tolva.name}, {method}", Tolva(running), method, load, driver, seed)
        peak = contender.run(number=1).peak_bytes
        contender.clear()
    return peak
