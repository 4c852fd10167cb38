"""Runs the cases and writes down what they measured. Started by the script `bench` beside it."""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time

import machine
import servers
import volumes
import zips.case

CASES = {"zip": zips.case.measure}


def main():
    asked = arguments()
    stop_on_signals()
    for fact, value in machine.facts().items():
        print(f"{fact:<12} {value}")
    for warning in machine.warnings(asked.data):
        print(f"\n{warning}")
    with workplace(asked.data) as directory:
        with servers.running(f"{directory}/servers") as private:
            for name in asked.cases:
                # The facts again: what else runs on the machine changes by the minute.
                result = {"case": name, "began": timestamp(), "seed": asked.seed, "machine": machine.facts()}
                result |= CASES[name](directory, private, asked.rounds, asked.seed)
                write(result, f"{asked.data}/results")


def arguments():
    parser = argparse.ArgumentParser(prog="bench", description="Measures Tolva beside its peers on this machine.")
    parser.add_argument("--data", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=10, help="measured runs of each, after one to warm up (10)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of the files' sizes and bytes")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)} (all)")
    asked = parser.parse_args()
    if unknown := [name for name in asked.cases if name not in CASES]:
        parser.error(f"There is no case {unknown[0]}; there is: {', '.join(CASES)}.")
    if asked.rounds < 1:
        parser.error("One round is the least.")
    asked.cases = asked.cases or list(CASES)
    return asked


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
def workplace(data):
    """A directory for the run. What a run that was killed left behind in it goes first."""
    directory = f"{data}/work"

    def remove():
        volumes.unmount_below(directory)
        servers.stop(f"{directory}/servers")
        shutil.rmtree(directory, ignore_errors=False)

    if os.path.exists(directory):
        remove()
    os.makedirs(directory)
    try:
        yield directory
    finally:
        remove()


def write(result, directory):
    os.makedirs(directory, exist_ok=True)
    path = f"{directory}/{result['case']}-{result['began']}.json"
    with open(path, "w") as file:
        json.dump(result, file, indent=1)
    print(f"\nEvery run: {path}")


def timestamp():
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())


if __name__ == "__main__":
    main()
