"""Runs k6 against the suite and says how it stood. Started by the script `load` beside it."""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys

import machine
import material
import nginx
import servers
import suite
import tables
import workplace
from scenarios import DEFAULT, SCENARIOS

HERE = os.path.dirname(os.path.realpath(__file__))
K6 = f"{os.path.dirname(sys.executable)}/k6"
THRESHOLDS_MISSED = 99
NEEDED_DISK_BYTES = 4_000_000_000


def main():
    asked = arguments()
    workplace.stop_on_signals()
    for fact, value in machine.facts().items():
        print(f"{fact:<12} {value}")
    for warning in machine.warnings(asked.data, NEEDED_DISK_BYTES):
        print(f"\n{warning}")
    material.make(f"{asked.data}/material", asked.seed)
    with workplace.below(asked.data) as directory, contextlib.ExitStack() as stack:
        private = None if "BASE_URL" in os.environ else stack.enter_context(servers.running(f"{directory}/servers"))
        results = {}
        for number, name in enumerate(asked.scenarios):
            with running_suite(f"{directory}/{number}", private, SCENARIOS[name], asked.nginx) as account:
                results[name] = run(name, account, asked.data, f"{directory}/summary.json")
    report(results)
    raise SystemExit(any(result["missed"] for result in results.values()))


def arguments():
    parser = argparse.ArgumentParser(prog="load", description="Sends Tolva what phones and browsers send, with k6.")
    parser.add_argument("--data", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--nginx", action="store_true", help="through the nginx that is shipped")
    parser.add_argument("--seed", type=int, default=1, help="of the files' sizes and bytes (1)")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}")
    asked = parser.parse_args()
    if unknown := [name for name in asked.scenarios if name not in SCENARIOS]:
        parser.error(f"There is no scenario {unknown[0]}; there is: {', '.join(SCENARIOS)}.")
    if asked.nginx and "BASE_URL" in os.environ:
        parser.error("BASE_URL says already what answers there.")
    asked.scenarios = asked.scenarios or DEFAULT
    return asked


@contextlib.contextmanager
def running_suite(directory, private, scenario, behind_nginx):
    """A suite for one scenario, on an empty volume with an empty database; or the one that is running already."""
    if private is None:
        yield {}
        return
    volume = f"{directory}/media"
    name = f"load_{os.path.basename(directory)}"
    with suite.running(scenario.services, volume, private, name, f"{directory}/logs") as tolva:
        account = {name: tolva.environment[name] for name in ("ADMIN_EMAIL", "ADMIN_PASSWORD")}
        port = api_port = tolva.environment["HTTP_PORT"]
        with contextlib.ExitStack() as stack:
            if behind_nginx:
                port, _ = stack.enter_context(nginx.shipped(f"{directory}/nginx", f"127.0.0.1:{api_port}", volume))
            yield account | {"BASE_URL": f"http://127.0.0.1:{port}"}
    shutil.rmtree(directory)


def run(name, account, data, summary):
    scenario = SCENARIOS[name]
    settings = scenario.settings | account | {"MATERIAL": f"{data}/material", "SUMMARY": summary}
    # Who is signed in is told by the environment: arguments can be read by everybody on the machine.
    environment = {name: str(value) for name, value in settings.items()}
    print(f"{name}: {scenario.what}", file=sys.stderr)
    ended = subprocess.run(
        ["setpriv", "--pdeathsig", "KILL", K6, "run", "--quiet", "--no-usage-report", "--address", "",
         f"{HERE}/{scenario.script}"],
        env=os.environ | environment, check=False)
    if ended.returncode not in (0, THRESHOLDS_MISSED):
        raise SystemExit(f"load: k6 ended with status {ended.returncode}.")
    with open(summary) as file:
        return json.load(file)


def report(results):
    def seconds(value):
        return f"{value / 1000:.3f}"

    print()
    tables.print_table(
        ["", "", "requests", "p50 s", "p95 s", "sending s", "waiting", "MB/s", "failed"],
        [[
            name, SCENARIOS[name].what, str(result["duration"]["count"]),
            seconds(result["duration"]["med"]), seconds(result["duration"]["p(95)"]), seconds(result["sending"]["med"]),
            f"{result['waiting_share']['med']:.0%}", f"{result['sent_bytes'] / result['seconds'] / 1e6:.0f}",
            str(result["failed"]["passes"]),
        ] for name, result in results.items()],
    )
    for name, result in results.items():
        for missed in result["missed"]:
            print(f"{name}: missed {missed}")


if __name__ == "__main__":
    main()
