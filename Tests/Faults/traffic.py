"""Users who do everything the suite is for, at a steady rate."""

import contextlib
import random
import threading
import time

from files import Files
from ledger import Ledger
from tally import Tally
from user import User

USERS = 12
ITEMS = 40
# What is held beyond this is deleted, the oldest first.
HELD_BYTES = 100_000_000


class Traffic:
    """What the users share.

    A user whose request was not taken sends it again for `retry_seconds`: then every fault is excused that ends. With 0,
    none is.
    """

    def __init__(self, fleet, directory, seed, rate, mix, retry_seconds):
        self.port = fleet.port
        self.token = fleet.client.headers["Authorization"].removeprefix("Bearer ")
        self.mix = mix
        self.retry_seconds = retry_seconds
        self.files = Files(f"{directory}/files")
        self.ledger = Ledger(f"{directory}/ledger")
        self.tally = Tally()
        self.held_bytes = HELD_BYTES
        self.items = [fleet.client.post("/v1/items", {"code": f"EQ-{number:03d}", "name": "Pump"})["id"]
                      for number in range(ITEMS)]
        self.is_over = threading.Event()
        self.seconds_between = 1 / rate
        self.next_turn = time.monotonic()
        self.lock = threading.Lock()
        self.users = [User(self, random.Random(f"{seed} {number}")) for number in range(USERS)]

    def wait_for_turn(self):
        """Users take turns; those that come late do not make up for it."""
        with self.lock:
            turn = max(self.next_turn, time.monotonic())
            self.next_turn = turn + self.seconds_between
        self.is_over.wait(turn - time.monotonic())

    def hang_up(self):
        """Ends every connection at once."""
        for user in self.users:
            user.caller.line.hang_up()

    @contextlib.contextmanager
    def running(self):
        """Ends when every user has done what was begun."""
        for user in self.users:
            user.start()
        try:
            yield self
        finally:
            self.is_over.set()
        # Not after Ctrl-C: some may go on retrying what is not going to come back.
        for user in self.users:
            user.join()
