"""The whole suite: two processes of each service behind the nginx that is shipped."""

import contextlib
import os
import secrets
import subprocess

import nginx
import names
import servers
import suite
from client import Client
from replica import Replica

SERVICES = ("api", "media-worker", "zip-worker")
REPLICAS = 2


class Fleet:
    """What runs, and where."""

    def __init__(self, directory, programs, environment, volume):
        self.directory = directory
        self.programs = programs
        self.environment = environment
        self.volume = volume
        self.port = None
        self.client = None
        self.replicas = []

    def of(self, *services):
        return [replica for replica in self.replicas if replica.service in services]

    def sign_in(self):
        """As the first admin, through nginx."""
        self.client = Client(self.port)
        self.client.sign_in(self.environment["ADMIN_EMAIL"], self.environment["ADMIN_PASSWORD"])

    def query(self, statement):
        return servers.query(self.environment["DATABASE_URL"], statement)

    def number(self, statement):
        return int(self.query(statement))

    def control(self, *arguments):
        """Runs tolvactl; gives whether it was content, and what it said."""
        ended = subprocess.run([f"{self.programs}/tolvactl", *arguments], env=self.environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return ended.returncode == 0, ended.stdout.strip()

    def serve(self, command):
        """One of the commands of deploy/local/servers, such as `kill-broker`."""
        subprocess.run([servers.SERVERS, command, f"{self.directory}/servers"], check=True)

    def stop(self):
        return [replica.stop() for replica in self.replicas]


@contextlib.contextmanager
def running(directory, programs, settings=None):
    """Starts everything, the servers as well, and stops it at the end. `settings` are of the services."""
    volume, logs = f"{directory}/media", f"{directory}/logs"
    os.makedirs(volume)
    os.makedirs(logs)
    with contextlib.ExitStack() as stack:
        private = stack.enter_context(servers.running(f"{directory}/servers"))
        port = suite.free_port()
        environment = os.environ | {
            "VOLUMES": f"main={volume}", "VOLUME_RESERVE_BYTES": "64MiB",
            "DATABASE_URL": private.new_database("faults"), "AMQP_URL": private.broker_url,
            "HTTP_PORT": str(port), "TRUST_PROXY": "true", "ACCEL_REDIRECT": "true",
            "ADMIN_EMAIL": "faults@example.com", "ADMIN_PASSWORD": secrets.token_hex(12),
        } | (settings or {})
        fleet = Fleet(directory, programs, environment, volume)
        is_migrated, said = fleet.control("migrate")
        if not is_migrated:
            raise RuntimeError(f"The database could not be migrated: {said}")
        fleet.replicas = [replica(service, number, fleet, logs)
                          for service in SERVICES for number in range(1, REPLICAS + 1)]
        stack.callback(end, fleet)
        for each in fleet.replicas:
            each.start()
        for each in fleet.replicas:
            each.wait_until_ready()
        resolver = stack.enter_context(names.resolving([each.address[0] for each in fleet.of("api")]))
        fleet.port, _ = stack.enter_context(nginx.shipped(
            f"{directory}/nginx", f"api:{port}", volume, more={"resolver 127.0.0.11 ": f"resolver {resolver} "}))
        fleet.sign_in()
        yield fleet


def replica(service, number, fleet, logs):
    """An API has an address of its own, as a container has; a worker a port of its own for its health."""
    if service == "api":
        address = (f"127.0.0.{number + 1}", int(fleet.environment["HTTP_PORT"]))
        own = {"HTTP_HOST": address[0]}
    else:
        address = ("127.0.0.1", suite.free_port())
        own = {"HEALTH_HOST": address[0], "HEALTH_PORT": str(address[1])}
    return Replica(service, number, address, f"{fleet.programs}/tolva-{service}", fleet.environment | own, logs)


def end(fleet):
    for each in fleet.replicas:
        if each.process is not None and each.process.poll() is None:
            each.kill()
