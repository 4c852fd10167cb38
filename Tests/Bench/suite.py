"""Tolva as an operator runs it: its release builds, on free ports."""

import contextlib
import dataclasses
import os
import secrets
import socket
import subprocess
import time

import machine
import servers
from client import Client

PROGRAMS = f"{machine.ROOT}/.build/release"
# The company of the first user, as the API makes it.
FIRST_COMPANY = "Demo"
READY_SECONDS = 60
STOP_SECONDS = 40


@dataclasses.dataclass
class Installation:
    """A build of Tolva, and the servers that are its own: each build has its own schema and queues."""

    name: str
    programs: str
    private: servers.Servers

    def running(self, services, volume, name, logs):
        return running(services, volume, self.private, name, logs, self.programs)


class Suite:
    """The API and the workers on one volume, with a database of their own."""

    def __init__(self, programs, volume, environment, logs):
        self.programs = programs
        self.volume = volume
        self.environment = environment
        self.logs = logs
        self.processes = {}
        self.ports = {}
        self.client = None

    @property
    def database_url(self):
        return self.environment["DATABASE_URL"]

    def start(self, service, port):
        self.ports[service] = port
        with open(f"{self.logs}/{service}.log", "ab") as log:
            # A session of its own keeps Ctrl-C for the benchmark, which then stops it; and it never outlives the
            # benchmark, however that ends.
            self.processes[service] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", f"{self.programs}/tolva-{service}"],
                env=self.environment | {"HEALTH_HOST": "127.0.0.1", "HEALTH_PORT": str(port)},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + READY_SECONDS
        while not self.is_ready(service):
            if self.processes[service].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{service} does not become ready:\n{self.last_lines(service)}")
            time.sleep(0.1)

    def stop(self):
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def is_ready(self, service):
        return Client(self.ports[service]).is_ready()

    def add_company(self, name):
        """Makes a company with one user, and gives the client of that user."""
        self.control("company", "create", name)
        return self.add_user(f"{name.replace(' ', '-').lower()}@example.com", name)

    def add_user(self, email, company=FIRST_COMPANY):
        """Makes a user of a company, and gives that user's client."""
        password = secrets.token_hex(12)
        self.control("user", "create", email, "--company", company, "--role", "member", TOLVA_PASSWORD=password)
        client = Client(self.ports["api"])
        client.sign_in(email, password)
        return client

    def control(self, *arguments, **settings):
        """Runs tolvactl."""
        subprocess.run([f"{self.programs}/tolvactl", *arguments], check=True, env=self.environment | settings,
                       stdout=subprocess.DEVNULL)

    def process_id(self, service):
        return self.processes[service].pid

    def last_lines(self, service):
        with open(f"{self.logs}/{service}.log", errors="replace") as file:
            return file.read()[-3000:]


@contextlib.contextmanager
def running(services, volume, private, name, logs, programs=PROGRAMS):
    """Starts the API and the services named, and stops them at the end.

    `private` are the servers, `name` is the database's, and `programs` a directory. Settings of the shell's environment
    reach the programs.
    """
    port = free_port()
    environment = os.environ | {
        "VOLUMES": f"main={volume}", "VOLUME_RESERVE_BYTES": "64MiB",
        "DATABASE_URL": private.new_database(name), "AMQP_URL": private.broker_url,
        "HTTP_HOST": "127.0.0.1", "HTTP_PORT": str(port),
        "ADMIN_EMAIL": "bench@example.com", "ADMIN_PASSWORD": secrets.token_hex(12),
    }
    os.makedirs(volume, exist_ok=True)
    os.makedirs(logs, exist_ok=True)
    suite = Suite(programs, volume, environment, logs)
    suite.control("migrate")
    try:
        suite.start("api", port)
        suite.client = Client(port)
        suite.client.sign_in(environment["ADMIN_EMAIL"], environment["ADMIN_PASSWORD"])
        for service in services:
            suite.start(service, free_port())
        yield suite
    finally:
        suite.stop()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]
