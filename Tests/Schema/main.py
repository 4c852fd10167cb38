"""Runs schemathesis for each kind of caller against a suite, and says what it found. Started by the script `schema`."""

import argparse
import base64
import collections
import contextlib
import hashlib
import json
import os
import secrets
import subprocess
import sys
import time

import machine
import servers
import suite
import tables
import workplace

HERE = os.path.dirname(os.path.realpath(__file__))
SCHEMATHESIS = f"{os.path.dirname(sys.executable)}/schemathesis"
# How many of the examples asked for each caller gets: those who may not do much are told so soon.
CALLERS = {"admin": 1, "member": 0.3, "viewer": 0.3, "nobody": 0.15}
# Each is good for one call that ends a session.
TOKENS = 2000


def main():
    asked = arguments()
    workplace.stop_on_signals()
    print(f"commit {machine.commit()}, programs {asked.programs}, seed {asked.seed}", flush=True)
    results = {}
    with workplace.below(asked.data) as directory, contextlib.ExitStack() as stack:
        # Sign-ins come from as many addresses as they say, so that not all are refused after fifty that failed.
        os.environ["TRUST_PROXY"] = "true"
        private = stack.enter_context(servers.running(f"{directory}/servers"))
        for name in asked.callers:
            with suite.running(["media-worker", "zip-worker"], f"{directory}/{name}", private, f"schema_{name}",
                               f"{directory}/logs-{name}", asked.programs) as tolva:
                results[name] = run(name, tolva, directory, asked)
    report(results)
    raise SystemExit(any(result["failed"] for result in results.values()))


def arguments():
    parser = argparse.ArgumentParser(
        prog="schema", description="Compares the API with its OpenAPI document, with schemathesis.")
    parser.add_argument("--data", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--programs", required=True, help="the directory of the programs (.build/debug)")
    parser.add_argument("--examples", type=int, default=60, help="requests a call and a phase, for an admin (60)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is drawn (1)")
    parser.add_argument("--document", type=os.path.abspath, help="to compare with, in place of the one that is served")
    parser.add_argument("--caller", dest="callers", action="append", choices=CALLERS, help="only this one")
    asked = parser.parse_args()
    asked.callers = asked.callers or list(CALLERS)
    return asked


def run(name, tolva, directory, asked):
    address = f"http://127.0.0.1:{tolva.environment['HTTP_PORT']}"
    world = {
        "address": address, "caller": name, "document": asked.document or served_document(tolva, directory),
        "maker": tolva.client.headers["Authorization"], "stranger": stranger(tolva),
        "email": tolva.environment["ADMIN_EMAIL"], "password": tolva.environment["ADMIN_PASSWORD"],
        "tokens": tokens(tolva, name), "database": tolva.database_url, "passed_over": f"{directory}/passed-over.json",
    }
    with open(f"{directory}/world.json", "w") as file:
        json.dump(world, file)
    summary = f"{asked.data}/{name}.json"
    count = max(5, round(asked.examples * CALLERS[name]))
    command = [
        SCHEMATHESIS, "--config-file", f"{HERE}/schemathesis.toml", "run",
        world["document"], "--url", address,
        "--checks", "all", "--continue-on-failure", "--no-color",
        "--max-examples", str(count), "--seed", str(asked.seed),
        "--report", "json", "--report-json-path", summary,
    ]
    print(f"\n{name}: {count} requests a call and a phase", flush=True)
    began = time.monotonic()
    environment = os.environ | {"SCHEMATHESIS_HOOKS": "hooks", "SCHEMA_WORLD": f"{directory}/world.json"}
    with open(f"{asked.data}/{name}.txt", "w") as output:
        status = subprocess.run(
            command, check=False, cwd=directory, env=environment, stdout=output, stderr=output).returncode
    if status:
        with open(f"{asked.data}/{name}.txt") as output:
            print(output.read())
    with open(summary) as file, open(world["passed_over"]) as passed_over:
        return json.load(file) | {
            "failed": status != 0, "took": time.monotonic() - began, "passed_over": json.load(passed_over)}


def served_document(tolva, directory):
    """A file with it: from its address, schemathesis would leave out the call that gives it."""
    path = f"{directory}/openapi.json"
    with open(path, "w") as file:
        json.dump(tolva.client.get("/openapi.json"), file)
    return path


def tokens(tolva, caller):
    """Sessions of the caller, more than are ended; none for nobody."""
    if caller == "nobody":
        return []
    email = tolva.environment["ADMIN_EMAIL"]
    if caller != "admin":
        email = f"{caller}@example.com"
        add_user(tolva, email, "Demo", caller)
    return sessions(tolva, email, TOKENS)


def stranger(tolva):
    """The token of somebody in another company, who sees nothing of what is made."""
    control(tolva, "company", "create", "Other")
    add_user(tolva, "stranger@example.com", "Other", "admin")
    return sessions(tolva, "stranger@example.com", 1)[0]


def add_user(tolva, email, company, role):
    control(tolva, "user", "create", email, "--company", company, "--role", role)


def control(tolva, *arguments):
    environment = tolva.environment | {"TOLVA_PASSWORD": secrets.token_hex(12)}
    subprocess.run([f"{tolva.programs}/tolvactl", *arguments], check=True, env=environment, stdout=subprocess.DEVNULL)


def sessions(tolva, email, count):
    """Signs in behind the API's back: hashing so many passwords takes minutes."""
    made = [f"tolva_{secrets.token_urlsafe(32)}" for _ in range(count)]
    hashes = [base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode().rstrip("=") for token in made]
    servers.query(tolva.database_url, f"""
        INSERT INTO sessions (token_hash, user_id, expires_at)
        SELECT unnest('{{{','.join(hashes)}}}'::text[]), id, now() + interval '1 day' FROM users
         WHERE email = '{email}'""")
    return made


def report(results):
    passed_over = collections.Counter()
    for result in results.values():
        passed_over.update(result["passed_over"])
    print()
    tables.print_table(["passed over, see expected.py", "times"],
                       [[what, str(count)] for what, count in sorted(passed_over.items())])
    rows = []
    for name, result in results.items():
        operations, cases = result["operations"], result["test_cases"]
        rows.append([
            name, f"{operations['tested']} of {operations['total']}", str(cases["generated"]), str(result["filtered"]),
            str(cases["unique_failures"]), str(len(result["errors"])), f"{result['took']:.0f}",
        ])
    print()
    tables.print_table(["caller", "calls", "requests", "passed over", "failures", "errors", "took, s"], rows)


if __name__ == "__main__":
    main()
