"""Sends uploads, with the program `driver.c`."""

import dataclasses
import itertools
import json
import math
import statistics
import subprocess

MAXIMUM_SECONDS = 300


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


class Driver:
    """Never sends the same bytes twice."""

    def __init__(self, program):
        self.program = program
        self.numbers = itertools.count(0, 1_000_000)

    def send(self, target, sized_files, requests, connections, verifies=False):
        """Gives each request's seconds, and the wall time; with `verifies`, times are worth nothing."""
        command = [self.program, "-c", str(connections), "-n", str(requests), "-f", str(next(self.numbers))]
        if verifies:
            command.append("-v")
        if target.header:
            command += ["-H", target.header]
        command += [str(target.port), target.method, target.path, *sized_files]
        finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  timeout=MAXIMUM_SECONDS)
        answer = json.loads(finished.stdout)
        if answer["failures"]:
            raise WrongAnswers(f"{answer['failures']} of {requests} {target.method} {target.path} were not answered"
                               f" as they should be:\n{finished.stderr}")
        return answer["seconds"], answer["wall"]


def percentile(values, share):
    """The least value that as many of them do not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]
