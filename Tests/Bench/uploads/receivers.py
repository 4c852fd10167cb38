"""What takes the uploads: Tolva, and others beside it."""

import contextlib
import dataclasses
import os
import sys
import tempfile

import nginx
import servers
import suite
from client import Client
from uploads import programs

PEER_WORKERS = 2


@dataclasses.dataclass
class Target:
    """Where requests go. A `#` in the path becomes a number."""

    port: int
    method: str
    path: str
    header: str = ""


class Tolva:
    """The API alone: a media worker would take from its processors what no other receiver has to give.

    `remove` takes what a run has left.
    """

    answers_hashes = True

    def __init__(self, running, remove=None):
        self.suite = running
        self.remove = remove or remove_files
        self.pids = [running.process_id("api")]
        self.port = running.client.connection.port
        self.item = None

    def target(self, method, extension):
        """An item of their own for what is sent until `clear`."""
        if self.item is None:
            self.item = self.suite.client.post("/v1/items", {"code": "EQ-001", "name": "Pump"})["id"]
        path = f"/v1/items/{self.item}/assets" + (f"/file-#{extension}" if method == "PUT" else "")
        return Target(self.port, method, path, f"Authorization: {self.suite.client.headers['Authorization']}")

    def clear(self):
        """Gives how many files were kept."""
        kept = int(servers.query(
            self.suite.database_url, f"SELECT count(*) FROM assets WHERE item_id = '{self.item}'"))
        self.remove(f"{self.suite.volume}/originals")
        self.suite.client.delete(f"/v1/items/{self.item}")
        self.item = None
        return kept


class BehindNginx:
    """A receiver with nginx before it, both of whose costs count."""

    answers_hashes = True

    def __init__(self, receiver, port, pid):
        self.receiver = receiver
        self.port = port
        self.pids = [*receiver.pids, pid]

    def target(self, method, extension):
        return dataclasses.replace(self.receiver.target(method, extension), port=self.port)

    def clear(self):
        return self.receiver.clear()


class FastAPI:
    """`fastapi_app.py`."""

    answers_hashes = True

    def __init__(self, port, pid, store, database_url):
        self.port = port
        self.pids = [pid]
        self.store = store
        self.database_url = database_url
        self.remove = remove_files

    def target(self, method, extension):
        return Target(self.port, method, "/uploads" + (f"/file-#{extension}" if method == "PUT" else ""))

    def clear(self):
        kept = servers.query(self.database_url,
                             "WITH gone AS (DELETE FROM uploads RETURNING 1) SELECT count(*) FROM gone")
        self.remove(self.store)
        return int(kept)


class FileStore:
    """A receiver that makes a file of every body and knows nothing else: WebDAV, and the bare programs."""

    def __init__(self, port, pid, store, answers_hashes):
        self.port = port
        self.pids = [pid]
        self.store = store
        self.answers_hashes = answers_hashes

    def target(self, method, extension):
        return Target(self.port, method, f"/file-#{extension}")

    def clear(self):
        return remove_files(self.store)


def set_aside(directory):
    """As `remove_files`, but they stay on the disk until the case ends.

    After many files were removed, an ext4 without a journal takes minutes in which each new one costs it a search.
    """
    count = sum(len(names) for _, _, names in os.walk(directory))
    aside = tempfile.mkdtemp(prefix="aside-", dir=os.path.dirname(os.path.dirname(directory)))
    for name in os.listdir(directory):
        os.rename(f"{directory}/{name}", f"{aside}/{name}")
    return count


def remove_files(directory):
    """All below a directory, whose own directories stay; gives how many there were."""
    count = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            os.remove(f"{parent}/{name}")
            count += 1
    return count


@contextlib.contextmanager
def fastapi(directory, database_url, broker_url):
    os.makedirs(f"{directory}/store")
    os.makedirs(f"{directory}/temporary")
    port = suite.free_port()
    command = [sys.executable, "-B", "-m", "uvicorn", "fastapi_app:app", "--port", str(port),
               "--workers", str(PEER_WORKERS), "--loop", "uvloop", "--http", "httptools", "--no-access-log",
               "--log-level", "warning"]
    environment = {"STORE": f"{directory}/store", "TMPDIR": f"{directory}/temporary",
                   "DATABASE_URL": database_url, "AMQP_URL": broker_url}
    with programs.serving(command, port, f"{directory}/log", environment) as pid:
        # The port is open before anything answers.
        Client(port).get("/ready")
        yield FastAPI(port, pid, f"{directory}/store", database_url)


@contextlib.contextmanager
def bare(program, way, directory):
    """`receiver.c`, in one of its ways."""
    os.makedirs(f"{directory}/store")
    port = suite.free_port()
    command = [program, str(port), f"{directory}/store", way]
    with programs.serving(command, port, f"{directory}/log") as pid:
        yield FileStore(port, pid, f"{directory}/store", answers_hashes=True)


@contextlib.contextmanager
def webdav(directory):
    """Takes no hash, so it answers none."""
    os.makedirs(f"{directory}/store")
    port = suite.free_port()
    changes = {"@PORT@": str(port), "@STORE@": f"{directory}/store", "@DIRECTORY@": directory}
    with nginx.serving(f"{programs.SOURCES}/webdav.conf", changes, directory, port) as pid:
        yield FileStore(port, pid, f"{directory}/store", answers_hashes=False)


@contextlib.contextmanager
def behind_nginx(receiver, directory, collects_bodies=False):
    """The nginx that Tolva ships; with `collects_bodies`, a request goes on to the API when all of it has come."""
    collecting = {"proxy_request_buffering off;": "proxy_request_buffering on;"} if collects_bodies else {}
    with nginx.shipped(directory, f"127.0.0.1:{receiver.port}", more=collecting) as (port, pid):
        yield BehindNginx(receiver, port, pid)
