"""The programs beside this file, and servers as cases start them."""

import contextlib
import os
import socket
import subprocess
import time

SOURCES = os.path.dirname(os.path.realpath(__file__))
READY_SECONDS = 60
STOP_SECONDS = 20


def compile(name, directory, sources=SOURCES):
    """Compiles a C program and gives its path."""
    program = f"{directory}/{name}"
    subprocess.run(["cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, f"{sources}/{name}.c",
                    "-lcrypto", "-lpthread"], check=True)
    return program


@contextlib.contextmanager
def serving(command, port, log, environment=None):
    """Starts a server, waits until its port is open, gives its process id, and stops it at the end."""
    with open(log, "ab") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command], env=os.environ | (environment or {}), cwd=SOURCES,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not is_open(port):
            if process.poll() is not None or time.monotonic() > deadline:
                with open(log, errors="replace") as lines:
                    raise RuntimeError(f"{' '.join(command)} does not start:\n{lines.read()[-3000:]}")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def is_open(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
