"""The least that the disk and the database take for such uploads: neither program receives anything."""

import glob
import json
import os
import subprocess
import time

import processes
import servers
from uploads.driver import MAXIMUM_SECONDS, Answer, Run
from uploads.receivers import remove_files, set_aside

MOST_THREADS = 16
PGBENCH_THREADS = 2
ENDING_SECONDS = 0.5
# How many clients are surely connected in a second, which pgbench counts as time of the run.
CLIENTS_CONNECTED_A_SECOND = 32
TABLES = """
    CREATE TABLE assets (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(), filename text NOT NULL, bytes bigint NOT NULL,
        sha256 text NOT NULL UNIQUE, created_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE jobs (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(), subject_id uuid NOT NULL UNIQUE,
        state text NOT NULL DEFAULT 'queued', created_at timestamptz NOT NULL DEFAULT now())
"""
# Two rows a file, in one transaction and one round trip.
TRANSACTION = """
    WITH asset AS (
        INSERT INTO assets (filename, bytes, sha256)
        SELECT 'document.pdf', 20000, replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')
          FROM generate_series(1, :files)
        RETURNING id)
    INSERT INTO jobs (subject_id) SELECT id FROM asset;
"""


class Disk:
    """`floor.c`: a thread for each request in flight, sixteen at most."""

    def __init__(self, program, directory, load, seed):
        self.threads = min(load.connections, MOST_THREADS)
        self.name = f"bare C, {self.threads} {'thread' if self.threads == 1 else 'threads'}"
        self.program = program
        self.directory = directory
        self.load = load
        self.seed = seed

    def run(self, number):
        os.makedirs(self.directory)
        command = [self.program, self.threads, self.load.seconds, len(self.load.files),
                   self.load.size(self.seed, number), self.directory]
        finished = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True,
                                  timeout=MAXIMUM_SECONDS)
        answer = Answer(**json.loads(finished.stdout))
        return Run(answer.seconds, answer.wall, answer.cpu_seconds, peak_bytes=None, driver_cpu_seconds=None)

    def check(self):
        pass

    def clear(self):
        set_aside(self.directory)
        os.rmdir(self.directory)


class Rows:
    """`pgbench`: a client for each request in flight."""

    name = "pgbench"

    def __init__(self, database_url, directory, load):
        self.database_url = database_url
        self.directory = directory
        self.load = load

    def run(self, _):
        clients = self.load.connections
        script, log = f"{self.directory}/transaction.sql", f"{self.directory}/log"
        os.makedirs(self.directory)
        with open(script, "w") as file:
            file.write(" ".join(TRANSACTION.split()))
        cost = processes.run([
            "pgbench", "-n", "-M", "prepared", "-T", str(self.load.seconds + clients // CLIENTS_CONNECTED_A_SECOND),
            "-c", str(clients), "-j", str(min(clients, PGBENCH_THREADS)), "-D", f"files={len(self.load.files)}",
            "-f", script, "-l", "--log-prefix", log, self.database_url])
        # Its sessions end a moment later, and only then is all they have used known.
        time.sleep(ENDING_SECONDS)
        seconds, ends = [], []
        for path in glob.glob(f"{log}*"):
            with open(path) as file:
                for line in file:
                    # Client, its transactions, microseconds, script, and when it ended: seconds and microseconds.
                    _, _, taken, _, whole, rest = line.split()
                    seconds.append(int(taken) / 1e6)
                    ends.append(int(whole) + int(rest) / 1e6)
        if not ends:
            raise RuntimeError("pgbench's clients did not connect in time: the machine is too busy.")
        wall = max(ends) - min(end - taken for end, taken in zip(ends, seconds, strict=True))
        return Run(seconds, wall, cpu_seconds=None, peak_bytes=None, driver_cpu_seconds=cost.cpu_seconds)

    def check(self):
        pass

    def clear(self):
        servers.query(self.database_url, "TRUNCATE assets, jobs")
        remove_files(self.directory)
        os.rmdir(self.directory)


def new_tables(database_url):
    """For `Rows`, in an empty database; gives its URL."""
    servers.query(database_url, TABLES)
    return database_url
