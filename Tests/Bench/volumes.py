"""The file systems that are measured on: the machine's own, and one that shares blocks."""

import contextlib
import ctypes
import dataclasses
import fcntl
import os
import shutil
import subprocess
import tempfile
import time

import machine

XFS_BYTES = 4 << 30
FICLONE = 0x40049409  # linux/fs.h
SETTLING_SECONDS = 2
FLUSHES_FIELD = 15  # Of the kernel's block/stat, from 0
LIBC = ctypes.CDLL(None, use_errno=True)


@dataclasses.dataclass
class FileSystem:
    directory: str
    # As a person knows it.
    name: str
    # Whether a copy can share the blocks of what it is a copy of.
    shares_blocks: bool

    def sync(self):
        """Everything written to it so far is on the disk when this returns."""
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if LIBC.syncfs(descriptor) != 0:
                raise OSError(ctypes.get_errno(), "syncfs", self.directory)
        finally:
            os.close(descriptor)

    def flushes(self):
        """How often the disk it lies on has been told to flush its cache so far; None if the kernel does not say."""
        device = os.stat(self.directory).st_dev
        place = os.path.realpath(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
        # Those of a partition are counted for its disk.
        if os.path.exists(f"{place}/partition"):
            place = os.path.dirname(place)
        if not os.path.exists(f"{place}/stat"):
            return None
        with open(f"{place}/stat") as file:
            fields = file.read().split()
        return int(fields[FLUSHES_FIELD]) if len(fields) > FLUSHES_FIELD else None

    def used(self):
        """Bytes in use. What is being freed in the background (XFS) is waited for."""
        deadline = time.monotonic() + SETTLING_SECONDS
        before = None
        while (now := self.used_now()) != before and time.monotonic() < deadline:
            before = now
            time.sleep(0.02)
        return now

    def used_now(self):
        status = os.statvfs(self.directory)
        return (status.f_blocks - status.f_bfree) * status.f_frsize


@contextlib.contextmanager
def own(directory):
    """The file system that the directory lies on."""
    os.makedirs(directory)
    kind, source = machine.output("findmnt", "-n", "-o", "FSTYPE,SOURCE", "-T", directory).split()
    shares = shares_blocks(directory)
    try:
        ability = "shares" if shares else "cannot share"
        yield FileSystem(directory, f"{kind} on {source}, which {ability} blocks", shares)
    finally:
        shutil.rmtree(directory)


def why_no_xfs():
    """Why this process cannot mount one; None if it can."""
    if os.geteuid() != 0:
        return "it needs root"
    if not os.path.exists("/dev/loop-control"):
        return "the kernel has no loop devices"
    if shutil.which("mkfs.xfs", path="/usr/sbin:/sbin") is None:
        return "it needs the Debian package xfsprogs"
    return None


@contextlib.contextmanager
def xfs(directory):
    """A new XFS in a file beside the directory it is mounted at."""
    image = f"{directory}.img"
    os.makedirs(directory)
    with open(image, "wb") as file:
        file.truncate(XFS_BYTES)
    try:
        run("mkfs.xfs", "-q", "-m", "reflink=1", image)
        run("mount", "-o", "loop", image, directory)
        device = machine.output("findmnt", "-n", "-o", "SOURCE", directory)
        # Past the page cache of the file system below, or everything would be in memory twice, and synced twice.
        is_direct = subprocess.run(["losetup", "--direct-io=on", device], stderr=subprocess.DEVNULL).returncode == 0
        name = f"xfs in a file, {'with' if is_direct else 'without'} direct I/O, which shares blocks"
        yield FileSystem(directory, name, shares_blocks(directory))
    finally:
        if os.path.ismount(directory):
            run("umount", directory)
        os.remove(image)


def unmount_below(directory):
    """What a run that was killed has left mounted."""
    for name in os.listdir(directory):
        if os.path.ismount(f"{directory}/{name}"):
            run("umount", f"{directory}/{name}")


def shares_blocks(directory):
    with tempfile.TemporaryFile(dir=directory) as source, tempfile.TemporaryFile(dir=directory) as copy:
        source.write(b"\1" * 4096)
        source.flush()
        try:
            fcntl.ioctl(copy, FICLONE, source.fileno())
        except OSError:
            return False
        return True


def run(*command):
    environment = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    subprocess.run(command, check=True, env=environment)
