"""The tables, and the targets."""

import dataclasses

import tables
from rounds import Spread
from uploads import scenarios
from uploads.driver import percentile
from uploads.scenarios import BARE, PEER_FORM, SHIPPED, TOLVA_FORM, TOLVA_PUT, TOLVA_WAYS, way_of

MEBIBYTE = 1 << 20


def print_scenario(scenario, measured, seed):
    requests = sum(len(run.seconds) for run in measured.runs[scenario.contenders[0]])
    print(f"\n{scenario.title} (requests of each: {requests}, rounds: {measured.rounds}, seed: {seed})\n")
    titles = ["", "p50 s", "p95 s", "wall s", "requests/s", "CPU s each", "peak MiB"]
    tables.print_table(titles + [f"wall : {name}" for name in scenario.references],
                       [row(measured, name, scenario.references) for name in scenario.contenders])


def print_ratios(measured, earlier):
    """Of this build's figures to those of earlier ones."""
    pairs = [(way, way_of(build, way)) for build in earlier for way in TOLVA_WAYS if way in measured.runs]
    return tables.print_ratios(measured, pairs, COMPARED) if pairs else {}


def runs(measured):
    """For the result."""
    return {name: [dataclasses.asdict(run) for run in each] for name, each in measured.runs.items()}


def row(measured, name, references):
    latencies = [seconds for run in measured.runs[name] for seconds in run.seconds]

    def spread(value, form):
        return tables.spread(measured.spread(name, value), form)

    return [
        name,
        tables.spread(Spread.of(latencies), "{:.3f}"),
        f"{percentile(latencies, 0.95):.3f}",
        spread(wall, "{:.2f}"),
        f"{measured.spread(name, lambda run: run.requests_per_second).median:.1f}",
        spread(cpu_seconds_each, "{:.4f}"),
        f"{measured.spread(name, lambda run: run.peak_bytes / MEBIBYTE).most:.0f}",
        *(tables.spread(measured.ratio(name, reference, wall)) for reference in references),
    ]


def targets(measured, peaks):
    """Prints those that what was measured tells about."""
    if peaks:
        print("\nMost memory of the API, each in a new process\n")
        tables.print_table(["", "one video of 1 GB", "100 videos of 100 MB at once"], [
            [f"{peak.build}, {peak.way}", f"{peak.long_video_bytes / 1e6:.0f} MB", f"{peak.many_bytes / 1e6:.0f} MB"]
            for peak in peaks])
    wanted = [target for name, found in measured.items() for target in of_scenario(name, found)]
    wanted += of_memory([peak for peak in peaks if peak.build == "Tolva"])
    if wanted:
        print()
        tables.print_targets(wanted)
    return [dataclasses.asdict(target) | {"is_met": target.is_met} for target in wanted]


def of_scenario(name, measured):
    """Ratios within a round; none to peers that were left out."""
    ratio = measured.ratio
    if name == scenarios.NGINX:
        yield tables.Target("behind the shipped nginx: 1.35 × directly", ratio(SHIPPED, TOLVA_PUT, median), 1.35)
    if PEER_FORM not in measured.runs:
        return
    if name == scenarios.VIDEO:
        yield tables.Target("100 MB, PUT: 1.0 × the bare C program that syncs", ratio(TOLVA_PUT, BARE, median), 1)
        yield tables.Target("100 MB, multipart: 0.55 × FastAPI", ratio(TOLVA_FORM, PEER_FORM, median), 0.55)
        yield tables.Target("100 MB, PUT, CPU: 1.3 × the bare C program",
                            ratio(TOLVA_PUT, BARE, cpu_seconds_each), 1.3)
    if name == scenarios.USERS:
        yield tables.Target("25 × 100 MB, multipart, wall: 0.6 × FastAPI", ratio(TOLVA_FORM, PEER_FORM, wall), 0.6)
        yield tables.Target("25 × 100 MB, multipart, p95: 0.7 × FastAPI", ratio(TOLVA_FORM, PEER_FORM, p95), 0.7)
    if name == scenarios.BATCH:
        yield tables.Target("15 images, 86 MB: 0.6 × FastAPI", ratio(TOLVA_FORM, PEER_FORM, median), 0.6)
    if name == scenarios.PICTURES:
        yield tables.Target("20 KB, multipart, requests/s: 4 × FastAPI",
                            ratio(TOLVA_FORM, PEER_FORM, lambda run: run.requests_per_second), 4, is_least=True)


def of_memory(peaks):
    for name, value, limit in [("a video of 1 GB", lambda peak: peak.long_video_bytes, 64),
                               ("100 videos of 100 MB at once", lambda peak: peak.many_bytes, 150)]:
        if peaks:
            most = max(map(value, peaks)) / 1e6
            yield tables.Target(f"{name}: at most {limit} MB of memory", Spread(most, most, most), limit, "{:.0f}")


def median(run):
    return run.median


def p95(run):
    return run.p95


def wall(run):
    return run.wall


def cpu_seconds_each(run):
    return run.cpu_seconds_each


# Of this build and an earlier one.
COMPARED = {
    "p50": median,
    "p95": p95,
    "wall": wall,
    "CPU": cpu_seconds_each,
    "peak": lambda run: run.peak_bytes,
}
