"""One photo and a small export of a company, while another company has thousands of photos and many exports waiting."""

import dataclasses

import suite
import tables
import volumes
from fair import course
from fair.backlog import Backlog
from fair.neighbour import MAXIMUM_SECONDS, Neighbour
from photos import Camera
from rounds import Spread
from uploads.driver import percentile

DISK_BYTES = 12_000_000_000
TWO, COMPANIES, BROKER = "two", "companies", "broker"
PARTS = [TWO, COMPANIES, BROKER]
TITLES = {
    TWO: "two companies",
    COMPANIES: "two companies, and 200 others with some photos each",
    BROKER: "two companies, and a broker that is killed; tries after it is back",
}
OTHERS = 200
# Large enough that a photo is work, and small enough that thousands of them are done in minutes.
WIDTH, HEIGHT = 1600, 1200
# A build without turns lets everybody wait for the deadline: few tries of it tell enough.
EARLIER_SHARE = 0.3
PHOTO_SECONDS, EXPORT_SECONDS = 2, 3
LEAST_SHARE = 0.95


@dataclasses.dataclass
class Found:
    """Of one build."""

    tries: list
    # Photos a second of all others, in each pair of intervals.
    with_neighbour: list
    alone: list
    outage: course.Outage | None = None

    def shares(self):
        return Spread.of(one / other for one, other in zip(self.with_neighbour, self.alone, strict=True))


def measure(directory, tolvas, count, seed, parts, _):
    result = {"parts": {}}
    targets = []
    for part in parts:
        found = {tolva.name: measure_build(f"{directory}/{part}-{number}", tolva, part, count, seed, number > 0)
                 for number, tolva in enumerate(tolvas)}
        report(part, found)
        result["parts"][part] = {name: dataclasses.asdict(each) for name, each in found.items()}
        targets += wanted(part, found[tolvas[0].name])
    print()
    tables.print_targets(targets)
    result["targets"] = [dataclasses.asdict(target) | {"is_met": target.is_met} for target in targets]
    return result


def measure_build(place, tolva, part, count, seed, is_earlier):
    tries = course.TRIES_AN_INTERVAL
    if is_earlier:
        count, tries = max(1, round(count * EARLIER_SHARE)), 1
    with volumes.own(place) as file_system, \
            tolva.running([], f"{place}/media", f"fair_{part}", f"{place}/logs") as running:
        camera = Camera(WIDTH, HEIGHT, seed)
        neighbour = Neighbour(running, camera)
        backlog = Backlog(running, camera, seed, OTHERS if part == COMPANIES else 0)
        file_system.sync()
        print(f"{tolva.name}: {backlog.photos_waiting()} photos wait", flush=True)
        with backlog.exports_waiting():
            for service in ("media-worker", "zip-worker"):
                running.start(service, suite.free_port())
            outage = course.outage(running, tolva.private, neighbour, tries) if part == BROKER else None
            pairs = course.pairs(backlog, neighbour, count, tries)
        finished = backlog.finished()
        return Found(
            tries=[each for interval, _ in pairs for each in interval.tries],
            with_neighbour=[finished.a_second(interval) for interval, _ in pairs],
            alone=[finished.a_second(interval) for _, interval in pairs],
            outage=outage,
        )


def report(part, found):
    print(f"\n{TITLES[part]}: seconds to ready, and the others' photos a second\n")
    tables.print_table(
        ["", "tries", "photo p50", "p95", "export p50", "p95", "others' photos/s", "with tries", "share"],
        [[name, str(len(each.tries)), *waits(each, photo), *waits(each, export),
          *(tables.spread(Spread.of(rates), "{:.1f}") for rates in (each.alone, each.with_neighbour)),
          tables.spread(each.shares())] for name, each in found.items()])
    for name, each in found.items():
        if each.outage:
            print(f"\n{name}: every service is ready {each.outage.reconnected_seconds:.1f} s after the broker is"
                  f" back, a photo sent meanwhile {text(each.outage.photo_seconds)} s")


def waits(found, value):
    seconds = [value(each) for each in found.tries]
    return [text(percentile(seconds, 0.5)), text(percentile(seconds, 0.95))]


def text(seconds):
    return f"> {MAXIMUM_SECONDS}" if seconds >= MAXIMUM_SECONDS else f"{seconds:.2f}"


def wanted(part, found):
    for name, value, limit in [("photo", photo, PHOTO_SECONDS), ("export", export, EXPORT_SECONDS)]:
        p95 = percentile([value(each) for each in found.tries], 0.95)
        yield tables.Target(f"{part}: the small company's {name} within {limit} s, p95", Spread(p95, p95, p95), limit)
    yield tables.Target(f"{part}: the others keep {LEAST_SHARE} of their photos/s", found.shares(), LEAST_SHARE,
                        is_least=True)


def photo(each):
    return each.photo_seconds


def export(each):
    return each.export_seconds
