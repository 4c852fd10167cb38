"""The most memory the API holds: one long film, and a hundred at once."""

import dataclasses

import suite
from uploads.contender import Contender
from uploads.material import FILM_BYTES, LONG_FILM_BYTES, Load
from uploads.receivers import Tolva

MANY = 100
WAYS = {"PUT": "PUT", "multipart": "POST"}


@dataclasses.dataclass
class Peak:
    """Of a process that has done nothing else, at its most."""

    way: str
    long_film_bytes: int
    many_bytes: int


def measure(place, private, material, driver, seed):
    """Each in a new process."""
    long_film = Load([material.long_film], LONG_FILM_BYTES, requests=1)
    many = Load([material.film], FILM_BYTES, requests=MANY, connections=MANY)
    return [Peak(way, peak_bytes(f"{method.lower()}_long", method, long_film, place, private, driver, seed),
                 peak_bytes(f"{method.lower()}_many", method, many, place, private, driver, seed))
            for way, method in WAYS.items()]


def peak_bytes(name, method, load, place, private, driver, seed):
    volume = f"{place}/media-{name}"
    with suite.running([], volume, private, f"upload_{name}", f"{place}/logs-{name}") as running:
        contender = Contender(f"Tolva, {method}", Tolva(running, volume), method, load, driver, seed)
        peak = contender.run(number=1).peak_bytes
        contender.clear()
    return peak
