"""What a process costs: seconds of CPU, and the peak of its memory."""

import contextlib
import dataclasses
import os
import subprocess
import threading
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
SAMPLING_SECONDS = 0.005
MAXIMUM_SECONDS = 300


@dataclasses.dataclass
class Cost:
    """Of one command, from its start to its end."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def cpu_seconds(pid):
    """All its threads have used so far, in user and kernel mode."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def peak_bytes(pid):
    """Of its resident memory, since the last `forget_peak`; 0 for a process that has ended."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def forget_peak(pid):
    """Where that is not allowed, the peak stays that of its whole life."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")


def run(command):
    """Runs a command to its end, which must be a good one.

    Its peak is looked at while it runs: the one the kernel reports afterwards includes the process that started it.
    """
    peak = 0
    has_ended = threading.Event()

    def watch(pid, began):
        nonlocal peak
        while not has_ended.is_set():
            peak = max(peak, peak_bytes(pid))
            if time.monotonic() - began > MAXIMUM_SECONDS:
                process.kill()
            has_ended.wait(SAMPLING_SECONDS)

    began = time.monotonic()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    watcher = threading.Thread(target=watch, args=(process.pid, began))
    watcher.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        has_ended.set()
        watcher.join()
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with status {process.returncode}.")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, peak)
