"""Runs every scenario with and without what it sends, and compares. Started by the script `paths` beside it."""

import argparse
import contextlib
import json
import os
import time

import coverage
import earlier
import machine
import servers
import suite
import tables
import workplace
from scenarios import SCENARIOS

# Without fault points, as operators run it, and without the optimizer, so that lines are executed as they are written.
FLAGS = ("-c", "release", "-Xswiftc", "-Onone", "--enable-code-coverage")
# Of every run from when all is ready. The sweeper comes every 5 s, the lease is renewed every 15.
WATCHED_SECONDS = 20
# With the scenario's act, and as many without: what happens at a start depends on who is ready first.
RUNS = 2
IDLE, ACTING = "idle", "acting"
# Counting jobs for the metrics is idle work, which decodes rows only if there are jobs.
FAILED_JOB = """
    INSERT INTO jobs (id, kind, subject_id, state) VALUES (gen_random_uuid(), 'media.image', gen_random_uuid(), 'failed')
"""


def main():
    asked = arguments()
    workplace.stop_on_signals()
    programs, tree = built(asked)
    passed = {}
    with workplace.below(asked.data) as directory:
        for name in asked.scenarios:
            idle, acting = ([run(directory, f"{name}-{kind}-{number}", SCENARIOS[name], programs, tree, kind == ACTING)
                             for number in range(RUNS)] for kind in (IDLE, ACTING))
            passed[name] = {service: coverage.difference([each[service] for each in acting],
                                                         [each[service] for each in idle])
                            for service in acting[0]}
    report(passed, asked.list)
    write(passed, asked)


def arguments():
    parser = argparse.ArgumentParser(
        prog="paths", description="Lists the Swift files that one request or one job passes.")
    parser.add_argument("--data", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--commit", help="of an earlier build; without it, this tree")
    parser.add_argument("--list", action="store_true", help="prints the names of the files")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)} (all)")
    asked = parser.parse_args()
    asked.scenarios = asked.scenarios or list(SCENARIOS)
    if unknown := [name for name in asked.scenarios if name not in SCENARIOS]:
        parser.error(f"There is no scenario {unknown[0]}; there is: {', '.join(SCENARIOS)}.")
    try:
        asked.commit = asked.commit and earlier.short_hash(asked.commit)
    except ValueError as error:
        parser.error(str(error))
    return asked


def built(asked):
    """The directory of the programs, and the tree their sources were in."""
    if asked.commit:
        directory = f"{asked.data}/commits/{asked.commit}"
        return earlier.programs(asked.commit, directory, *FLAGS), earlier.tree(directory)
    return earlier.build(machine.ROOT, f"{asked.data}/build", *FLAGS), machine.ROOT


def run(directory, name, scenario, programs, tree, acts):
    """The lines each service has executed, by service and file."""
    place = f"{directory}/{name}"
    os.environ["LLVM_PROFILE_FILE"] = f"{place}/%p.profraw"
    with contextlib.ExitStack() as stack:
        # Of its own: a queue may hold what an earlier run has sent.
        private = stack.enter_context(servers.running(f"{directory}/servers-{name}"))
        running = stack.enter_context(
            suite.running(scenario.services, f"{place}/media", private, "paths", f"{place}/logs", programs))
        servers.query(running.database_url, FAILED_JOB)
        prepared = scenario.prepare(running)
        deadline = time.monotonic() + WATCHED_SECONDS
        if acts:
            scenario.act(running, prepared)
        left = deadline - time.monotonic()
        if left < 0:
            raise RuntimeError(f"{scenario.title} takes longer than the {WATCHED_SECONDS} s that are watched.")
        time.sleep(left)
    return {service: coverage.executed_lines(f"{programs}/tolva-{service}",
                                             f"{place}/{running.process_id(service)}.profraw", tree)
            for service in ["api", *scenario.services]}


def report(passed, lists):
    rows = []
    for name, services in passed.items():
        for together, most in SCENARIOS[name].most.items():
            files = {file for service in together for file in services[service]}
            rows.append([SCENARIOS[name].title, " + ".join(together), str(len(files)), str(most or "")])
    print()
    tables.print_table(["", "executed by", "files", "at most"], rows)
    if lists:
        for name, services in passed.items():
            for service, files in services.items():
                print(f"\n{SCENARIOS[name].title}, {service}: {len(files)} files\n")
                tables.print_table(["lines", "file"], [[str(len(files[file])), file] for file in sorted(files)])


def write(passed, asked):
    path = f"{asked.data}/{asked.commit or 'tree'}.json"
    lines = {name: {service: {file: sorted(files[file]) for file in sorted(files)}
                    for service, files in services.items()} for name, services in passed.items()}
    with open(path, "w") as file:
        json.dump({"commit": asked.commit or machine.commit(), "lines": lines}, file, indent=1)
    print(f"\nEvery line: {path}")


if __name__ == "__main__":
    main()
