"""Replaces every process in turn, several times round, while users send. Started by the script `rolling` beside it."""

import argparse
import collections
import random
import time

import fleet
import machine
import tables
import verdict as rules
import workplace
from line import Line
from replica import GRACE_SECONDS
from traffic import Traffic

MIX = {
    "photos": 20, "slow_photos": 10, "large_photo": 4, "video": 4, "long_video": 2, "put": 12, "slow_put": 6,
    "document": 5, "again": 4, "resumable": 10, "slow_resumable": 4, "lists": 8, "download": 10, "export": 4,
    "fetch_export": 6, "delete": 3,
}
REPLACED = [("api", 1), ("media-worker", 1), ("zip-worker", 1), ("api", 2), ("media-worker", 2), ("zip-worker", 2)]


def main():
    asked = arguments()
    workplace.stop_on_signals()
    print(f"commit {machine.commit()}, programs {asked.programs}, seed {asked.seed}")
    verdict = rules.Verdict()
    with workplace.below(asked.data) as directory, fleet.running(directory, asked.programs) as suite:
        traffic = Traffic(suite, directory, asked.seed, asked.rate, MIX, retry_seconds=0)
        with traffic.running():
            endings = replace_all(suite, asked.rounds, asked.pause)
        judge(verdict, suite, traffic)
        endings += suite.stop()
        judge_endings(verdict, endings)
    report(verdict, traffic, endings)
    raise SystemExit(not verdict.is_kept)


def arguments():
    parser = argparse.ArgumentParser(
        prog="rolling", description="Replaces every process in turn while users send: nobody may notice.")
    parser.add_argument("--data", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5, help="how often each process is replaced (5)")
    parser.add_argument("--pause", type=float, default=3, help="seconds between two (3)")
    parser.add_argument("--rate", type=float, default=5, help="what users begin in a second (5)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    return parser.parse_args()


def replace_all(suite, rounds, pause):
    endings = []
    by_name = {replica.name: replica for replica in suite.replicas}
    time.sleep(pause)
    for _ in range(rounds):
        for service, number in REPLACED:
            replica = by_name[f"{service}-{number}"]
            endings.append(replica.stop())
            replica.start()
            replica.wait_until_ready()
            time.sleep(pause)
    return endings


def judge(verdict, suite, traffic):
    rules.settle(suite, verdict)
    failed = [f"{count} × {kind}: {what}" for (kind, what), count in traffic.tally.problems.items()]
    verdict.none("No request fails", failed)
    verdict.none("Every answer is right", traffic.tally.wrong)
    verdict.add("No job fails", suite.number("SELECT count(*) FROM jobs WHERE state = 'failed'") == 0,
                suite.query("SELECT count(*) || ' of ' || (SELECT count(*) FROM jobs) FROM jobs WHERE state = 'failed'"))
    charged = suite.number("SELECT count(*) FROM jobs WHERE attempt > 1")
    again = suite.number("SELECT coalesce(sum(fence - attempt), 0) FROM jobs")
    verdict.add("No attempt is charged", charged == 0, f"{charged} charged; {again} handed back")
    rules.assets(suite, traffic.ledger, verdict)
    rules.exports(suite, traffic.ledger, verdict)
    rules.originals(Line(suite.port, traffic.token), traffic.ledger, verdict)
    # What deleted assets have left.
    rules.collection(suite, verdict)
    rules.consistency(suite, verdict)


def judge_endings(verdict, endings):
    verdict.none(f"Every process ends with 0 within {GRACE_SECONDS} s", [
        f"{each.replica}: {each.status} after {each.seconds:.1f} s" for each in endings
        if each.status != 0 or each.seconds > GRACE_SECONDS])
    # An API that takes no more connections cannot say that it is draining.
    verdict.none("Every process is unready at once", [
        f"{each.replica}: {each.health}" for each in endings if each.health not in ("draining", "away")])


def report(verdict, traffic, endings):
    print()
    tables.print_table(["request", "answered", "failed", "slowest s"], traffic.tally.rows())
    for name, count in sorted(traffic.tally.events.items()):
        print(f"{name}: {count}")
    for line in traffic.tally.first:
        print(line)
    print()
    by_service = collections.defaultdict(list)
    for each in endings:
        by_service[each.replica.rpartition("-")[0]].append(each)
    tables.print_table(["service", "told to stop", "ended after, s (most)", "status", "its health said"], [
        [service, str(len(found)),
         f"{sum(each.seconds for each in found) / len(found):.1f} ({max(each.seconds for each in found):.1f})",
         counted(each.status for each in found), counted(each.health for each in found)]
        for service, found in by_service.items()])
    verdict.print()


def counted(values):
    return ", ".join(f"{value} × {count}" for value, count in sorted(collections.Counter(values).items()))


if __name__ == "__main__":
    main()
