"""Contenders whose runs also say what they cost beside the receiver: Postgres, the driver and the disk."""

import dataclasses
import time

import processes
import servers
from uploads.driver import percentile

# Postgres's sessions report what they have counted after ten seconds without work, at the latest.
REPORTED_SECONDS = 11
# Commits of one database, and what all have flushed. Postgres 18 counts that elsewhere.
COUNTED = """
    SELECT xact_commit || ' ' || coalesce(to_jsonb(wal)->>'wal_sync', '-')
      FROM pg_stat_database, pg_stat_wal wal WHERE datname = current_database()
"""


@dataclasses.dataclass
class Run:
    """What one run took; None is what a contender has not."""

    requests: int
    files: int
    # From the first request's beginning to the last one's end.
    wall: float
    # Of requests, in seconds.
    p50: float
    p95: float
    p99: float
    # Of the receiver, of all of Postgres, and of the program that sent the requests.
    cpu_seconds: float | None
    postgres_cpu_seconds: float | None
    driver_cpu_seconds: float | None
    device_flushes: int | None
    peak_bytes: int | None

    @property
    def requests_per_second(self):
        return self.requests / self.wall

    @property
    def files_per_second(self):
        return self.files / self.wall

    def a_file(self, value):
        return None if value is None else value / self.files


@dataclasses.dataclass
class Counts:
    """Of a file, by Postgres's own statistics."""

    commits: float
    wal_flushes: float | None


class Metered:
    """`postgres` are the servers whose Postgres a contender uses, `database_url` its place there; None without one."""

    def __init__(self, contender, file_system, postgres=None, database_url=None):
        self.contender = contender
        self.name = contender.name
        self.check = contender.check
        self.clear = contender.clear
        self.file_system = file_system
        self.postgres = postgres
        self.database_url = database_url

    def run(self, number):
        postgres_before, flushes_before = self.postgres_cpu_seconds(), self.file_system.flushes()
        taken = self.contender.run(number)
        flushes, postgres = self.file_system.flushes(), self.postgres_cpu_seconds()
        requests = len(taken.seconds)
        return Run(
            requests=requests,
            files=requests * len(self.contender.load.files),
            wall=taken.wall,
            p50=taken.median,
            p95=taken.p95,
            p99=percentile(taken.seconds, 0.99),
            cpu_seconds=taken.cpu_seconds,
            postgres_cpu_seconds=self.postgres and postgres - postgres_before,
            driver_cpu_seconds=taken.driver_cpu_seconds,
            device_flushes=None if flushes is None else flushes - flushes_before,
            peak_bytes=taken.peak_bytes,
        )

    def postgres_cpu_seconds(self):
        return self.postgres and processes.family_cpu_seconds(self.postgres.postgres_pid)

    def counted(self):
        commits, flushes = servers.query(self.database_url, COUNTED).split()
        return int(commits), None if flushes == "-" else int(flushes)


def count(contenders):
    """Counts what a run of each commits and flushes, by name. They must have a Postgres each.

    It is a run of its own because Postgres tells so late; so long a wait in every round would be most of it.
    """
    before = [each.counted() for each in contenders]
    files = [each.run(0).files for each in contenders]
    time.sleep(REPORTED_SECONDS)
    found = {}
    for each, (commits, flushes), sent in zip(contenders, before, files, strict=True):
        commits_now, flushes_now = each.counted()
        found[each.name] = Counts((commits_now - commits) / sent,
                                  None if flushes is None else (flushes_now - flushes) / sent)
        each.clear()
    return found
