"""What exists while schemathesis calls: ids that it cannot guess are made when they are needed."""

import base64
import collections
import functools
import hashlib
import json
import os
import random
import struct
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib

import servers

TIMEOUT_SECONDS = 60


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


# Grey, 8 by 8 pixels.
PICTURE = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
           + chunk(b"IDAT", zlib.compress(b"\0\x80\x80\x80\x80\x80\x80\x80\x80" * 8)) + chunk(b"IEND", b""))
# The beginning of a photo, from which nothing can be made.
DAMAGED = bytes.fromhex("ffd8ffe000104a46494600010100000100010000") + b"\0" * 64

Answer = collections.namedtuple("Answer", "status headers body")


class World:
    """A company's things. They are made by an admin, whoever the calls are compared as."""

    def __init__(self, path):
        with open(path) as file:
            facts = json.load(file)
        self.address = facts["address"]
        self.caller = facts["caller"]
        self.credentials = {"email": facts["email"], "password": facts["password"]}
        self.source = random.Random()
        self.tokens = facts["tokens"]
        self.passed_over = facts["passed_over"]
        self._maker = facts["maker"]
        self._stranger = {"Authorization": f"Bearer {facts['stranger']}"}
        self._database = facts["database"]
        self._known = {}
        with open(facts["document"]) as file:
            self.openapi = json.load(file)

    def token(self, for_last_time=False):
        """The caller's; None for nobody. One that is used for the last time is never given again."""
        if not self.tokens:
            return None
        return self.tokens.pop() if for_last_time and len(self.tokens) > 1 else self.tokens[0]

    def chance(self, probability):
        return self.source.random() < probability

    @staticmethod
    def bytes(count):
        """No two are the same, as ids and codes may not be."""
        return os.urandom(count)

    def as_stranger(self, path):
        return self._send("GET", path, headers=self._stranger)

    # What exists

    def item(self):
        return self._living("item", "/v1/items/{}", self.new_item)

    def new_item(self):
        return self._made("POST", "/v1/items", {"code": f"made-{self.bytes(8).hex()}"})["id"]

    def document(self):
        """An asset that is ready as it is."""
        return self._living("document", "/v1/assets/{}", self.new_document)

    def new_document(self):
        content = b"%PDF-1.4\n" + self.bytes(40)
        return self._put(f"/v1/items/{self.item()}/assets/made.pdf", content)["id"]

    def picture(self):
        """An asset with renditions."""
        return self._living("picture", "/v1/assets/{}", functools.partial(self._ended_asset, "made.png", PICTURE))

    def failed_asset(self):
        return self._ended_asset("made.jpg", DAMAGED + self.bytes(8))

    def export(self):
        """An export with an archive."""
        return self._living("export", "/v1/exports/{}", lambda: self._ended_export(self.item()))

    def expired_export(self):
        export = self._ended_export(self.new_item())
        servers.query(self._database, f"UPDATE exports SET expires_at = now() WHERE id = '{export}'")
        return export

    def new_upload(self, length, protocol):
        if protocol == "tus":
            headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(length), "Upload-Metadata": "filename YS5iaW4="}
        else:
            headers = {
                "Upload-Complete": "?0", "Upload-Length": str(length),
                "Content-Disposition": "attachment; filename=a.bin",
            }
        answer = self._send("POST", "/v1/uploads", None, self._as_maker() | headers)
        if answer.status != 201:
            raise RuntimeError(f"An upload cannot be begun: {answer}")
        return urllib.parse.urlsplit(answer.headers["Location"]).path.rsplit("/", 1)[1]

    def cursor(self, collection):
        if collection == "items":
            self.new_item()
        elif collection == "assets":
            self.new_document()
        return self._get(f"/v1/{collection}?limit=1")["next_cursor"]

    def entity_tag(self, path):
        return self._send("HEAD", path, headers=self._as_maker()).headers["ETag"]

    def rendition(self, picture):
        return self.source.choice(self._get(f"/v1/assets/{picture}")["renditions"])["name"]

    # How it comes to be

    def _living(self, name, path, make):
        """What was made before, unless it was deleted meanwhile."""
        known = self._known.get(name)
        if known is None or self._send("GET", path.format(known), headers=self._as_maker()).status != 200:
            known = self._known[name] = make()
        return known

    def _ended_asset(self, name, content):
        made = self._put(f"/v1/items/{self.new_item()}/assets/{name}", content)
        return self._ended(f"/v1/assets/{made['id']}")

    def _ended_export(self, item):
        made = self._made("POST", "/v1/exports", {"item_ids": [item], "language": "en"})
        return self._ended(f"/v1/exports/{made['id']}")

    def _ended(self, path):
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            found = self._get(path)
            if found["status"] in ("ready", "failed"):
                return found["id"]
            time.sleep(0.05)
        raise RuntimeError(f"{path} does not end: {found}")

    def _put(self, path, content):
        return self._made("PUT", path, content)

    def _get(self, path):
        return self._made("GET", path)

    def _made(self, method, path, content=None):
        headers = self._as_maker()
        if isinstance(content, dict):
            content = json.dumps(content).encode()
            headers["Content-Type"] = "application/json"
        elif content is not None:
            headers["Content-Type"] = "application/octet-stream"
        answer = self._send(method, path, content, headers)
        if answer.status // 100 != 2:
            raise RuntimeError(f"{method} {path} answered {answer.status}: {answer.body}")
        return json.loads(answer.body)

    def _as_maker(self):
        return {"Authorization": self._maker}

    def _send(self, method, path, content=None, headers=None):
        request = urllib.request.Request(self.address + path, content, headers or {}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as refusal:
            return Answer(refusal.code, refusal.headers, refusal.read())


def digest(content):
    """As RFC 9530 has it."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"
