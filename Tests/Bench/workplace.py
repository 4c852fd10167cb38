"""The directory a run works in, and how a signal ends the run."""

import contextlib
import glob
import os
import shutil
import signal
import sys

import servers
import volumes


def stop_on_signals():
    """Makes a signal unwind what is open, once: what is then being stopped is not to be interrupted."""
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupted(number, _):
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        print("\nStopping…", file=sys.stderr)
        raise SystemExit(128 + number)

    for each in signals:
        signal.signal(each, interrupted)


@contextlib.contextmanager
def below(data):
    """A directory for the run. What a run that was killed left behind in it goes first."""
    directory = f"{data}/work"

    def remove():
        volumes.unmount_below(directory)
        for each in glob.glob(f"{directory}/servers*"):
            servers.stop(each)
        shutil.rmtree(directory, ignore_errors=False)

    if os.path.exists(directory):
        remove()
    os.makedirs(directory)
    try:
        yield directory
    finally:
        remove()
