"""Sends uploads, with the program `driver.c`."""

import dataclasses
import itertools
import json
import math
import statistics
import subprocess

MAXIMUM_SECONDS = 300
# Of one run.
MOST_REQUESTS = 1_000_000


class WrongAnswers(Exception):
    """Uploads that were not taken, or not as they were sent."""


@dataclasses.dataclass
class Run:
    """What one run took."""

    # Of each request, from its first byte to the answer's last.
    seconds: list
    # From the first request's beginning to the last one's end.
    wall: float
    # Of all the receiver's processes, for the whole run.
    cpu_seconds: float
    # Of each of them at its own time, added up.
    peak_bytes: int
    # Of the program that sent the requests.
    driver_cpu_seconds: float

    @property
    def median(self):
        return statistics.median(self.seconds)

    @property
    def p95(self):
        return percentile(self.seconds, 0.95)

    @property
    def requests_per_second(self):
        return len(self.seconds) / self.wall

    @property
    def cpu_seconds_each(self):
        return self.cpu_seconds / len(self.seconds)


@dataclasses.dataclass
class Answer:
    """What the program says of what it has sent; `Run` says what the first three are."""

    seconds: list
    wall: float
    cpu_seconds: float
    failures: int


class Driver:
    """Never sends the same bytes twice."""

    def __init__(self, program):
        self.program = program
        self.numbers = itertools.count(0, MOST_REQUESTS)

    def send(self, target, sized_files, requests, connections, seconds=None, verifies=False):
        """With `seconds`, no more requests than begin in that time; with `verifies`, times are worth nothing."""
        command = [self.program, "-c", str(connections), "-n", str(requests), "-f", str(next(self.numbers))]
        if seconds:
            command += ["-t", str(seconds)]
        if verifies:
            command.append("-v")
        if target.header:
            command += ["-H", target.header]
        command += [str(target.port), target.method, target.path, *sized_files]
        finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  timeout=MAXIMUM_SECONDS)
        answer = Answer(**json.loads(finished.stdout))
        if answer.failures:
            raise WrongAnswers(f"{answer.failures} of {len(answer.seconds)} {target.method} {target.path} were not"
                               f" answered as they should be:\n{finished.stderr}")
        return answer


def percentile(values, share):
    """The least value that as many of them do not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]
