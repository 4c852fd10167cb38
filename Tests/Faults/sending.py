"""The ways to send a file, each of which notes what was acknowledged."""

import base64

from line import Broken, form

TUS = {"Tus-Resumable": "1.0.0"}


class Sending:
    def __init__(self, caller, ledger):
        self.caller = caller
        self.tally = caller.tally
        self.ledger = ledger

    def form(self, kind, item, files, seconds=0):
        """With one multipart request, all of which must be taken; gives the assets' ids."""
        body, headers = form(files)
        answer = self.caller.ask(kind, "POST", f"/v1/items/{item}/assets", body, headers, seconds).json
        if len(answer["assets"]) != len(files) or answer["rejected"]:
            self.tally.mistake(f"{kind}: not every file was taken: {answer}")
        for asset in answer["assets"]:
            self.note(asset, next(file for file in files if file.name == asset["filename"]))
        return [asset["id"] for asset in answer["assets"]]

    def put(self, kind, place, file, seconds=0):
        """Without multipart, to an item's assets or the company's documents."""
        headers = {"Content-Type": file.content_type}
        self.note(self.caller.ask(kind, "PUT", f"/v1/{place}/{file.name}", file.content, headers, seconds).json, file)

    def resumable(self, item, file, pieces, seconds=0):
        """By tus, in so many pieces; after each that was not taken it asks where to go on."""
        length = len(file.content)
        offset, step = 0, -(-length // pieces)
        path = self.begin(item, file)
        while offset < length:
            new = self.piece(path, file.content[offset:offset + step], offset, seconds)
            if new is None:
                standing = self.caller.ask("tus: standing", "HEAD", path, b"", TUS, good=(200, 404, 410))
                if standing.status != 200:
                    # Nobody went on with it for as long as uploads live here.
                    return self.tally.event("tus: forgotten")
                new = int(standing.headers["Upload-Offset"])
            offset = new
        upload = self.caller.ask("tus: standing", "GET", path).json
        if not upload.get("asset"):
            return self.tally.mistake(f"All of an upload has come, and it is no asset: {upload}")
        self.note(upload["asset"], file)

    def begin(self, item, file):
        said = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}"
                        for name, value in {"filename": file.name, "item_id": item}.items())
        headers = TUS | {"Upload-Length": str(len(file.content)), "Upload-Metadata": said}
        address = self.caller.ask("tus: begin", "POST", "/v1/uploads", b"", headers).headers["Location"]
        return "/" + address.split("/", 3)[3]

    def piece(self, path, content, offset, seconds):
        """Gives the new offset, or None: a client of tus goes on with what was not taken, so that is no failure."""
        headers = TUS | {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        try:
            answer = self.caller.call("tus: piece", "PATCH", path, content, headers, seconds)
            if answer.status == 204:
                return int(answer.headers["Upload-Offset"])
            what = answer.problem
        except Broken:
            what = "a broken connection"
        self.tally.event(f"tus: gone on with after {what}")
        return None

    def note(self, asset, file):
        if asset["sha256"] != file.sha256:
            self.tally.mistake(f"The asset {asset['id']} has the SHA-256 {asset['sha256']}, sent was {file.sha256}.")
        self.ledger.asset(asset["id"], file)
