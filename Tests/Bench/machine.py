"""What the figures were measured on."""

import os
import platform
import subprocess
import time

ROOT = os.path.realpath(f"{os.path.dirname(__file__)}/../..")
NEEDED_MEMORY_BYTES = 4_000_000_000
QUIET_SHARE = 0.1


def facts():
    return {
        "commit": commit(),
        "processor": f"{os.cpu_count()} × {line_of('/proc/cpuinfo', 'model name')}",
        "memory": f"{memory('MemTotal') / 1e9:.1f} GB",
        "kernel": f"{platform.release()} {platform.machine()}",
        "system": platform.freedesktop_os_release()["PRETTY_NAME"],
        "swift": output("swift", "--version").splitlines()[0],
        "python": platform.python_version(),
        "cp": output("cp", "--version").splitlines()[0],
        "busy": f"{busy_share():.0%} with something else",
    }


def warnings(directory, needed_bytes):
    """What makes the figures worth less, or impossible."""
    status = os.statvfs(directory)
    if status.f_bavail * status.f_frsize < needed_bytes:
        raise SystemExit(f"bench: {directory} needs {needed_bytes / 1e9:.0f} GB of free disk.")
    if memory("MemAvailable") < NEEDED_MEMORY_BYTES:
        yield "Little memory is free: what is read may come from the disk, and not from memory as it should."
    if busy_share() > QUIET_SHARE:
        yield "Something else keeps this machine busy: the figures are worth little. Ratios suffer less than times."


def commit():
    changed = output("git", "-C", ROOT, "status", "--porcelain", "--untracked-files=no")
    return output("git", "-C", ROOT, "rev-parse", "--short", "HEAD") + (" with changes" if changed else "")


def busy_share():
    """Of all processors' time, in the second that follows."""
    def times():
        with open("/proc/stat") as file:
            fields = [int(field) for field in file.readline().split()[1:9]]
        return sum(fields), fields[3] + fields[4]

    total, idle = times()
    time.sleep(1)
    new_total, new_idle = times()
    return 1 - (new_idle - idle) / (new_total - total)


def memory(kind):
    return int(line_of("/proc/meminfo", kind).removesuffix(" kB")) * 1024


def line_of(path, name):
    with open(path) as file:
        for line in file:
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    return "unknown"


def output(*command):
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return answer.stdout.strip()
