"""What the suite has promised: on a disk, so that it takes no more memory after an hour than after a minute."""

import sqlite3
import threading

TABLES = """
    CREATE TABLE assets (id TEXT PRIMARY KEY, sha256 TEXT, bytes INTEGER, is_sound INTEGER, state TEXT DEFAULT 'held');
    CREATE TABLE exports (id TEXT PRIMARY KEY, state TEXT DEFAULT 'held');
"""


class Ledger:
    """Assets and exports that were acknowledged, each `held` until somebody begins to delete it."""

    def __init__(self, path):
        self.database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.database.executescript(f"PRAGMA synchronous = off; PRAGMA journal_mode = off; {TABLES}")
        self.lock = threading.Lock()

    def run(self, statement, *values):
        with self.lock:
            return self.database.execute(statement, values).fetchall()

    def value(self, statement, *values):
        [(value,)] = self.run(statement, *values)
        return value

    def asset(self, id, file):
        """The same file sent again is the same asset."""
        self.run("INSERT INTO assets (id, sha256, bytes, is_sound) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                 id, file.sha256, len(file.content), file.is_sound)

    def export(self, id):
        self.run("INSERT INTO exports (id) VALUES (?) ON CONFLICT DO NOTHING", id)

    def any(self, kind):
        """The id of an asset or export that is held, or None."""
        found = self.run(f"SELECT id FROM {kind} WHERE state = 'held' ORDER BY random() LIMIT 1")
        return found[0][0] if found else None

    def take_oldest(self, unless_bytes_below):
        """The asset to delete next, or None while what is held has so few bytes."""
        with self.lock:
            [(held,)] = self.database.execute("SELECT coalesce(sum(bytes), 0) FROM assets WHERE state = 'held'")
            if held < unless_bytes_below:
                return None
            [(id,)] = self.database.execute("SELECT id FROM assets WHERE state = 'held' ORDER BY rowid LIMIT 1")
            self.database.execute("UPDATE assets SET state = 'leaving' WHERE id = ?", [id])
            return id

    def take(self, kind, id):
        """Whether it was held until now: then it is the caller's to delete."""
        return bool(self.run(f"UPDATE {kind} SET state = 'leaving' WHERE id = ? AND state = 'held' RETURNING 1", id))

    def is_held(self, kind, id):
        return bool(self.run(f"SELECT 1 FROM {kind} WHERE id = ? AND state = 'held'", id))

    def gone(self, kind, id):
        self.run(f"UPDATE {kind} SET state = 'gone' WHERE id = ?", id)

    def count(self, kind, state="held"):
        return self.value(f"SELECT count(*) FROM {kind} WHERE state = ?", state)
