"""In which order it all happens: intervals with the small company and without, and a broker that is killed."""

import dataclasses
import time

INTERVAL_SECONDS = 12
TRIES_AN_INTERVAL = 3
# Until the workers are warm.
WARM_UP_SECONDS = 5
OUTAGE_SECONDS = 3
RECONNECTED_SECONDS = 60


@dataclasses.dataclass
class Interval:
    """By the clock that the database has, too."""

    began: float
    ended: float
    tries: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Outage:
    """Of the broker."""

    # Until every service said again that it is ready, from the moment the broker answered.
    reconnected_seconds: float
    # Of a photo that was sent meanwhile, from that moment on.
    photo_seconds: float


def alone():
    began = time.time()
    time.sleep(INTERVAL_SECONDS)
    return Interval(began, time.time())


def beside(neighbour, tries=TRIES_AN_INTERVAL):
    """The tries are spread over the interval, which is longer if they are."""
    began, tried = time.time(), []
    for number in range(tries):
        sleep_until(began + number * INTERVAL_SECONDS / tries)
        tried.append(neighbour.take_turn())
    sleep_until(began + INTERVAL_SECONDS)
    return Interval(began, time.time(), tried)


def pairs(backlog, neighbour, count, tries=TRIES_AN_INTERVAL):
    """Intervals with the small company and without, as (with, without); fewer if the photos would not last."""
    time.sleep(WARM_UP_SECONDS)
    found, used = [], 0
    before = backlog.photos_waiting()
    for number in range(count):
        if before <= used:
            break
        # Neither comes always first.
        without = alone() if number % 2 else None
        found.append((beside(neighbour, tries), without or alone()))
        left = backlog.photos_waiting()
        if left == 0:
            raise RuntimeError("All photos were done before the end: there must be more of them, or larger ones.")
        before, used = left, before - left
    return found


def outage(suite, private, neighbour, tries):
    """Kills the broker in the middle of it all, sends a photo, starts the broker, and waits for what was sent."""
    beside(neighbour, tries)
    private.broker("kill")
    photo = neighbour.send_photo()
    time.sleep(OUTAGE_SECONDS)
    private.broker("start")
    photo.began = time.monotonic()
    deadline = photo.began + RECONNECTED_SECONDS
    while not all(map(suite.is_ready, suite.processes)):
        if time.monotonic() > deadline:
            raise RuntimeError(f"A service is not ready {RECONNECTED_SECONDS} s after the broker is back.")
        time.sleep(0.1)
    reconnected = time.monotonic() - photo.began
    neighbour.wait_for([photo])
    return Outage(reconnected, photo.seconds)


def sleep_until(moment):
    time.sleep(max(0, moment - time.time()))
