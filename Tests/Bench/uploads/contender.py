"""Uploads of one sort to one receiver."""

import os

import processes
from uploads.driver import Run, WrongAnswers


class Contender:
    """Sends what a scenario says, in one form."""

    def __init__(self, name, receiver, method, load, driver, seed):
        self.name = name
        self.receiver = receiver
        self.method = method
        self.load = load
        self.driver = driver
        self.seed = seed
        # Files that the receiver has answered for, and holds.
        self.taken = 0

    def run(self, number):
        """One run, in the round of that number."""
        pids = [pid for root in self.receiver.pids for pid in processes.family(root)]
        target = self.target()
        for pid in pids:
            processes.forget_peak(pid)
        cpu_before = sum(map(processes.cpu_seconds, pids))
        answer = self.send(target, number, self.load.requests, self.load.seconds)
        return Run(
            seconds=answer.seconds,
            wall=answer.wall,
            cpu_seconds=sum(map(processes.cpu_seconds, pids)) - cpu_before,
            peak_bytes=sum(map(processes.peak_bytes, pids)),
            driver_cpu_seconds=answer.cpu_seconds,
        )

    def check(self):
        """A request of each connection, whose answer must name the SHA-256 of every file it brought."""
        if self.receiver.answers_hashes:
            self.send(self.target(), 0, self.load.connections, verifies=True)

    def clear(self):
        kept = self.receiver.clear()
        if kept != self.taken:
            raise WrongAnswers(f"{self.name} was sent {self.taken} files and kept {kept}.")
        self.taken = 0

    def target(self):
        return self.receiver.target(self.method, os.path.splitext(self.load.files[0])[1])

    def send(self, target, number, requests, seconds=None, verifies=False):
        answer = self.driver.send(
            target, self.load.sized_files(self.seed, number), requests, self.load.connections, seconds, verifies)
        self.taken += len(answer.seconds) * len(self.load.files)
        return answer
