"""One of those who send, look, export and delete."""

import json
import threading

from caller import Caller, GivenUp
from line import Broken, form
from sending import Sending

SLOW_SECONDS = (2, 8)
# Exports that are not fetched and deleted yet.
MOST_EXPORTS = 12
DELETED_AT_ONCE = 20


class User(threading.Thread):
    """The methods after `run` are what a user does; `Traffic.mix` says how often."""

    def __init__(self, traffic, source):
        super().__init__(daemon=True)
        self.traffic = traffic
        self.source = source
        self.files = traffic.files
        self.ledger = traffic.ledger
        self.tally = traffic.tally
        self.caller = Caller(traffic.port, traffic.token, traffic.tally, traffic.retry_seconds)
        self.sending = Sending(self.caller, traffic.ledger)
        # What it sent last, to be sent once more: item, files, and the assets they are.
        self.last = None

    def run(self):
        kinds, weights = zip(*self.traffic.mix.items())
        while not self.traffic.is_over.is_set():
            self.traffic.wait_for_turn()
            [kind] = self.source.choices(kinds, weights)
            try:
                getattr(self, kind)()
            except GivenUp:
                self.tally.event("given up")
            except Exception as error:
                self.tally.mistake(f"{kind}: {type(error).__name__}: {error}")

    def photos(self):
        self.send("photos", [self.files.photo(self.source) for _ in range(self.source.randint(1, 4))])

    def slow_photos(self):
        self.send("photos, slowly", [self.files.photo(self.source) for _ in range(2)], self.slowly())

    def large_photo(self):
        self.send("photos", [self.files.large_photo(self.source)])

    def video(self):
        self.send("video", [self.files.video(self.source)])

    def long_video(self):
        self.send("video", [self.files.video(self.source, is_long=True)])

    def broken(self):
        self.send("broken file", [self.files.broken(self.source)])

    def again(self):
        """The same files once more: they are the same assets."""
        if self.last is None or not self.is_held(self.last):
            return
        item, files, ids = self.last
        found = self.sending.form("the same again", item, files)
        if sorted(found) != sorted(ids) and self.is_held(self.last):
            self.tally.mistake(f"The same files became {found} besides {ids}.")

    def put(self):
        self.sending.put("PUT", f"items/{self.item()}/assets", self.files.photo(self.source))

    def slow_put(self):
        self.sending.put("PUT, slowly", f"items/{self.item()}/assets", self.files.photo(self.source), self.slowly())

    def document(self):
        self.sending.put("document", "documents", self.files.document(self.source))

    def resumable(self):
        file = self.files.photo(self.source, most=1_500_000)
        self.sending.resumable(self.item(), file, pieces=self.source.randint(2, 6))

    def slow_resumable(self):
        self.sending.resumable(self.item(), self.files.video(self.source), pieces=3, seconds=self.slowly() / 3)

    def hang_up(self):
        """In the middle of a body."""
        body, headers = form([self.files.photo(self.source) for _ in range(2)])
        try:
            self.caller.line.hang_up_after(
                self.source.randrange(len(body)), "POST", f"/v1/items/{self.item()}/assets", body, headers)
        except Broken:
            return
        self.tally.event("hung up in the middle")

    def lists(self):
        item = self.item()
        for path in (f"items/{item}", "items?limit=20", f"assets?item_id={item}&limit=20", "exports?limit=10"):
            self.caller.ask("lists", "GET", f"/v1/{path}")

    def download(self):
        id = self.ledger.any("assets")
        if id is None:
            return
        answer = self.caller.ask("download", "GET", f"/v1/assets/{id}/content", good=(200, 404))
        if answer.status == 404:
            # Another user may just have deleted it.
            if self.ledger.is_held("assets", id):
                self.tally.mistake(f"The asset {id} is not there.")
        elif len(answer.body) != (expected := self.ledger.value("SELECT bytes FROM assets WHERE id = ?", id)):
            self.tally.mistake(f"The asset {id} came with {len(answer.body)} bytes of {expected}.")

    def export(self):
        if self.ledger.count("exports") >= MOST_EXPORTS:
            return self.fetch_export()
        wish = {"language": "en", "item_ids": self.source.sample(self.traffic.items, self.source.randint(1, 12))}
        answer = self.caller.ask("export", "POST", "/v1/exports", json.dumps(wish).encode(),
                                 {"Content-Type": "application/json"}, good=(200, 202))
        self.ledger.export(answer.json["id"])

    def fetch_export(self):
        """A ready one: looks at it, takes its first part, and deletes it."""
        id = self.ledger.any("exports")
        if id is None:
            return
        answer = self.caller.ask("export's standing", "GET", f"/v1/exports/{id}", good=(200, 404))
        if answer.status == 404 or answer.json["status"] != "ready" or not self.ledger.take("exports", id):
            return
        part = answer.json["parts"][0]
        got = self.caller.ask("export's part", "GET", part["url"])
        if len(got.body) != part["bytes"]:
            self.tally.mistake(f"A part of the export {id} came with {len(got.body)} bytes of {part['bytes']}.")
        self.caller.ask("export deleted", "DELETE", f"/v1/exports/{id}", good=(204, 404))
        self.ledger.gone("exports", id)

    def delete(self):
        """Some of the oldest, until what is held is little enough."""
        for _ in range(DELETED_AT_ONCE):
            id = self.ledger.take_oldest(unless_bytes_below=self.traffic.held_bytes)
            if id is None:
                return
            self.caller.ask("asset deleted", "DELETE", f"/v1/assets/{id}", good=(204, 404))
            self.ledger.gone("assets", id)

    def send(self, kind, files, seconds=0):
        item = self.item()
        self.last = (item, files, self.sending.form(kind, item, files, seconds))

    def is_held(self, sent):
        return all(self.ledger.is_held("assets", id) for id in sent[2])

    def item(self):
        return self.source.choice(self.traffic.items)

    def slowly(self):
        return self.source.uniform(*SLOW_SECONDS)
