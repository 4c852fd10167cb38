"""A part of an export, built by the ZIP worker."""

import glob
import subprocess
import time
import zipfile

import processes
import servers
from zips.builds import Build

POLLING_SECONDS = 0.1
MAXIMUM_SECONDS = 300
# The workbook and the manifest.
OWN_ENTRIES = 2


class Part:
    """One export of one part, from the beginning of the worker's work to the linked and synced file."""

    def __init__(self, name, suite, material):
        self.name = name
        self.suite = suite
        self.material = material
        self.export = None

    def run(self):
        worker = self.suite.process_id("zip-worker")
        processes.forget_peak(worker)
        cpu_before = processes.cpu_seconds(worker)
        self.export = self.suite.client.post("/v1/exports", {"media": "originals", "language": "en"})["id"]
        part = self.ended_part()
        return Build(
            synced_seconds=part["seconds"],
            cpu_seconds=processes.cpu_seconds(worker) - cpu_before,
            peak_bytes=processes.peak_bytes(worker),
            more={"job_seconds": self.job_seconds()},
        )

    def ended_part(self):
        deadline = time.monotonic() + MAXIMUM_SECONDS
        while True:
            # Seldom enough to take nothing from the worker; its own clock is what counts.
            time.sleep(POLLING_SECONDS)
            export = self.suite.client.get(f"/v1/exports/{self.export}")
            if export["status"] not in ("queued", "processing"):
                break
            if time.monotonic() > deadline:
                raise RuntimeError(f"The export is not ready after {MAXIMUM_SECONDS} s: {export}")
        [part] = export["parts"]
        if export["status"] != "ready" or part["problem_count"] > 0:
            raise RuntimeError(f"The export did not become ready as it should: {export}")
        return part

    def job_seconds(self):
        """From the claim to the beginning of the transaction that completes the job."""
        return float(servers.query(self.suite.database_url, f"""
            SELECT extract(epoch FROM j.finished_at - j.started_at)
              FROM jobs j JOIN export_parts p ON p.id = j.subject_id WHERE p.export_id = '{self.export}'"""))

    def check(self):
        [path] = glob.glob(f"{self.suite.volume}/exports/*/{self.export}/*.zip")
        subprocess.run(["unzip", "-tqq", path], check=True)
        with zipfile.ZipFile(path) as archive:
            entries = len(archive.infolist())
        if entries != self.material.files + OWN_ENTRIES:
            raise RuntimeError(f"The archive has {entries} entries; {self.material.files} files went in.")

    def clear(self):
        self.suite.client.delete(f"/v1/exports/{self.export}")
