"""The tables, and the targets."""

import dataclasses

import tables

MEBIBYTE = 1 << 20


def print_scenario(scenario, measured, counts, seed):
    print(f"\n{scenario.title} ({scenario.load.seconds} s a run, rounds: {measured.rounds}, seed: {seed})\n")
    rates = ["requests/s", "files/s"] if scenario.is_form else ["requests/s"]
    titles = ["", *rates, "p50 ms", "p95 ms", "p99 ms", "CPU ms a file", "Postgres's", "driver's",
              "commits a file", "WAL flushes", "disk flushes", "peak MiB"]
    tables.print_table(titles, [row(scenario, measured, name, counts.get(name)) for name in measured.runs])


def row(scenario, measured, name, counts):
    def spread(value, form="{:.2f}"):
        return tables.spread(measured.spread(name, value), form)

    def median(value, form="{:.2f}"):
        found = measured.spread(name, value)
        return "–" if found is None else form.format(found.median)

    peak = measured.spread(name, lambda run: run.peak_bytes)
    return [
        name,
        spread(requests_per_second, "{:.1f}"),
        *([spread(files_per_second, "{:.0f}")] if scenario.is_form else []),
        median(lambda run: run.p50 * 1000),
        median(lambda run: run.p95 * 1000),
        spread(lambda run: run.p99 * 1000, "{:.1f}"),
        spread(cpu_milliseconds),
        spread(postgres_cpu_milliseconds),
        median(driver_cpu_milliseconds),
        "–" if counts is None else f"{counts.commits:.2f}",
        "–" if counts is None or counts.wal_flushes is None else f"{counts.wal_flushes:.2f}",
        median(device_flushes),
        "–" if peak is None else f"{peak.most / MEBIBYTE:.0f}",
    ]


def print_ratios(measured):
    """Of this build's figures to everybody else's."""
    this, *others = measured.runs
    return tables.print_ratios(measured, [(this, other) for other in others], COMPARED) if others else {}


def targets(found, builds):
    """Prints those beside earlier builds, of what was measured: pairs of a scenario and its runs."""
    this, *earlier = builds
    wanted = [target for scenario, measured in found for build in earlier
              for target in of_scenario(scenario, measured, this, build)]
    if wanted:
        print()
        tables.print_targets(wanted)
    return [dataclasses.asdict(target) | {"is_met": target.is_met} for target in wanted]


def of_scenario(scenario, measured, this, build):
    def target(what, limit, figure, is_least=True):
        return tables.Target(f"{scenario.name}, {what}: {limit} × {build}", measured.ratio(this, build, figure), limit,
                             is_least=is_least)

    if scenario.is_form:
        yield target("files/s", 1, files_per_second)
    elif scenario.in_flight == 1:
        yield target("p99", 1, lambda run: run.p99, is_least=False)
    elif scenario.in_flight in LEAST_TIMES:
        yield target("requests/s", LEAST_TIMES[scenario.in_flight], requests_per_second)


def requests_per_second(run):
    return run.requests_per_second


def files_per_second(run):
    return run.files_per_second


def cpu_milliseconds(run):
    return milliseconds(run.a_file(run.cpu_seconds))


def postgres_cpu_milliseconds(run):
    return milliseconds(run.a_file(run.postgres_cpu_seconds))


def driver_cpu_milliseconds(run):
    return milliseconds(run.a_file(run.driver_cpu_seconds))


def device_flushes(run):
    return run.a_file(run.device_flushes)


def milliseconds(seconds):
    return None if seconds is None else seconds * 1000


# By requests in flight: how many times as many a second as an earlier build's.
LEAST_TIMES = {16: 4, 128: 5}
COMPARED = {
    "files/s": files_per_second,
    "p50": lambda run: run.p50,
    "p95": lambda run: run.p95,
    "p99": lambda run: run.p99,
    "CPU": cpu_milliseconds,
    "Postgres's": postgres_cpu_milliseconds,
    "disk flushes": device_flushes,
    "peak": lambda run: run.peak_bytes,
}
