"""One photo at a time to an idle suite: until a worker has its job, and until its thumbnail is there."""

import contextlib
import dataclasses
import statistics
import time

import rounds
import servers
import tables
from photos import Camera
from rounds import Spread
from uploads.driver import percentile

DISK_BYTES = 2_000_000_000
PARTS = ["small", "large"]
SIZES = {"small": (640, 480), "large": (4000, 3000)}
PHOTOS_A_ROUND = {"small": 20, "large": 4}
WARM_UP_PHOTOS = 10
POLLING_SECONDS = 0.003
MAXIMUM_SECONDS = 60
# For what follows a photo's work: acknowledging its message, for example.
PAUSE_SECONDS = 0.05
CLAIM_P50_MS, CLAIM_P99_MS = 5, 25
# Writes down when the commit of each new job begins: a deferred trigger is the last thing before it.
NOTE_COMMITS = """
CREATE TABLE bench_commits (job uuid PRIMARY KEY, began timestamptz NOT NULL);
CREATE FUNCTION bench_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bench_commits VALUES (NEW.id, clock_timestamp());
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER bench_commit AFTER INSERT ON jobs DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION bench_commit();
"""


@dataclasses.dataclass
class Sample:
    """Of one photo, in milliseconds."""

    # Since the answer, until a client saw it.
    thumbnail: float
    # Since the commit that accepted it began, until a worker's claim did, by the database's clock.
    claim: float
    # Since the answer was read; less than nothing if the claim came first.
    claim_after_answer: float
    # Since the claim, until the transaction that completes the job began.
    work: float


def measure(directory, tolvas, count, seed, parts, _):
    result = {"parts": {}}
    targets = []
    for part in parts:
        with contextlib.ExitStack() as stack:
            senders = []
            for number, tolva in enumerate(tolvas):
                place = f"{directory}/{part}-{number}"
                running = stack.enter_context(
                    tolva.running(["media-worker"], f"{place}/media", f"latency_{part}_{number}", f"{place}/logs"))
                senders.append(Sender(tolva.name, running, Camera(*SIZES[part], seed)))
            measured = alternate(senders, count, PHOTOS_A_ROUND[part])
        report(part, measured)
        result["parts"][part] = {name: [dataclasses.asdict(each) for each in samples]
                                 for name, samples in measured.items()}
        targets += wanted(part, measured[tolvas[0].name])
    print()
    tables.print_targets(targets)
    result["targets"] = [dataclasses.asdict(target) | {"is_met": target.is_met} for target in targets]
    return result


class Sender:
    def __init__(self, name, suite, camera):
        self.name = name
        self.suite = suite
        self.camera = camera
        servers.query(suite.database_url, NOTE_COMMITS)
        self.item = suite.client.post("/v1/items", {"code": "EQ-001", "name": "Pump"})["id"]
        for _ in range(WARM_UP_PHOTOS):
            self.send()

    def send(self):
        [photo] = self.camera.photos(1)
        [asset] = self.suite.client.upload(f"/v1/items/{self.item}/assets", [photo])
        answered = time.time()
        thumbnail_seen = self.watch(asset["id"], answered + MAXIMUM_SECONDS)
        time.sleep(PAUSE_SECONDS)
        committed, started, finished = self.moments(asset["id"])
        return Sample(*(seconds * 1000 for seconds in
                        (thumbnail_seen - answered, started - committed, started - answered, finished - started)))

    def watch(self, asset, deadline):
        """Until it is ready. Gives the moment its thumbnail was there."""
        seen = None
        while time.time() < deadline:
            shown = self.suite.client.get(f"/v1/assets/{asset}")
            if seen is None and any(rendition["name"] == "thumbnail" for rendition in shown["renditions"]):
                seen = time.time()
            if shown["status"] == "ready":
                return seen
            time.sleep(POLLING_SECONDS)
        raise RuntimeError(f"Asset {asset} is not ready after {MAXIMUM_SECONDS} s.")

    def moments(self, asset):
        """When its job was committed, claimed and done; the database has the same clock as this process."""
        return map(float, servers.query(self.suite.database_url, f"""
            SELECT extract(epoch FROM unnest(array[began, started_at, finished_at]))
              FROM jobs JOIN bench_commits ON job = id WHERE subject_id = '{asset}'""").split())


def alternate(senders, count, photos):
    """One photo to each build in turn."""
    measured = {sender.name: [] for sender in senders}
    for number in range(count * photos):
        for sender in rounds.in_turn(senders, number):
            measured[sender.name].append(sender.send())
    return measured


def report(part, measured):
    width, height = SIZES[part]
    some = next(iter(measured.values()))
    print(f"\n{len(some)} photos of {width} × {height}, one at a time: milliseconds, p50 / p99\n")
    tables.print_table(
        ["", "answer to thumbnail", "commit to claimed", "answer to claimed", "claimed to done"],
        [[name, *(both([value(each) for each in samples]) for value in (thumbnail, claim, claim_after_answer, work))]
         for name, samples in measured.items()])
    this, *earlier = measured
    for name in earlier:
        shares = Spread.of(thumbnail(one) / thumbnail(other) for one, other in zip(measured[this], measured[name]))
        print(f"\nanswer to thumbnail, {this} : {name}: {tables.spread(shares)}")


def both(values):
    return f"{statistics.median(values):.1f} / {percentile(values, 0.99):.1f}"


def wanted(part, samples):
    """Of the announcement and the claim; the commit's flush is in it, too."""
    values = [claim(each) for each in samples]
    for name, value, limit in [("p50", statistics.median(values), CLAIM_P50_MS),
                               ("p99", percentile(values, 0.99), CLAIM_P99_MS)]:
        yield tables.Target(f"{part}: commit to claimed within {limit} ms, {name}", Spread(value, value, value), limit,
                            "{:.1f}")


def thumbnail(sample):
    return sample.thumbnail


def claim(sample):
    return sample.claim


def claim_after_answer(sample):
    return sample.claim_after_answer


def work(sample):
    return sample.work
