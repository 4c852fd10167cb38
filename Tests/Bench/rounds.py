"""Runs the contenders in turn, so that what else happens on the machine meets them alike."""

import dataclasses
import statistics
import time

MAXIMUM_SECONDS = 300


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
        """Of two contenders in the same round; None if either has no such value, or has nothing to divide by."""
        by = by or of
        pairs = [(of(one), by(other))
                 for one, other in zip(self.runs[dividend], self.runs[divisor], strict=True)]
        if any(one is None or not other for one, other in pairs):
            return None
        return Spread.of(one / other for one, other in pairs)


def alternate(contenders, file_system, rounds, run):
    """Measures each contender once a round, after a round to warm up.

    Each round begins with another contender, and every second one goes the other way round: none always runs after the
    same one, whose traces on the disk and in memory it would bear alone.

    `run(contender, number)` gives what one run took, in the round of that number. A contender has a `name`, `check()`
    of what a run has left, and `clear()` which removes it. On a slow machine there are fewer rounds than asked for.
    """
    measured = Measured(contender.name for contender in contenders)
    deadline = time.monotonic() + MAXIMUM_SECONDS
    for number in range(rounds + 1):
        if number > 1 and time.monotonic() > deadline:
            break
        for contender in in_turn(contenders, number):
            # What an earlier run has still to write would slow this one.
            file_system.sync()
            taken = run(contender, number)
            if number == 0:
                contender.check()
            else:
                measured.runs[contender.name].append(taken)
            contender.clear()
    return measured


def in_turn(contenders, number):
    """As they run in the round of that number."""
    first = number % len(contenders)
    turned = contenders[first:] + contenders[:first]
    return turned if number % 2 == 0 else turned[:1] + turned[:0:-1]
