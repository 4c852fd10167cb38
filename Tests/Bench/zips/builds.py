"""What building an archive, or a copy, takes."""

import dataclasses


@dataclasses.dataclass
class Build:
    """One run."""

    # Until what it made was on the disk.
    synced_seconds: float
    cpu_seconds: float
    peak_bytes: int
    # Until it was done, with what it made still in memory; None if it syncs by itself.
    seconds: float | None = None
    # Of the disk, once all is on it.
    taken_bytes: int = 0
    # What only this contender knows.
    more: dict = dataclasses.field(default_factory=dict)


def on(file_system):
    """Runs a contender, and adds what its output takes on the file system."""
    def run(contender, _):
        before = file_system.used()
        taken = contender.run()
        file_system.sync()
        taken.taken_bytes = file_system.used() - before
        return taken

    return run
