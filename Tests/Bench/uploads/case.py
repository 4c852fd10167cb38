"""Uploads: one user and five, films and batches of photos, beside other receivers and bare C."""

import contextlib
import dataclasses
import importlib.metadata

import machine
import nginx
import rounds
import suite
import volumes
from uploads import material, memory, programs, receivers, report, scenarios
from uploads.contender import Contender
from uploads.driver import Driver

# Most of it for a hundred films at once.
DISK_BYTES = 13_000_000_000
MEMORY = "memory"
PARTS = [*scenarios.NAMES, MEMORY]
PEER_PACKAGES = ["fastapi", "uvicorn", "uvloop", "httptools", "python-multipart", "asyncpg", "aio-pika"]
PREAMBLE = """
Tolva is one process of its API: it checks a token and an item, takes SHA-256 and CRC-32, syncs, commits and publishes.
Its media worker does not run: no other receiver has such work to do. FastAPI takes SHA-256, commits and publishes with
two processes, and neither checks nor syncs. CPU and memory leave out Postgres and RabbitMQ, which both use.
"""


def measure(directory, private, count, seed, parts):
    """Measures the parts named; what is printed is also in the result, with every run."""
    versions = peer_versions()
    print(PREAMBLE)
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    with volumes.own(f"{directory}/uploads") as file_system:
        place = file_system.directory
        made = material.make(f"{place}/input", seed)
        driver = Driver(programs.compile("driver", place))
        chosen = {name: scenario for name, scenario in scenarios.of(made).items() if name in parts}
        measured = measure_scenarios(chosen, file_system, private, driver, count, seed) if chosen else {}
        peaks = memory.measure(place, private, made, driver, seed) if MEMORY in parts else []
    return {
        "versions": versions,
        "scenarios": {name: report.runs(found) for name, found in measured.items()},
        "memory": [dataclasses.asdict(peak) for peak in peaks],
        "targets": report.targets(measured, peaks),
    }


def measure_scenarios(chosen, file_system, private, driver, count, seed):
    """By name. Each one's table is printed as soon as it has been measured."""
    measured = {}
    with ways(file_system.directory, private) as opened:
        for name, scenario in chosen.items():
            contenders = [Contender(way, *opened[way], scenario.load, driver, seed) for way in scenario.contenders]
            measured[name] = rounds.alternate(
                contenders, file_system, scenario.rounds(count), lambda contender, number: contender.run(number))
            report.print_scenario(scenario, measured[name], seed)
    return measured


def peer_versions():
    versions = {package: importlib.metadata.version(package) for package in PEER_PACKAGES}
    return versions | {"nginx": nginx.version(), "C compiler": machine.output("cc", "--version").splitlines()[0]}


@contextlib.contextmanager
def ways(place, private):
    """Every receiver, and the method it is called with, by the names of the scenarios."""
    with contextlib.ExitStack() as opened:
        start = opened.enter_context
        volume = f"{place}/media"
        tolva = receivers.Tolva(start(suite.running([], volume, private, "upload", f"{place}/logs")), volume)
        shipped = start(receivers.behind_nginx(tolva, f"{place}/nginx"))
        collecting = start(receivers.behind_nginx(tolva, f"{place}/nginx-collecting", collects_bodies=True))
        peer = start(receivers.fastapi(f"{place}/fastapi", private.new_database("fastapi"), private.broker_url))
        webdav = start(receivers.webdav(f"{place}/webdav"))
        receiver = programs.compile("receiver", place)
        bare = start(receivers.bare(receiver, "synced", f"{place}/bare"))
        bare_two = start(receivers.bare(receiver, "overlapped", f"{place}/bare-two"))
        yield {
            scenarios.TOLVA_PUT: (tolva, "PUT"),
            scenarios.TOLVA_FORM: (tolva, "POST"),
            scenarios.PEER_PUT: (peer, "PUT"),
            scenarios.PEER_FORM: (peer, "POST"),
            scenarios.WEBDAV: (webdav, "PUT"),
            scenarios.BARE: (bare, "PUT"),
            scenarios.BARE_TWO: (bare_two, "PUT"),
            scenarios.SHIPPED: (shipped, "PUT"),
            scenarios.COLLECTING: (collecting, "PUT"),
        }
