"""What is sent, and whose files count."""

import base64
import dataclasses
import subprocess
import time
from collections.abc import Callable

import servers

JOB_SECONDS = 30
POLLING_SECONDS = 0.1


@dataclasses.dataclass
class Scenario:
    title: str
    # The files it may pass, by whose: a program, or several together.
    most: dict
    # What is there before, and is given to `act`.
    prepare: Callable
    act: Callable

    @property
    def services(self):
        """Those that run beside the API."""
        return sorted({service for together in self.most for service in together} - {"api"})


def item(suite, number=1):
    new = {"code": f"EQ-{number:03d}", "name": "Pump", "attributes": {"serial": str(number)}}
    return suite.client.post("/v1/items", new)["id"]


def send_form(suite, item):
    suite.client.upload(f"/v1/items/{item}/assets", [("IMG_0001.jpg", "image/jpeg", photo())])


def send_form_and_wait(suite, item):
    send_form(suite, item)
    wait_for_job(suite)


def begun_upload(suite):
    """One of tus, which nothing of its content has been sent of."""
    content = photo()
    about = base64.b64encode(item(suite).encode()).decode()
    suite.client.call("POST", "/v1/uploads", headers={
        "Tus-Resumable": "1.0.0", "Upload-Length": str(len(content)),
        "Upload-Metadata": f"filename SU1HXzAwMDEuanBn,item_id {about}"})
    return servers.query(suite.database_url, "SELECT id FROM uploads"), content


def patch(suite, begun):
    """Sends the first half."""
    upload, content = begun
    append(suite, upload, content[:len(content) // 2])


def patch_whole(suite, begun):
    """The upload becomes an asset."""
    append(suite, *begun)


def append(suite, upload, content):
    suite.client.call("PATCH", f"/v1/uploads/{upload}", content, "application/offset+octet-stream", headers={
        "Tus-Resumable": "1.0.0", "Upload-Offset": "0"})


def items_with_files(suite):
    for number in (1, 2):
        suite.client.upload(f"/v1/items/{item(suite, number)}/assets",
                            [(f"IMG_{number:03d}{shot}.jpg", "image/jpeg", photo()) for shot in (1, 2)])
    suite.client.upload("/v1/documents", [("Procedure.pdf", "application/pdf", b"%PDF-1.4\n%%EOF\n")])


def export(suite, _):
    suite.client.post("/v1/exports", {"media": "originals", "language": "en"})
    wait_for_job(suite)


def wait_for_job(suite):
    """Asks the database: a question to the API would be executed, too."""
    deadline = time.monotonic() + JOB_SECONDS
    while servers.query(suite.database_url, "SELECT count(*) FROM jobs WHERE state = 'done'") == "0":
        if time.monotonic() > deadline:
            raise RuntimeError(f"No job was done within {JOB_SECONDS} s.")
        time.sleep(POLLING_SECONDS)


def photo():
    """As a camera makes them: larger than its renditions."""
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=2560x1920", "-frames:v", "1",
               "-f", "mjpeg", "-"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


SCENARIOS = {
    "form": Scenario("a form upload", {("api",): 30}, item, send_form),
    "image": Scenario("an image job", {("media-worker",): 18, ("api", "media-worker"): None}, item, send_form_and_wait),
    "export": Scenario("an export", {("zip-worker",): None, ("api", "zip-worker"): 35}, items_with_files, export),
    "patch": Scenario("a tus PATCH", {("api",): 15}, begun_upload, patch),
    "last-patch": Scenario("the last tus PATCH", {("api",): None}, begun_upload, patch_whole),
}
