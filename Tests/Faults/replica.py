"""One process of a service, and those that take its place."""

import dataclasses
import http.client
import json
import os
import signal
import subprocess
import time

READY_SECONDS = 60
# The services' own grace period (GRACE_PERIOD), and what a process may take besides before it counts as stuck.
GRACE_SECONDS = 30
STUCK_SECONDS = GRACE_SECONDS + 10
HEALTH_SECONDS = 2
# A signal is heard a moment after it was sent.
NOTICED_SECONDS = 0.5
WORKING = ("ready", "degraded")


@dataclasses.dataclass
class Ending:
    """How a process ended that was told to."""

    replica: str
    status: int
    seconds: float
    # What it said when it had heard the signal.
    health: str


class Replica:
    """Keeps its address, its log and its settings from one process to the next.

    A process belongs to the thread that starts it, and dies with that.
    """

    def __init__(self, service, number, address, program, environment, logs):
        self.service = service
        self.name = f"{service}-{number}"
        self.address = address
        self.program = program
        self.environment = environment | {"INSTANCE_NAME": self.name}
        self.log = f"{logs}/{self.name}.log"
        self.process = None
        self.is_paused = False

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", self.program], env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True)
        self.is_paused = False

    def wait_until_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while (health := self.health()) != "ready":
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not become ready ({health}):\n{self.last_lines()}")
            time.sleep(0.05)

    def health(self):
        """`ready`, `degraded`, `unready` or `draining`, as it says; `away` if nothing answers."""
        connection = http.client.HTTPConnection(*self.address, timeout=HEALTH_SECONDS)
        try:
            connection.request("GET", "/health/ready")
            return json.loads(connection.getresponse().read())["status"]
        except (OSError, http.client.HTTPException, ValueError):
            return "away"
        finally:
            connection.close()

    def stop(self):
        """Tells it to end, as a restart does, and waits until it has."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        while (health := self.health()) in WORKING and time.monotonic() - began < NOTICED_SECONDS:
            pass
        try:
            status = self.process.wait(STUCK_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self.process.returncode
        return Ending(self.name, status, time.monotonic() - began, health)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)
        self.is_paused = True

    def resume(self):
        self.process.send_signal(signal.SIGCONT)
        self.is_paused = False

    def resident_bytes(self):
        """0 once it has ended."""
        try:
            with open(f"/proc/{self.pid}/statm") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
        except OSError:
            return 0

    def descriptors(self):
        """What each of its open descriptors stands for, as /proc names it."""
        directory = f"/proc/{self.pid}/fd"
        found = []
        for number in os.listdir(directory):
            try:
                found.append(os.readlink(f"{directory}/{number}"))
            except FileNotFoundError:
                continue
        return found

    def last_lines(self):
        with open(self.log, errors="replace") as file:
            return file.read()[-3000:]
