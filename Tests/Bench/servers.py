"""A Postgres and a RabbitMQ of the benchmark's own."""

import contextlib
import os
import subprocess
import urllib.parse

import machine

SERVERS = f"{machine.ROOT}/deploy/local/servers"


class Servers:
    """Where they are."""

    def __init__(self, directory):
        self.directory = directory
        with open(f"{directory}/servers.env") as file:
            settings = dict(line.strip().split("=", 1) for line in file)
        self.database_url = settings["DATABASE_URL"]
        self.broker_url = settings["AMQP_URL"]
        with open(f"{directory}/postgres.pid") as file:
            self.postgres_pid = int(file.read().split()[0])

    def new_database(self, name):
        """Makes an empty database and gives its URL."""
        query(self.database_url, f"CREATE DATABASE {name}")
        return urllib.parse.urlsplit(self.database_url)._replace(path=f"/{name}").geturl()

    def broker(self, action):
        """Does to the broker what the action says: `kill`, as a crash would, or `start`, until it answers."""
        subprocess.run([SERVERS, f"{action}-broker", self.directory], check=True)


@contextlib.contextmanager
def running(directory):
    """Starts both, and stops them at the end."""
    try:
        subprocess.run([SERVERS, "start", directory], check=True)
        yield Servers(directory)
    finally:
        stop(directory)


def stop(directory):
    """Also those of a run that was killed."""
    if os.path.exists(f"{directory}/servers.env"):
        subprocess.run([SERVERS, "stop", directory], check=True)


def query(url, statement):
    """What it gives as text: a line a row."""
    command = ["psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-c", statement, url]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
