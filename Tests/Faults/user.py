"""One of those who send, look, delete and export."""

import base64
import json
import threading
import time

from line import Broken, Cut, Line, form

TUS = {"Tus-Resumable": "1.0.0"}
SLOW_SECONDS = (2, 8)
AGAIN_SECONDS = 1
# Exports that are not fetched and deleted yet.
MOST_EXPORTS = 12


class GivenUp(Exception):
    """Nobody took the request."""


class User(threading.Thread):
    """Every method without an underscore is something a user does; `Traffic.mix` says how often."""

    def __init__(self, traffic, source):
        super().__init__(daemon=True)
        self.traffic = traffic
        self.ledger = traffic.ledger
        self.tally = traffic.tally
        self.files = traffic.files
        self.source = source
        self.line = Line(traffic.port, traffic.token)
        # What it sent last, to be sent once more.
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
            except Cut:
                self.tally.event("hung up in the middle")
            except Exception as error:
                self.tally.mistake(f"{kind}: {type(error).__name__}: {error}")

    # What it sends.

    def photos(self):
        self._post([self.files.photo(self.source) for _ in range(self.source.randint(1, 4))], "photos")

    def slow_photos(self):
        self._post([self.files.photo(self.source) for _ in range(2)], "photos, slowly", self._slowly())

    def large_photo(self):
        self._post([self.files.large_photo(self.source)], "photos")

    def film(self):
        self._post([self.files.film(self.source)], "film")

    def long_film(self):
        self._post([self.files.film(self.source, is_long=True)], "film")

    def broken(self):
        self._post([self.files.broken(self.source)], "broken file")

    def put(self):
        self._put(self.files.photo(self.source), "PUT")

    def slow_put(self):
        self._put(self.files.photo(self.source), "PUT, slowly", self._slowly())

    def document(self):
        file = self.files.document(self.source)
        answer = self._ask("document", "PUT", f"/v1/documents/{file.name}", file.content, self._type(file))
        self._note(answer.json, file)

    def again(self):
        """The same files once more: they are the same assets."""
        if self.last is None:
            return
        item, files, ids = self.last
        if not all(self.ledger.is_held("assets", id) for id in ids):
            return
        body, headers = form(files)
        answer = self._ask("the same again", "POST", f"/v1/items/{item}/assets", body, headers)
        found = [asset["id"] for asset in answer.json["assets"]]
        if sorted(found) != sorted(ids) and all(self.ledger.is_held("assets", id) for id in ids):
            self.tally.mistake(f"The same files became {found} besides {ids}.")

    def hang_up(self):
        """In the middle of a body."""
        body, headers = form([self.files.photo(self.source) for _ in range(2)])
        self._call("POST", f"/v1/items/{self._item()}/assets", body, headers, cut_at=self.source.randrange(len(body)))

    def resumable(self):
        self._resume(self.files.photo(self.source, most=1_500_000), self.source.randint(2, 6))

    def slow_resumable(self):
        self._resume(self.files.film(self.source), 3, self._slowly() / 3)

    # What it looks at.

    def lists(self):
        item = self._item()
        for path in ("/v1/items?limit=20", f"/v1/assets?item_id={item}&limit=20", f"/v1/items/{item}",
                     "/v1/exports?limit=10"):
            self._ask("lists", "GET", path)

    def download(self):
        id = self.ledger.any("assets")
        if id is None:
            return
        answer = self._ask("download", "GET", f"/v1/assets/{id}/content", good=(200, 404))
        if answer.status == 404:
            if self.ledger.is_held("assets", id):
                self.tally.mistake(f"The asset {id} is not there.")
            return
        expected = self.ledger.value("SELECT bytes FROM assets WHERE id = ?", id)
        if len(answer.body) != expected:
            self.tally.mistake(f"The asset {id} came with {len(answer.body)} bytes of {expected}.")

    # What it asks for and removes.

    def export(self):
        if self.ledger.count("exports") >= MOST_EXPORTS:
            return self.fetch_export()
        wish = {"language": "en", "item_ids": self.source.sample(self.traffic.items, self.source.randint(1, 12))}
        answer = self._ask("export", "POST", "/v1/exports", json.dumps(wish).encode(),
                           {"Content-Type": "application/json"}, good=(200, 202))
        self.ledger.export(answer.json["id"])

    def fetch_export(self):
        """A ready one: looks at it, takes its first part, and deletes it."""
        id = self.ledger.any("exports")
        if id is None:
            return
        answer = self._ask("export's standing", "GET", f"/v1/exports/{id}", good=(200, 404))
        if answer.status == 404 or answer.json["status"] != "ready" or not self.ledger.take("exports", id):
            return
        part = answer.json["parts"][0]
        got = self._ask("export's part", "GET", part["url"])
        if len(got.body) != part["bytes"]:
            self.tally.mistake(f"A part of the export {id} came with {len(got.body)} bytes of {part['bytes']}.")
        self._ask("export deleted", "DELETE", f"/v1/exports/{id}", good=(204, 404))
        self.ledger.gone("exports", id)

    def delete(self):
        id = self.ledger.take_oldest(unless_bytes_below=self.traffic.held_bytes)
        if id is not None:
            self._ask("asset deleted", "DELETE", f"/v1/assets/{id}", good=(204, 404))
            self.ledger.gone("assets", id)

    # How.

    def _post(self, files, kind, seconds=0):
        item = self._item()
        body, headers = form(files)
        answer = self._ask(kind, "POST", f"/v1/items/{item}/assets", body, headers, seconds)
        assets = answer.json["assets"]
        if len(assets) != len(files) or answer.json["rejected"]:
            self.tally.mistake(f"{kind}: not every file was taken: {answer.json}")
        for asset in assets:
            self._note(asset, next(file for file in files if file.name == asset["filename"]))
        self.last = (item, files, [asset["id"] for asset in assets])

    def _put(self, file, kind, seconds=0):
        path = f"/v1/items/{self._item()}/assets/{file.name}"
        self._note(self._ask(kind, "PUT", path, file.content, self._type(file), seconds).json, file)

    def _note(self, asset, file):
        if asset["sha256"] != file.sha256:
            self.tally.mistake(f"The asset {asset['id']} has the SHA-256 {asset['sha256']}, sent was {file.sha256}.")
        self.ledger.asset(asset["id"], file)

    def _resume(self, file, pieces, seconds=0):
        """By tus, in so many pieces; after each that was not taken it asks where to go on."""
        metadata = {"filename": file.name, "item_id": self._item()}
        said = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in metadata.items())
        length = len(file.content)
        headers = TUS | {"Upload-Length": str(length), "Upload-Metadata": said}
        path = self._path(self._ask("tus: begin", "POST", "/v1/uploads", b"", headers))
        offset, step = 0, -(-length // pieces)
        while offset < length:
            headers = TUS | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
            try:
                answer = self._call("PATCH", path, file.content[offset:offset + step], headers, seconds, "tus: piece")
                is_taken = answer.status == 204
                what = answer.problem
            except Broken as error:
                is_taken, what = False, "broken"
            if is_taken:
                offset = int(answer.headers["Upload-Offset"])
                continue
            self.tally.event(f"tus: gone on with after {what}")
            standing = self._ask("tus: standing", "HEAD", path, b"", TUS, good=(200, 404, 410))
            if standing.status != 200:
                # It was not gone on with for as long as uploads live here.
                return self.tally.event("tus: begun anew")
            offset = int(standing.headers["Upload-Offset"])
        upload = self._ask("tus: standing", "GET", path).json
        if not upload.get("asset"):
            return self.tally.mistake(f"All of an upload has come, and it is no asset: {upload}")
        self._note(upload["asset"], file)

    def _ask(self, kind, method, path, body=b"", headers=None, seconds=0, good=(200, 201, 204)):
        deadline = time.monotonic() + self.traffic.patience
        while True:
            try:
                answer = self._call(method, path, body, headers, seconds, kind)
                if answer.status in good:
                    return answer
                self.tally.problem(kind, answer.problem, f"request {answer.headers['X-Request-Id']}")
                if answer.status == 500 or (answer.status < 500 and answer.status not in (408, 409, 423, 429)):
                    self.tally.mistake(f"{kind}: {method} {path} was answered {answer.problem}.")
            except Broken as error:
                self.tally.problem(kind, "broken", error)
            if time.monotonic() > deadline:
                raise GivenUp
            time.sleep(AGAIN_SECONDS)

    def _call(self, method, path, body, headers=None, seconds=0, kind=None, cut_at=None):
        began = time.monotonic()
        answer = self.line.call(method, path, body, headers, seconds, cut_at)
        if kind and answer.status < 400:
            self.tally.took(kind, time.monotonic() - began)
        return answer

    def _item(self):
        return self.source.choice(self.traffic.items)

    def _slowly(self):
        return self.source.uniform(*SLOW_SECONDS)

    @staticmethod
    def _type(file):
        return {"Content-Type": file.content_type}

    @staticmethod
    def _path(answer):
        return "/" + answer.headers["Location"].split("/", 3)[3]
