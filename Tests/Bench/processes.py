"""What a process costs: seconds of CPU, and the peak of its memory."""

import contextlib
import dataclasses
import glob
import os
import subprocess
import threading
import time

CPUCLOCK_SCHED = 2  # Of the kernel's posix-timers_types.h
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
    # The clock clock_getcpuclockid(3) would give, which Python has for threads only. It counts nanoseconds, where
    # /proc/PID/stat has hundredths of a second.
    return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)


def family_cpu_seconds(pid):
    """A process and all that have come from it have used so far, those included that have ended and been waited for."""
    seconds = 0
    # Children first: of one that ends meanwhile, its parent then tells.
    for each in reversed(family(pid)):
        with contextlib.suppress(OSError), open(f"/proc/{each}/stat") as file:
            # User and system time of those that have ended (proc(5): cutime, cstime), behind a name with any letters.
            ended = file.read().rpartition(") ")[2].split()[13:15]
            seconds += cpu_seconds(each) + sum(map(int, ended)) / os.sysconf("SC_CLK_TCK")
    return seconds


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


def family(pid):
    """A process and all that have come from it."""
    pids = [pid]
    for parent in pids:
        for path in glob.glob(f"/proc/{parent}/task/*/children"):
            # A thread may end at any time.
            with contextlib.suppress(OSError), open(path) as file:
                pids += map(int, file.read().split())
    return pids


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
