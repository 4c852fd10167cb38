"""Uploads: one user and five, videos and batches of photos, beside other receivers and bare C."""

import contextlib
import dataclasses
import importlib.metadata

import machine
import nginx
import rounds
import volumes
from uploads import material, memory, programs, receivers, report, scenarios
from uploads.contender import Contender
from uploads.driver import Driver

# Most of it for a hundred videos at once.
DISK_BYTES = 13_000_000_000
MEMORY = "memory"
PARTS = [*scenarios.NAMES, MEMORY]
PEER_PACKAGES = ["fastapi", "uvicorn", "uvloop", "httptools", "python-multipart", "asyncpg", "aio-pika"]
PREAMBLE = """
Tolva is one process of its API: it checks a token and an item, takes SHA-256 and CRC-32, syncs, commits and publishes.
Its media worker does not run: no other receiver has such work to do. FastAPI takes SHA-256, commits and publishes with
two processes, and neither checks nor syncs. CPU and memory leave out Postgres and RabbitMQ, which both use.
"""


def measure(directory, tolvas, count, seed, parts, with_peers):
    """Measures the parts named; what is printed is also in the result, with every run."""
    versions = versions_of(PEER_PACKAGES if with_peers else [])
    print(PREAMBLE)
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    earlier = [tolva.name for tolva in tolvas[1:]]
    with volumes.own(f"{directory}/uploads") as file_system:
        place = file_system.directory
        made = material.make(f"{place}/input", seed)
        driver = Driver(programs.compile("driver", place))
        chosen = {name: scenario.chosen(earlier, with_peers)
                  for name, scenario in scenarios.of(made).items() if name in parts}
        measured = ratios = {}
        if chosen:
            with ways(place, tolvas, with_peers) as opened:
                measured, ratios = measure_scenarios(chosen, opened, file_system, earlier, driver, count, seed)
        peaks = memory.measure(place, tolvas, made, driver, seed) if MEMORY in parts else []
    return {
        "versions": versions,
        "scenarios": {name: report.runs(found) for name, found in measured.items()},
        "ratios": ratios,
        "memory": [dataclasses.asdict(peak) for peak in peaks],
        "targets": report.targets(measured, peaks),
    }


def measure_scenarios(chosen, opened, file_system, earlier, driver, count, seed):
    """The runs and this build's ratios to earlier ones, by name. Tables are printed as soon as they are measured."""
    measured, ratios = {}, {}
    for name, scenario in chosen.items():
        contenders = [Contender(way, *opened[way], scenario.load, driver, seed) for way in scenario.contenders]
        measured[name] = rounds.alternate(
            contenders, file_system, scenario.rounds(count), lambda contender, number: contender.run(number))
        report.print_scenario(scenario, measured[name], seed)
        ratios[name] = report.print_ratios(measured[name], earlier)
    return measured, ratios


def versions_of(packages):
    versions = {package: importlib.metadata.version(package) for package in packages}
    return versions | {"nginx": nginx.version(), "C compiler": machine.output("cc", "--version").splitlines()[0]}


@contextlib.contextmanager
def ways(place, tolvas, with_peers):
    """Every receiver, and the method it is called with, by the names of the scenarios."""
    found = {}
    with contextlib.ExitStack() as opened:
        start = opened.enter_context
        for number, tolva in enumerate(tolvas):
            running = tolva.running([], f"{place}/media-{number}", "upload", f"{place}/logs-{number}")
            receiver = receivers.Tolva(start(running))
            found[scenarios.way_of(tolva.name, scenarios.TOLVA_PUT)] = (receiver, "PUT")
            found[scenarios.way_of(tolva.name, scenarios.TOLVA_FORM)] = (receiver, "POST")
        this, _ = found[scenarios.TOLVA_PUT]
        found[scenarios.SHIPPED] = (start(receivers.behind_nginx(this, f"{place}/nginx")), "PUT")
        collecting = start(receivers.behind_nginx(this, f"{place}/nginx-collecting", collects_bodies=True))
        found[scenarios.COLLECTING] = (collecting, "PUT")
        if with_peers:
            found |= start(peers(place, tolvas[0].private))
        yield found


@contextlib.contextmanager
def peers(place, private):
    with contextlib.ExitStack() as opened:
        start = opened.enter_context
        peer = start(receivers.fastapi(f"{place}/fastapi", private.new_database("fastapi"), private.broker_url))
        webdav = start(receivers.webdav(f"{place}/webdav"))
        receiver = programs.compile("receiver", place)
        bare = start(receivers.bare(receiver, "synced", f"{place}/bare"))
        bare_two = start(receivers.bare(receiver, "overlapped", f"{place}/bare-two"))
        yield {
            scenarios.PEER_PUT: (peer, "PUT"),
            scenarios.PEER_FORM: (peer, "POST"),
            scenarios.WEBDAV: (webdav, "PUT"),
            scenarios.BARE: (bare, "PUT"),
            scenarios.BARE_TWO: (bare_two, "PUT"),
        }
