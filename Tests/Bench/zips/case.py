"""One part of an export: 35 items with photos, and procedures; beside copies and archives of the same bytes."""

import contextlib
import dataclasses
import importlib.metadata

import rounds
import tables
import volumes
from rounds import Spread
from zips import builds, material
from zips.peers import Archiver, Copy
from zips.tolva import Part

DISK_BYTES = 6_000_000_000
PLAIN, XFS = "plain", "xfs"
PARTS = [PLAIN, XFS]
MEBIBYTE = 1 << 20
# The targets are in decimal megabytes.
WORKER_MEMORY_MB = 64
CP, ZIPSTREAM = "cp -r", "zipstream-ng"


def measure(directory, tolvas, count, seed, parts, with_peers):
    """Measures on each file system; what is printed is also in the result, with every run."""
    places = [volumes.own(f"{directory}/plain")] if PLAIN in parts else []
    if XFS in parts:
        if reason := volumes.why_no_xfs():
            print(f"\nXFS is left out: {reason}.")
        else:
            places.append(volumes.xfs(f"{directory}/xfs"))
    result = {ZIPSTREAM: importlib.metadata.version(ZIPSTREAM)} if with_peers else {}
    result["file_systems"] = []
    for number, place in enumerate(places):
        with place as file_system, contextlib.ExitStack() as stack:
            suites = {}
            for order, tolva in enumerate(tolvas):
                volume, logs = f"{file_system.directory}/media-{order}", f"{directory}/logs-{number}-{order}"
                suites[tolva.name] = stack.enter_context(tolva.running(["zip-worker"], volume, f"zip_{number}", logs))
            made = material.make([each.client for each in suites.values()], f"{file_system.directory}/input", seed)
            contenders = [Part(name, running, made) for name, running in suites.items()]
            if with_peers:
                contenders += peers(made, file_system)
            measured = rounds.alternate(contenders, file_system, count, builds.on(file_system))
            result["file_systems"].append(report(file_system, list(suites), made, measured, seed))
    return result


def peers(made, file_system):
    return [
        Copy(CP, "never", made, file_system),
        Copy("cp -r, sharing blocks", "auto", made, file_system),
        Archiver(ZIPSTREAM, "store_with_zipstream.py", made, file_system),
        Archiver("Python zipfile", "store_with_zipfile.py", made, file_system),
    ]


def report(file_system, tolvas, made, measured, seed):
    """`tolvas` are the names of this build and the earlier one."""
    print(f"\nOn {file_system.name}:"
          f" {made.files} files, {made.bytes / 1e6:.0f} MB, {measured.rounds} rounds, seed {seed}\n")
    references = [name for name in (CP, ZIPSTREAM) if name in measured.runs]
    tables.print_table(
        ["", "seconds", "synced", "CPU s", "peak MiB", "taken MiB", *(f"synced : {name}" for name in references)],
        [row(measured, name, references) for name in measured.runs],
    )
    this, *earlier = tolvas
    ratios = tables.print_ratios(measured, [(this, name) for name in earlier], COMPARED) if earlier else {}
    print()
    for name in tolvas:
        job = measured.spread(name, job_seconds)
        print(f"{name}'s job from claim to commit, by its row: {tables.spread(job, '{:.3f}')} s")
    print()
    targets = list(wanted(file_system, this, measured))
    tables.print_targets(targets)
    return {
        "name": file_system.name, "shares_blocks": file_system.shares_blocks,
        "files": made.files, "bytes": made.bytes,
        "ratios": ratios,
        "runs": {name: [dataclasses.asdict(run) for run in runs] for name, runs in measured.runs.items()},
        "targets": [dataclasses.asdict(target) | {"is_met": target.is_met} for target in targets],
    }


def row(measured, name, references):
    def spread(value, form):
        return tables.spread(measured.spread(name, value), form)

    return [
        name,
        spread(lambda run: run.seconds, "{:.3f}"),
        spread(synced_seconds, "{:.3f}"),
        f"{measured.spread(name, lambda run: run.cpu_seconds).median:.2f}",
        f"{measured.spread(name, lambda run: run.peak_bytes / MEBIBYTE).most:.0f}",
        f"{measured.spread(name, lambda run: run.taken_bytes / MEBIBYTE).median:.1f}",
        *(tables.spread(measured.ratio(name, reference, synced_seconds)) for reference in references),
    ]


def wanted(file_system, tolva, measured):
    """The targets of a part, workbook and sync included; none beside peers that were left out."""
    if CP in measured.runs:
        yield from wanted_beside_peers(file_system, tolva, measured)
    peak = measured.spread(tolva, lambda run: run.peak_bytes / 1e6)
    yield tables.Target(f"at most {WORKER_MEMORY_MB} MB of memory", Spread(peak.most, peak.least, peak.most),
                        WORKER_MEMORY_MB, "{:.0f}")


def wanted_beside_peers(file_system, tolva, measured):
    if file_system.shares_blocks:
        yield tables.Target("at most 0.3 × cp without its sync",
                            measured.ratio(tolva, CP, synced_seconds, lambda run: run.seconds), 0.3)
    else:
        yield tables.Target("at most 1.3 × cp and the sync; of that",
                            measured.ratio(tolva, CP, synced_seconds, copied_and_synced), 1)
    yield tables.Target("2 × faster than zipstream-ng, both synced",
                        measured.ratio(ZIPSTREAM, tolva, synced_seconds), 2, is_least=True)


def synced_seconds(run):
    return run.synced_seconds


def job_seconds(run):
    return run.more["job_seconds"]


def copied_and_synced(run):
    """1.3 × the copying, and once the sync of what was copied."""
    return 1.3 * run.seconds + (run.synced_seconds - run.seconds)


# Of this build and an earlier one.
COMPARED = {
    "synced": synced_seconds,
    "job": job_seconds,
    "CPU": lambda run: run.cpu_seconds,
    "peak": lambda run: run.peak_bytes,
}
