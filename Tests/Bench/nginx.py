"""nginx on this machine: as Tolva ships it, or with a configuration of somebody else."""

import contextlib
import getpass
import os
import shutil
import subprocess

import machine
import suite
from uploads import programs

SHIPPED = f"{machine.ROOT}/deploy/nginx/nginx.conf"


@contextlib.contextmanager
def shipped(directory, api, volume=None, more=None):
    """The shipped configuration but for addresses and paths, and what `more` changes; gives its port and process id.

    `api` is where the API answers, `volume` the directory it has as its volume `main`.
    """
    os.makedirs(f"{directory}/media", exist_ok=True)
    if volume:
        os.symlink(volume, f"{directory}/media/main")
    port = suite.free_port()
    changes = {
        # First: what is put in afterwards may be below /tmp itself.
        " /tmp/": f" {directory}/",
        "listen 8080 ": f"listen 127.0.0.1:{port} ",
        "default api:8080;": f"default {api};",
        "alias /media/;": f"alias {directory}/media/;",
    }
    with serving(SHIPPED, changes | (more or {}), directory, port) as pid:
        yield port, pid


@contextlib.contextmanager
def serving(template, changes, directory, port):
    """Starts it with a configuration in which texts are replaced, each of which must be there, and stops it."""
    with open(template) as file:
        text = file.read()
    for old, new in changes.items():
        if old not in text:
            raise RuntimeError(f"{template} does not say “{old}” any more.")
        text = text.replace(old, new)
    configuration = f"{directory}/nginx.conf"
    with open(configuration, "w") as file:
        file.write(text)
    # Started by root, its workers would be somebody who may not enter the directory.
    settings = f"daemon off; user {getpass.getuser()};" if os.geteuid() == 0 else "daemon off;"
    command = [program(), "-c", configuration, "-p", directory, "-e", f"{directory}/log", "-g", settings]
    with programs.serving(command, port, f"{directory}/log") as pid:
        yield pid


def program():
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def version():
    answer = subprocess.run([program(), "-v"], check=True, stderr=subprocess.PIPE, text=True)
    return answer.stderr.strip().rpartition("/")[2]
