"""How requests ended: counts, and the first of what went wrong."""

import collections
import threading
import time

KEPT_PROBLEMS = 30


class Tally:
    def __init__(self):
        self.lock = threading.Lock()
        self.began = time.monotonic()
        self.answered = collections.Counter()
        self.slowest = collections.defaultdict(float)
        # (kind, what): a request that was not taken; a user who retries has sent it again.
        self.problems = collections.Counter()
        self.first = []
        # What no fault excuses.
        self.wrong = []
        # What is neither, such as an upload that was gone on with.
        self.events = collections.Counter()

    def took(self, kind, seconds):
        with self.lock:
            self.answered[kind] += 1
            self.slowest[kind] = max(self.slowest[kind], seconds)

    def problem(self, kind, what, detail):
        with self.lock:
            self.problems[kind, what] += 1
            if len(self.first) < KEPT_PROBLEMS:
                self.first.append(f"{time.monotonic() - self.began:7.1f} s  {kind}: {what}  {detail}")

    def mistake(self, text):
        with self.lock:
            self.wrong.append(text)

    def event(self, name):
        with self.lock:
            self.events[name] += 1

    def rows(self):
        """Of a table: kind, requests answered, not taken, and the slowest."""
        kinds = sorted(set(self.answered) | {kind for kind, _ in self.problems})
        return [[kind, str(self.answered[kind]), self.said(kind), f"{self.slowest[kind]:.1f}"] for kind in kinds]

    def said(self, kind):
        found = [f"{count} × {what}" for (each, what), count in sorted(self.problems.items()) if each == kind]
        return ", ".join(found) or "0"
