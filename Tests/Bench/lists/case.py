"""What pages ask for again and again, with a thousand assets and with a million: the time must not grow with them.

With ten million only when asked for, since they take long to write: `lists:ten-million`.
"""

import concurrent.futures
import contextlib
import dataclasses
import random
import statistics
import time

import processes
import rounds
import tables
from client import Client
from lists import material
from rounds import Spread
from uploads.driver import percentile

# Of two builds with a million assets each; ten million take more.
DISK_BYTES = 8_000_000_000
SIZES = {"thousand": 1_000, "million": 1_000_000, "ten-million": 10_000_000}
PARTS = list(SIZES)
BY_HAND = ["ten-million"]
CONNECTIONS = 4
WARM_UP_CALLS = 400
CALLS_A_ROUND = 5
# What a million may cost of what a thousand costs.
GROWTH = 2
# Open pages, each with a gallery that it reads again two seconds after the last answer.
OPEN_PAGES = 50
POLL_SECONDS = 2
POLLING_SECONDS = 12
POLL_MILLISECONDS = 30

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
    # As many rows as there are among a thousand assets too: only equal answers compare.
    "search, 16 rows": (lambda _: "/v1/items?q=bomba&limit=16", 15),
    "search, words, 3 rows": (lambda _: "/v1/items?q=BOMBA%20centrifuga&limit=3", 15),
    "exports": (lambda _: "/v1/exports", 15),
    "items": (lambda _: "/v1/items", 6),
    "assets": (lambda _: "/v1/assets", 12),
}
GROWING = ["gallery", "queued", "failed", "videos", "search, 16 rows", "search, words, 3 rows", "search, one hit",
           "search, miss"]


@dataclasses.dataclass
class Run:
    """Of one round: the median of each call's times."""

    milliseconds: dict


def measure(directory, tolvas, count, seed, parts, _):
    random.seed(seed)
    result = {"sizes": {}}
    measured, polled = {}, {}
    for part in parts:
        with contextlib.ExitStack() as stack:
            pages = []
            for order, tolva in enumerate(tolvas):
                place = f"{directory}/{part}-{order}"
                name = f"lists_{parts.index(part)}_{order}"
                running = stack.enter_context(tolva.running([], f"{place}/media", name, f"{place}/logs"))
                began = time.monotonic()
                items = material.fill(running.database_url, SIZES[part])
                print(f"{tolva.name}: {SIZES[part]} assets written in {time.monotonic() - began:.0f} s", flush=True)
                pages.append(Pages(tolva.name, running, items, tolva.private))
            measured[part] = alternate(pages, count)
            polled[part] = [each.poll() for each in pages]
        result["sizes"][part] = report(part, measured[part], polled[part])
    targets = list(wanted(tolvas[0].name, measured, polled))
    tables.print_targets(targets)
    result["targets"] = [dataclasses.asdict(target) | {"is_met": target.is_met} for target in targets]
    return result


@dataclasses.dataclass
class Polling:
    """Of all open pages: the times in milliseconds, and how many cores Postgres took for them."""

    calls: int
    p50: float
    p95: float
    postgres_cores: float


class Pages:
    """Some browsers that look at one company. Few connections, so that the server has planned every statement for good."""

    def __init__(self, name, running, items, private):
        self.name = name
        self.running = running
        self.private = private
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

    def poll(self):
        """As many open pages as there may be at once, each of a user of its own."""
        clients = [self.running.add_user(f"page-{number}@example.com") for number in range(OPEN_PAGES)]
        before, began = processes.family_cpu_seconds(self.private.postgres_pid), time.monotonic()
        until = began + POLLING_SECONDS

        def look(client):
            taken = []
            time.sleep(random.uniform(0, POLL_SECONDS))
            while time.monotonic() < until:
                asked = time.monotonic()
                client.get(CALLS["gallery"][0](self.items))
                taken.append((time.monotonic() - asked) * 1000)
                time.sleep(max(0, min(POLL_SECONDS, until - time.monotonic())))
            return taken

        with concurrent.futures.ThreadPoolExecutor(OPEN_PAGES) as pages:
            taken = sum(pages.map(look, clients), [])
        cores = (processes.family_cpu_seconds(self.private.postgres_pid) - before) / (time.monotonic() - began)
        return Polling(len(taken), statistics.median(taken), percentile(taken, 0.95), cores)

    def run(self):
        times = {name: [] for name in CALLS}
        for client in self.clients:
            # Meanwhile other builds were asked; a connection on which nothing came for so long is closed by its server.
            client.connection.close()
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


def report(part, measured, polled):
    names = list(measured.runs)
    print(f"\n{SIZES[part]} assets, {measured.rounds} rounds of {CALLS_A_ROUND} calls: milliseconds\n")
    this, *earlier = names
    tables.print_table(
        ["", *names, *(f"{name} : {this}" for name in earlier)],
        [[call, *(tables.spread(measured.spread(name, taken(call)), "{:.1f}") for name in names),
          *(tables.spread(measured.ratio(name, this, taken(call)), "{:.1f}") for name in earlier)] for call in CALLS],
    )
    print(f"\n{OPEN_PAGES} pages that poll their galleries\n")
    tables.print_table(
        ["", "calls", "p50 ms", "p95 ms", "Postgres, cores"],
        [[name, str(each.calls), f"{each.p50:.1f}", f"{each.p95:.1f}", f"{each.postgres_cores:.2f}"]
         for name, each in zip(names, polled, strict=True)],
    )
    print()
    return {name: {"runs": [dataclasses.asdict(run) for run in measured.runs[name]], "polling": dataclasses.asdict(each)}
            for name, each in zip(names, polled, strict=True)}


def wanted(tolva, measured, polled):
    part = max(measured, key=SIZES.get)
    for call, (_, limit) in CALLS.items():
        yield tables.Target(f"{call}: at most {limit} ms with {SIZES[part]} assets",
                            measured[part].spread(tolva, taken(call)), limit, "{:.1f}")
    yield tables.Target(f"{OPEN_PAGES} pages polling: p95 at most {POLL_MILLISECONDS} ms",
                        Spread.of([polled[part][0].p95]), POLL_MILLISECONDS, "{:.1f}")
    yield tables.Target(f"{OPEN_PAGES} pages polling: Postgres below a core",
                        Spread.of([polled[part][0].postgres_cores]), 1)
    if len(measured) < 2:
        return
    small = min(measured, key=SIZES.get)
    for call in GROWING:
        pairs = zip(measured[part].runs[tolva], measured[small].runs[tolva], strict=True)
        growth = Spread.of(taken(call)(large) / taken(call)(little) for large, little in pairs)
        yield tables.Target(f"{call}: at most {GROWTH} × its time with {SIZES[small]}", growth, GROWTH)


def taken(call):
    return lambda run: run.milliseconds[call]
