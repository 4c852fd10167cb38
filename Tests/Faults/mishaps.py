"""What goes wrong in a soak: faults in an order that the seed decides."""

import collections
import contextlib
import dataclasses
import os
import time

WORKERS = ("media-worker", "zip-worker")
SERVICES = ("api", *WORKERS)
# Between the end of one fault and the next.
PAUSE_SECONDS = (2, 10)
SHORT_STOP_SECONDS = (3, 20)
# A lease lasts 60 s.
LONG_STOP_SECONDS = (65, 80)
AWAY_SECONDS = (1, 5)
ALARM_SECONDS = 30
POLL_SECONDS = 0.2


@dataclasses.dataclass
class Later:
    """Something that is still to be undone."""

    at: float
    undo: object
    # Of whom nothing else is to be asked until then.
    who: object


class Mishaps:
    def __init__(self, fleet, traffic, source):
        self.fleet = fleet
        self.traffic = traffic
        self.source = source
        self.counts = collections.Counter()
        self.later = []
        self.endings = []
        # Processes that ended though nobody had told them to.
        self.unexpected = []
        self.deck = []
        # On the volume.
        self.most_bytes = 0

    def happen(self, seconds):
        """For so long; when this returns everything runs again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.wait(min(end, time.monotonic() + self.source.uniform(*PAUSE_SECONDS)))
            if not self.deck:
                self.deck = self.shuffled()
            name, fault, arguments = self.deck.pop()
            if fault(*arguments, left=end - time.monotonic()) is not False:
                self.counts[name] += 1
        for each in self.later:
            each.undo()
        self.later = []
        self.most_bytes = max(self.most_bytes, bytes_below(self.fleet.volume))
        for replica in self.fleet.replicas:
            replica.wait_until_ready()

    def shuffled(self):
        """One round of all faults: what is likelier is in it more often."""
        deck = []
        for service in SERVICES:
            deck += [(f"{service}: kill -9", self.kill, [service])] * 3
            deck += [(f"{service}: told to stop", self.stop, [service])] * 2
        for service in WORKERS:
            deck.append((f"{service}: stopped for less than a lease", self.pause, [service, SHORT_STOP_SECONDS]))
            deck.append((f"{service}: stopped for longer than a lease", self.pause, [service, LONG_STOP_SECONDS]))
        deck += [("all connections of users cut", self.cut, [])] * 2
        deck.append(("broker killed", self.broker, []))
        deck.append(("broker's memory alarm", self.alarm, []))
        deck.append(("Postgres stopped at once", self.postgres, []))
        deck.append(("files of deleted assets collected", self.collect, []))
        self.source.shuffle(deck)
        return deck

    def wait(self, until):
        while (now := time.monotonic()) < until:
            for each in [each for each in self.later if each.at <= now]:
                self.later.remove(each)
                each.undo()
            self.look_after()
            time.sleep(POLL_SECONDS)

    def look_after(self):
        """A supervisor would start again what has ended."""
        for replica in self.fleet.replicas:
            if replica.process.poll() is not None:
                self.unexpected.append(f"{replica.name}: {replica.process.returncode}")
                replica.start()

    def one_of(self, service):
        """A process that nothing is the matter with, or None."""
        free = [replica for replica in self.fleet.of(service) if not self.is_busy(replica)]
        return self.source.choice(free) if free else None

    def is_busy(self, who):
        return any(each.who == who for each in self.later)

    def kill(self, service, left):
        replica = self.one_of(service)
        if replica is None:
            return False
        replica.kill()
        replica.start()

    def stop(self, service, left):
        replica = self.one_of(service)
        if replica is None:
            return False
        self.endings.append(replica.stop())
        replica.start()

    def pause(self, service, seconds, left):
        length = self.source.uniform(*seconds)
        replica = self.one_of(service)
        if replica is None or length > left:
            return False
        replica.pause()
        self.later.append(Later(time.monotonic() + length, replica.resume, replica))

    def cut(self, left):
        self.traffic.hang_up()

    def broker(self, left):
        if self.is_busy("broker"):
            return False
        self.fleet.serve("kill-broker")
        time.sleep(self.source.uniform(*AWAY_SECONDS))
        self.fleet.serve("start-broker")

    def alarm(self, left):
        if left < ALARM_SECONDS or self.is_busy("broker"):
            return False
        self.fleet.serve("alarm-broker")
        self.later.append(Later(time.monotonic() + ALARM_SECONDS, lambda: self.fleet.serve("calm-broker"), "broker"))

    def postgres(self, left):
        self.fleet.serve("kill-postgres")
        time.sleep(self.source.uniform(*AWAY_SECONDS))
        self.fleet.serve("start-postgres")

    def collect(self, left):
        """What has no row for GC_GRACE: no API lives long enough here to do so by itself."""
        self.most_bytes = max(self.most_bytes, bytes_below(self.fleet.volume))
        self.fleet.control("gc", "--delete")

    def bad_endings(self):
        return [f"{each.replica}: {each.status} after {each.seconds:.1f} s" for each in self.endings if each.status != 0]

    def rows(self):
        return [[name, str(count)] for name, count in sorted(self.counts.items())]


def bytes_below(directory):
    """Of the files; one may go while they are counted."""
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(f"{parent}/{name}").st_size
    return total
