"""Many small documents at once, beside a tuned FastAPI and the least that the disk and the database take for them."""

import contextlib
import dataclasses
import os

import rounds
import volumes
from small import metered, report, scenarios
from small.floors import Disk, Rows, new_tables
from small.metered import Metered
from uploads import material, programs, receivers
from uploads.case import PEER_PACKAGES, versions_of
from uploads.contender import Contender
from uploads.driver import Driver

# What every run leaves stays until the end.
DISK_BYTES = 30_000_000_000
PARTS = scenarios.PARTS
SOURCES = os.path.dirname(os.path.realpath(__file__))
PREAMBLE = """
Each request is answered when its files are on the disk and in the database; documents need no worker. FastAPI syncs
nothing. Bare C takes the steps on the disk, and pgbench commits two rows a file: neither receives anything.
"""


def measure(directory, tolvas, count, seed, parts, with_peers):
    """Measures the parts named; what is printed is also in the result, with every run."""
    versions = versions_of(PEER_PACKAGES if with_peers else [])
    print(PREAMBLE)
    with volumes.own(f"{directory}/small") as file_system:
        document = material.make_document(f"{file_system.directory}/input", seed)
        with opened(file_system, tolvas, seed, with_peers) as contenders:
            found = [measure_scenario(scenario, contenders(scenario), len(tolvas), file_system, count, seed)
                     for scenario in scenarios.of(document, parts)]
    return {
        "versions": versions,
        "scenarios": {each.scenario.name: each.result() for each in found},
        "targets": report.targets([(each.scenario, each.measured) for each in found],
                                  [tolva.name for tolva in tolvas]),
    }


@dataclasses.dataclass
class Found:
    scenario: scenarios.Scenario
    measured: rounds.Measured
    counts: dict
    ratios: dict

    def result(self):
        return {
            "runs": {name: [dataclasses.asdict(run) for run in runs] for name, runs in self.measured.runs.items()},
            "counts": {name: dataclasses.asdict(each) for name, each in self.counts.items()},
            "ratios": self.ratios,
        }


def measure_scenario(scenario, contenders, builds, file_system, count, seed):
    """The first contenders, as many as there are builds, are Tolva. Tables are printed as soon as they are measured."""
    counts = metered.count(contenders[:builds])
    measured = rounds.alternate(
        contenders, file_system, scenario.rounds(count), lambda contender, number: contender.run(number))
    report.print_scenario(scenario, measured, counts, seed)
    return Found(scenario, measured, counts, report.print_ratios(measured))


@contextlib.contextmanager
def opened(file_system, tolvas, seed, with_peers):
    """Starts every receiver; gives what makes the contenders of a scenario."""
    place = file_system.directory
    driver = Driver(programs.compile("driver", place))
    with contextlib.ExitStack() as stack:
        start = stack.enter_context
        taking = []
        for number, tolva in enumerate(tolvas):
            running = start(tolva.running([], f"{place}/media-{number}", "small", f"{place}/logs-{number}"))
            receiver = receivers.Tolva(running, receivers.set_aside)
            taking.append((tolva.name, receiver, tolva.private, running.database_url))
        private = tolvas[0].private
        if with_peers:
            url = private.new_database("small_fastapi")
            peer = start(receivers.fastapi(f"{place}/fastapi", url, private.broker_url))
            peer.remove = receivers.set_aside
            taking.append(("FastAPI", peer, private, url))
            floor = programs.compile("floor", place, SOURCES)
            rows_url = new_tables(private.new_database("small_rows"))

        def contenders(scenario):
            method = "POST" if scenario.is_form else "PUT"
            found = [Metered(Contender(name, receiver, method, scenario.load, driver, seed), file_system, postgres, url)
                     for name, receiver, postgres, url in taking]
            if with_peers:
                found.append(Metered(Disk(floor, f"{place}/disk", scenario.load, seed), file_system))
                found.append(Metered(Rows(rows_url, f"{place}/pgbench", scenario.load), file_system, private, rows_url))
            return found

        yield contenders
