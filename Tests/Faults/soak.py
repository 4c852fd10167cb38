"""Lets the suite work for as long as asked while everything fails in turn. Started by the script `soak` beside it."""

import argparse
import random

import fleet
import machine
import tables
import verdict as rules
import workplace
from line import Line
from memory import Memory
from mishaps import Mishaps
from traffic import Traffic

MIX = {
    "photos": 20, "slow_photos": 5, "large_photo": 4, "video": 4, "long_video": 2, "broken": 4, "put": 12,
    "slow_put": 3, "document": 5, "again": 8, "resumable": 10, "slow_resumable": 3, "hang_up": 3, "lists": 8,
    "download": 10, "export": 4, "fetch_export": 6, "delete": 20,
}
# Long enough for every fault here but the collector's.
RETRY_SECONDS = 180
NEEDED_DISK_BYTES = 6_000_000_000
SETTINGS = {
    # Small parts, so that exports have several; unfinished uploads and deleted files go soon enough to be seen going.
    "EXPORT_ITEMS_PER_PART": "5", "UPLOAD_LIFE": "120s", "GC_GRACE": "15m", "GC_INTERVAL": "5m",
}
POOL_SIZE = 20
MOST_DISK_BYTES = 3_000_000_000


def main():
    asked = arguments()
    workplace.stop_on_signals()
    print(f"commit {machine.commit()}, programs {asked.programs}, {asked.minutes:g} minutes, seed {asked.seed}")
    for warning in machine.warnings(asked.data, NEEDED_DISK_BYTES):
        print(warning)
    verdict, memory = rules.Verdict(), Memory()
    with workplace.below(asked.data) as directory, fleet.running(directory, asked.programs, SETTINGS) as suite:
        before = {replica.name: len(replica.descriptors()) for replica in suite.replicas}
        traffic = Traffic(suite, directory, asked.seed, asked.rate, MIX, RETRY_SECONDS)
        mishaps = Mishaps(suite, traffic, random.Random(asked.seed))
        with memory.watching(suite.replicas), traffic.running():
            mishaps.happen(asked.minutes * 60)
        judge(verdict, suite, traffic, mishaps, memory, before)
        mishaps.endings += suite.stop()
        verdict.none("Every process that was told to stop ended with 0", mishaps.bad_endings())
    report(verdict, traffic, mishaps, memory)
    raise SystemExit(not verdict.is_kept)


def arguments():
    parser = argparse.ArgumentParser(
        prog="soak", description="Lets the suite work while everything fails in turn: nothing may be lost.")
    parser.add_argument("--data", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=float, default=5, help="what users begin in a second (5)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="of the faults and the files")
    parser.add_argument("minutes", nargs="?", type=float, default=30, metavar="MINUTES", help="how long (30)")
    return parser.parse_args()


def judge(verdict, suite, traffic, mishaps, memory, before):
    rules.settle(suite, verdict)
    verdict.none("No process ends by itself", mishaps.unexpected)
    verdict.none("Every answer is right", traffic.tally.wrong)
    verdict.add("No user gives up", traffic.tally.events["given up"] == 0, f"{traffic.tally.events['given up']} have")
    rules.assets(suite, traffic.ledger, verdict)
    rules.exports(suite, traffic.ledger, verdict)
    rules.originals(Line(suite.port, traffic.token), traffic.ledger, verdict)
    # What a killed worker left of an asset that was deleted before another could go on is the collector's.
    rules.collection(suite, verdict)
    rules.spool(suite, verdict)
    rules.consistency(suite, verdict)
    rules.descriptors(suite, verdict, {name: count + POOL_SIZE for name, count in before.items()})
    verdict.none("Memory is flat", memory.growing())
    verdict.add(f"{MOST_DISK_BYTES / 1e9:.0f} GB of disk are enough", mishaps.most_bytes <= MOST_DISK_BYTES,
                f"{mishaps.most_bytes / 1e6:.0f} MB at most, as far as was seen")


def report(verdict, traffic, mishaps, memory):
    print()
    tables.print_table(["fault", "times"], mishaps.rows())
    print()
    tables.print_table(["request", "answered", "sent again after", "slowest s"], traffic.tally.rows())
    for name, count in sorted(traffic.tally.events.items()):
        print(f"{name}: {count}")
    print()
    tables.print_table(["service", "first quarter, MB", "last quarter, MB", "peak, MB"], memory.rows())
    verdict.print()


if __name__ == "__main__":
    main()
