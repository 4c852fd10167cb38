"""The nginx that is shipped, in front of one API on this machine."""

import contextlib
import getpass
import os
import re
import subprocess
import time

import machine

SHIPPED = f"{machine.ROOT}/deploy/nginx/nginx.conf"
STOP_SECONDS = 40


@contextlib.contextmanager
def running(directory, port, api_port, volume):
    """Starts it with its own settings but for addresses and paths, and stops it at the end."""
    os.makedirs(directory)
    os.makedirs(f"{directory}/media")
    os.symlink(volume, f"{directory}/media/main")
    configuration = f"{directory}/nginx.conf"
    with open(configuration, "w") as file:
        file.write(adapted(directory, port, api_port))
    # Whoever has written the volume may read it.
    command = ["/usr/sbin/nginx", "-p", directory, "-c", configuration, "-g", f"daemon off; user {getpass.getuser()};"]
    with open(f"{directory}/log", "wb") as log:
        process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *command], stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log, start_new_session=True)
    try:
        wait(process, f"{directory}/nginx.pid", f"{directory}/log")
        yield process
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def adapted(directory, port, api_port):
    with open(SHIPPED) as file:
        text = file.read()
    for pattern, here in [
        (r" /tmp/", f" {directory}/"),
        (r"listen 8080\b.*;", f"listen 127.0.0.1:{port};"),
        (r"default api:8080;", f"default 127.0.0.1:{api_port};"),
        (r"alias /media/;", f"alias {directory}/media/;"),
    ]:
        text, count = re.subn(pattern, here, text)
        if count == 0:
            raise RuntimeError(f"{SHIPPED} has no “{pattern}” to adapt.")
    return text


def wait(process, pid_file, log):
    deadline = time.monotonic() + 10
    while not os.path.exists(pid_file):
        if process.poll() is not None or time.monotonic() > deadline:
            with open(log) as file:
                raise RuntimeError(f"nginx does not start:\n{file.read()}")
        time.sleep(0.05)
