"""Other ways to bring the same bytes into one place. They add no workbook and no manifest, and do not sync."""

import os
import shutil
import sys
import time

import processes
from zips.builds import Build

PROGRAMS = os.path.dirname(os.path.realpath(__file__))


class Copy:
    """`cp -r`: what moving the bytes costs at least, or with blocks shared where that is possible."""

    def __init__(self, name, reflink, material, file_system):
        self.name = name
        self.file_system = file_system
        self.output = f"{file_system.directory}/copy"
        self.command = ["cp", "-r", f"--reflink={reflink}", material.directory, self.output]

    def run(self):
        cost = processes.run(self.command)
        # One call for all files: the cheapest way there is.
        return synced(cost, self.file_system.sync)

    def check(self):
        pass

    def clear(self):
        shutil.rmtree(self.output)


class Archiver:
    """A program beside this file that stores a directory in a ZIP, given the ZIP's path and the directory's."""

    def __init__(self, name, program, material, file_system):
        self.name = name
        self.output = f"{file_system.directory}/peer.zip"
        self.command = [sys.executable, f"{PROGRAMS}/{program}", self.output, material.directory]

    def run(self):
        cost = processes.run(self.command)
        return synced(cost, self.sync)

    def sync(self):
        for path in (self.output, os.path.dirname(self.output)):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def check(self):
        pass

    def clear(self):
        os.remove(self.output)


def synced(cost, sync):
    began, cpu_before = time.monotonic(), time.thread_time()
    sync()
    return Build(
        seconds=cost.seconds,
        synced_seconds=cost.seconds + time.monotonic() - began,
        cpu_seconds=cost.cpu_seconds + time.thread_time() - cpu_before,
        peak_bytes=cost.peak_bytes,
    )
