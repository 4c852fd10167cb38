"""Runs the contenders in turn, so that what else happens on the machine meets them alike."""

import dataclasses
import statistics
import time

MAXIMUM_SECONDS = 300


@dataclasses.dataclass
class Run:
    """What one run took."""

    # Until what it made was on the disk.
    synced_seconds: float
    cpu_seconds: float
    peak_bytes: int
    # Until it was done, with what it made still in memory; None if it syncs by itself.
    seconds: float | None = None
    # Of the disk, once all is on it.
    taken_bytes: int = 0
    # What only this contender knows.
    more: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Spread:
    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values):
        values = list(values)
        return cls(statistics.median(values), min(values), max(values))


class Measured:
    """The runs of every contender, by round."""

    def __init__(self, names):
        self.runs = {name: [] for name in names}

    @property
    def rounds(self):
        return len(next(iter(self.runs.values())))

    def spread(self, name, value):
        """Of a value of one contender's runs; None if they have none."""
        values = [value(run) for run in self.runs[name]]
        return None if None in values else Spread.of(values)

    def ratio(self, dividend, divisor, of, by=None):
        """Of two contenders in the same round."""
        by = by or of
        pairs = zip(self.runs[dividend], self.runs[divisor], strict=True)
        return Spread.of(of(one) / by(other) for one, other in pairs)


def alternate(contenders, file_system, rounds):
    """Measures each contender once a round, each round beginning with another, after a round to warm up.

    A contender has a `name`, `run()` which gives a `Run` and leaves its output, `check()` of that output, and `clear()`
    which removes it. On a slow machine there are fewer rounds than asked for.
    """
    measured = Measured(contender.name for contender in contenders)
    deadline = time.monotonic() + MAXIMUM_SECONDS
    for number in range(rounds + 1):
        if number > 1 and time.monotonic() > deadline:
            break
        turn = number % len(contenders)
        for contender in contenders[turn:] + contenders[:turn]:
            # What an earlier run has still to write would slow this one.
            file_system.sync()
            before = file_system.used()
            run = contender.run()
            file_system.sync()
            run.taken_bytes = file_system.used() - before
            if number == 0:
                contender.check()
            else:
                measured.runs[contender.name].append(run)
            contender.clear()
    return measured
