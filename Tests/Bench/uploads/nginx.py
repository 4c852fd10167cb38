"""nginx as this case needs it: as Tolva ships it, and as a plain store of files."""

import contextlib
import os
import shutil
import subprocess

import machine
import suite
from uploads import programs

SHIPPED = f"{machine.ROOT}/deploy/nginx/nginx.conf"
WEBDAV = f"{programs.SOURCES}/webdav.conf"


def shipped(directory, api_port, collects_bodies):
    """The shipped configuration with ports and directories of this run.

    With `collects_bodies` it differs in one setting more: a request goes on to the API when all of it has come.
    """
    port = suite.free_port()
    changes = {
        "listen 8080 ": f"listen 127.0.0.1:{port} ",
        "default api:8080;": f"default 127.0.0.1:{api_port};",
        " /tmp/": f" {directory}/",
        "access_log /dev/stdout": f"access_log {directory}/access.log",
    }
    if collects_bodies:
        changes["proxy_request_buffering off;"] = "proxy_request_buffering on;"
    return serving(SHIPPED, changes, directory, port)


def webdav(directory, store):
    port = suite.free_port()
    return serving(WEBDAV, {"@PORT@": str(port), "@STORE@": store, "@DIRECTORY@": directory}, directory, port)


@contextlib.contextmanager
def serving(template, changes, directory, port):
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
    account = " user root;" if os.geteuid() == 0 else ""
    command = [program(), "-c", configuration, "-p", directory, "-e", f"{directory}/log", "-g", f"daemon off;{account}"]
    with programs.serving(command, port, f"{directory}/log") as pid:
        yield port, pid


def program():
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def version():
    answer = subprocess.run([program(), "-v"], check=True, stderr=subprocess.PIPE, text=True)
    return answer.stderr.strip().rpartition("/")[2]
