"""What pages ask for again and again, with a thousand assets and with a million: the time must not grow with them."""

import contextlib
import dataclasses
import random
import statistics
import time

import rounds
import tables
from client import Client
from lists import material
from rounds import Spread

DISK_BYTES = 8_000_000_000
SIZES = {"thousand": 1_000, "million": 1_000_000}
PARTS = ["thousand", "million"]
CONNECTIONS = 4
WARM_UP_CALLS = 400
CALLS_A_ROUND = 5
# What a million may cost of what a thousand costs.
GROWTH = 2

# Each gives a path; a gallery is of another item each time. The time wanted is in milliseconds.
CALLS = {
    "gallery": (lambda items: f"/v1/assets?item_id={random.choice(items)}", 6),
    "queued": (lambda _: "/v1/assets?status=queued", 10),
    "failed": (lambda _: "/v1/assets?status=failed", 10),
    "videos": (lambda _: "/v1/assets?kind=video", 6),
    "search": (lambda _: "/v1/items?q=bomba", 15),
    "search, words": (lambda _: "/v1/items?q=BOMBA%20centrifuga", 15),
    "search, one hit": (lambda _: "/v1/items?q=eq-0000042", 15),
    "search, miss": (lambda _: "/v1/items?q=zzzqqq", 15),
    "exports": (lambda _: "/v1/exports", 15),
    "items": (lambda _: "/v1/items", 6),
    "assets": (lambda _: "/v1/assets", 12),
}
GROWING = ["gallery", "queued", "failed", "videos", "search", "search, words", "search, one hit", "search, miss"]


@dataclasses.dataclass
class Run:
    """Of one round: the median of each call's times."""

    milliseconds: dict


def measure(directory, tolvas, count, seed, parts, _):
    random.seed(seed)
    result = {"sizes": {}}
    measured = {}
    for part in parts:
        with contextlib.ExitStack() as stack:
            pages = []
            for order, tolva in enumerate(tolvas):
                place = f"{directory}/{part}-{order}"
                running = stack.enter_context(tolva.running([], f"{place}/media", f"lists_{part}_{order}", f"{place}/logs"))
                began = time.monotonic()
                items = material.fill(running.database_url, SIZES[part])
                print(f"{tolva.name}: {SIZES[part]} assets written in {time.monotonic() - began:.0f} s", flush=True)
                pages.append(Pages(tolva.name, running, items))
            measured[part] = alternate(pages, count)
        result["sizes"][part] = report(part, [tolva.name for tolva in tolvas], measured[part])
    targets = list(wanted(tolvas[0].name, measured))
    tables.print_targets(targets)
    result["targets"] = [dataclasses.asdict(target) | {"is_met": target.is_met} for target in targets]
    return result


class Pages:
    """Some browsers that look at one company. Few connections, so that the server has planned every statement for good."""

    def __init__(self, name, running, items):
        self.name = name
        self.items = items
        self.clients = []
        for _ in range(CONNECTIONS):
            client = Client(running.client.connection.port)
            client.headers = running.client.headers
            self.clients.append(client)
        for _ in range(WARM_UP_CALLS):
            self.call(random.choice(list(CALLS)))

    def call(self, name):
        path = CALLS[name][0](self.items)
        client = random.choice(self.clients)
        began = time.monotonic()
        client.get(path)
        return (time.monotonic() - began) * 1000

    def run(self):
        times = {name: [] for name in CALLS}
        # In any order, as people ask.
        for name in random.sample(list(CALLS) * CALLS_A_ROUND, len(CALLS) * CALLS_A_ROUND):
            times[name].append(self.call(name))
        return Run({name: statistics.median(each) for name, each in times.items()})


def alternate(pages, count):
    measured = rounds.Measured(each.name for each in pages)
    for number in range(count):
        for each in rounds.in_turn(pages, number):
            measured.runs[each.name].append(each.run())
    return measured


def report(part, names, measured):
    print(f"\n{SIZES[part]} assets, {measured.rounds} rounds of {CALLS_A_ROUND} calls: milliseconds\n")
    this, *earlier = names
    tables.print_table(
        ["", *names, *(f"{name} : {this}" for name in earlier)],
        [[call, *(tables.spread(measured.spread(name, taken(call)), "{:.1f}") for name in names),
          *(tables.spread(measured.ratio(name, this, taken(call)), "{:.1f}") for name in earlier)] for call in CALLS],
    )
    print()
    return {name: [dataclasses.asdict(run) for run in runs] for name, runs in measured.runs.items()}


def wanted(tolva, measured):
    part = max(measured, key=SIZES.get)
    for call, (_, limit) in CALLS.items():
        yield tables.Target(f"{call}: at most {limit} ms with {SIZES[part]} assets",
                            measured[part].spread(tolva, taken(call)), limit, "{:.1f}")
    if len(measured) < 2:
        return
    small = min(measured, key=SIZES.get)
    for call in GROWING:
        pairs = zip(measured[part].runs[tolva], measured[small].runs[tolva], strict=True)
        growth = Spread.of(taken(call)(large) / taken(call)(little) for large, little in pairs)
        yield tables.Target(f"{call}: at most {GROWTH} × its time with {SIZES[small]}", growth, GROWTH)


def taken(call):
    return lambda run: run.milliseconds[call]
