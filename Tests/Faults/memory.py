"""The memory each process takes while the traffic runs."""

import collections
import contextlib
import statistics
import threading

SAMPLING_SECONDS = 3
# What a third of the run may have gained on the one before, and still be called flat.
GROWTH_SHARE, GROWTH_BYTES = 0.10, 8_000_000
LEAST_SAMPLES = 12


class Memory:
    """Samples by service: a process that was replaced is followed by the one in its place."""

    def __init__(self):
        self.samples = collections.defaultdict(list)

    @contextlib.contextmanager
    def watching(self, replicas):
        is_over = threading.Event()

        def watch():
            while not is_over.wait(SAMPLING_SECONDS):
                for replica in replicas:
                    if (resident := replica.resident_bytes()) > 0:
                        self.samples[replica.service].append(resident)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            is_over.set()
            watcher.join()

    def rows(self):
        """Of a table: service, medians of the first and the last quarter, peak; in MB."""
        def megabytes(value):
            return f"{value / 1e6:.0f}"

        rows = []
        for service, samples in self.samples.items():
            quarter = max(1, len(samples) // 4)
            rows.append([service, megabytes(statistics.median(samples[:quarter])),
                         megabytes(statistics.median(samples[-quarter:])), megabytes(max(samples))])
        return rows

    def growing(self):
        """The services whose last third took more than the middle one, beyond what is called flat."""
        found = []
        for service, samples in self.samples.items():
            third = len(samples) // 3
            if third < LEAST_SAMPLES:
                continue
            before, after = statistics.median(samples[third:2 * third]), statistics.median(samples[-third:])
            if after > before * (1 + GROWTH_SHARE) + GROWTH_BYTES:
                found.append(f"{service} from {before / 1e6:.0f} to {after / 1e6:.0f} MB")
        return found
