"""Runs the cases and writes down what they measured. Started by the script `bench` beside it."""

import argparse
import contextlib
import json
import os
import random
import time

import earlier
import fair.case
import latency.case
import lists.case
import machine
import servers
import small.case
import suite
import uploads.case
import workplace
import zips.case

CASES = {"zip": zips.case, "upload": uploads.case, "small": small.case, "lists": lists.case, "fair": fair.case,
         "latency": latency.case}


def main():
    asked = arguments()
    workplace.stop_on_signals()
    for fact, value in machine.facts().items():
        print(f"{fact:<12} {value}")
    for warning in machine.warnings(asked.data, max(CASES[name].DISK_BYTES for name in asked.cases)):
        print(f"\n{warning}")
    with workplace.below(asked.data) as directory, installations(asked, directory) as tolvas:
        for name, parts in asked.cases.items():
            # The facts again: what else runs on the machine changes by the minute.
            result = {"case": name, "began": timestamp(), "seed": asked.seed, "machine": machine.facts(),
                      "beside": asked.beside}
            result |= CASES[name].measure(directory, tolvas, asked.rounds, asked.seed, parts, not asked.only_tolva)
            write(result, f"{asked.data}/results")


@contextlib.contextmanager
def installations(asked, directory):
    """This build, and after it the one that was asked for."""
    programs = {"Tolva": suite.PROGRAMS}
    if asked.beside:
        kept = f"{asked.data}/beside/{asked.beside}"
        programs[f"Tolva {asked.beside}"] = earlier.programs(asked.beside, kept, *earlier.RELEASE)
    with contextlib.ExitStack() as stack:
        yield [suite.Installation(name, path, stack.enter_context(servers.running(f"{directory}/servers-{number}")))
               for number, (name, path) in enumerate(programs.items())]


def arguments():
    parser = argparse.ArgumentParser(
        prog="bench", description="Measures Tolva beside its peers on this machine.",
        epilog=" ".join(f"Parts of {name}: {', '.join(case.PARTS)}." for name, case in CASES.items()))
    parser.add_argument("--data", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=10, help="measured runs of each, after one to warm up (10)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of the files' sizes and bytes")
    parser.add_argument("--beside", metavar="COMMIT", help="measures an earlier build in the same rounds, too")
    parser.add_argument("--only-tolva", action="store_true", help="leaves the peers out")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="a whole one, or some of its parts: CASE:PART,… (all)")
    asked = parser.parse_args()
    if asked.rounds < 1:
        parser.error("One round is the least.")
    try:
        asked.cases = dict(map(chosen, asked.cases or CASES))
        asked.beside = asked.beside and earlier.short_hash(asked.beside)
    except ValueError as error:
        parser.error(str(error))
    return asked


def chosen(argument):
    """A case and its parts, from `case` or `case:part,part`."""
    name, _, listed = argument.partition(":")
    if name not in CASES:
        raise ValueError(f"There is no case {name}; there is: {', '.join(CASES)}.")
    by_hand = getattr(CASES[name], "BY_HAND", [])
    parts = listed.split(",") if listed else [part for part in CASES[name].PARTS if part not in by_hand]
    for part in parts:
        if part not in CASES[name].PARTS:
            raise ValueError(f"There is no {part} in {name}; there is: {', '.join(CASES[name].PARTS)}.")
    return name, parts


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
