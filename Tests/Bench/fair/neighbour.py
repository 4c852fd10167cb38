"""A company that sends one photo now and then, and asks for a small export."""

import dataclasses
import time

ITEMS = 3
PHOTOS_AN_ITEM = 3
POLLING_SECONDS = 0.02
# A try is given up then, and counts as so long.
MAXIMUM_SECONDS = 60


@dataclasses.dataclass
class Wait:
    """For an asset or an export, since the request for it was sent."""

    path: str
    began: float
    seconds: float = MAXIMUM_SECONDS
    is_ready: bool = False

    def look(self, client):
        status = client.get(self.path)["status"]
        if status == "failed":
            raise RuntimeError(f"{self.path} has failed.")
        if status == "ready":
            self.seconds = min(time.monotonic() - self.began, MAXIMUM_SECONDS)
            self.is_ready = True


@dataclasses.dataclass
class Try:
    """How long both took; `MAXIMUM_SECONDS` stands for longer."""

    photo_seconds: float
    export_seconds: float


class Neighbour:
    def __init__(self, suite, camera):
        self.client = suite.add_company("Small")
        self.camera = camera
        self.items = [self.add_item(number) for number in range(ITEMS)]
        for item in self.items:
            self.client.upload(f"/v1/items/{item}/assets", camera.photos(PHOTOS_AN_ITEM))
        self.item = self.add_item(ITEMS)

    def add_item(self, number):
        return self.client.post("/v1/items", {"code": f"EQ-{number:03d}", "name": "Valve"})["id"]

    def send_photo(self):
        [photo] = self.camera.photos(1)
        began = time.monotonic()
        [asset] = self.client.upload(f"/v1/items/{self.item}/assets", [photo])
        return Wait(f"/v1/assets/{asset['id']}", began)

    def ask_for_export(self):
        began = time.monotonic()
        export = self.client.post("/v1/exports", {"item_ids": self.items, "media": "originals", "language": "en"})
        return Wait(f"/v1/exports/{export['id']}", began)

    def take_turn(self):
        photo, export = self.send_photo(), self.ask_for_export()
        self.wait_for([photo, export])
        self.client.delete(export.path)
        return Try(photo.seconds, export.seconds)

    def wait_for(self, waits):
        deadline = time.monotonic() + MAXIMUM_SECONDS
        while time.monotonic() < deadline and not all(each.is_ready for each in waits):
            time.sleep(POLLING_SECONDS)
            for each in waits:
                if not each.is_ready:
                    each.look(self.client)
