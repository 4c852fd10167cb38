"""What others have waiting: a company with very many photos and exports, and perhaps many with some photos."""

import bisect
import contextlib
import math
import random
import threading

import servers

# Of the largest company; each part of an export then has about 100 MB, and is too large for the lane of those for whom
# a person waits.
PHOTOS = 10_000
PHOTOS_AN_ITEM = 30
ITEMS_AN_EXPORT = 11
# As many as a company may wait for.
EXPORTS = 50
# Of each other company: somebody waits for them, too.
SOME_PHOTOS = 20
REFILL_SECONDS = 1
STOP_SECONDS = 60


class Backlog:
    def __init__(self, suite, camera, seed, companies=0):
        self.suite = suite
        self.source = random.Random(seed)
        self.client = suite.add_company("Large")
        # As the clients send them, while no worker runs yet.
        self.items = [self.send(self.client, camera, number, PHOTOS_AN_ITEM)
                      for number in range(math.ceil(PHOTOS / PHOTOS_AN_ITEM))]
        for number in range(companies):
            client = suite.add_company(f"Neighbour {number}")
            self.send(client, camera, number, SOME_PHOTOS)
            client.connection.close()

    def send(self, client, camera, number, count):
        item = client.post("/v1/items", {"code": f"EQ-{number:05d}", "name": "Pump"})["id"]
        client.upload(f"/v1/items/{item}/assets", camera.photos(count))
        return item

    @contextlib.contextmanager
    def exports_waiting(self):
        """Asks for exports, and for another one whenever one is finished and deleted: there are always as many."""
        has_ended = threading.Event()
        problems = []

        def keep():
            try:
                while not has_ended.wait(REFILL_SECONDS):
                    self.ask_for_exports(self.delete_finished())
            except Exception as problem:  # For whoever waits for the thread.
                problems.append(problem)

        self.ask_for_exports(EXPORTS)
        keeper = threading.Thread(target=keep, daemon=True)
        keeper.start()
        try:
            yield
        finally:
            has_ended.set()
            keeper.join(STOP_SECONDS)
        if problems:
            raise problems[0]

    def ask_for_exports(self, count):
        for _ in range(count):
            items = self.source.sample(self.items, min(ITEMS_AN_EXPORT, len(self.items) - 1))
            self.client.post("/v1/exports", {"item_ids": items, "media": "originals", "language": "en"})

    def delete_finished(self):
        """How many they were. The rows tell, since the earlier build's list takes seconds with so many that wait."""
        finished = self.rows("""
            SELECT e.id FROM exports e JOIN companies c ON c.id = e.company_id
             WHERE c.name = 'Large' AND e.finished_at IS NOT NULL AND e.deleted_at IS NULL""")
        for export in finished:
            self.client.delete(f"/v1/exports/{export}")
        return len(finished)

    def photos_waiting(self):
        [count] = self.rows(f"SELECT count(*) FROM ({self.photos('queued')}) photo")
        return int(count)

    def finished(self):
        """When each photo was, by a clock that is the same for all processes."""
        moments = self.rows(f"SELECT extract(epoch FROM finished_at) FROM ({self.photos('done')}) photo")
        return Finished(sorted(map(float, moments)))

    def photos(self, state):
        """Everybody's but the small company's."""
        return f"""
            SELECT j.finished_at
              FROM jobs j JOIN assets a ON a.id = j.subject_id JOIN companies c ON c.id = a.company_id
             WHERE c.name <> 'Small' AND j.kind = 'media.image' AND j.state = '{state}'"""

    def rows(self, statement):
        return servers.query(self.suite.database_url, statement).split()


class Finished:
    """Moments, in order."""

    def __init__(self, moments):
        self.moments = moments

    def a_second(self, interval):
        """How many there were in an interval, a second of it."""
        count = bisect.bisect(self.moments, interval.ended) - bisect.bisect(self.moments, interval.began)
        return count / (interval.ended - interval.began)
