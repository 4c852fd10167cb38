"""What has to be true when it is over."""

import hashlib
import os
import time

import tables

SETTLED_SECONDS = 120
LONG_AGO_SECONDS = 2 * 86_400
SPOOL_SECONDS = 240
PAGE = 100
SAMPLE = 200
SHOWN = 5
SAID = 1000


class Verdict:
    """The promises, whether each was kept, and what was found."""

    def __init__(self):
        self.rows = []
        self.is_kept = True

    def add(self, promise, is_kept, found):
        self.rows.append([promise, "kept" if is_kept else "BROKEN", str(found)])
        self.is_kept = self.is_kept and is_kept

    def none(self, promise, found):
        """There should be nothing in the list."""
        shown = "; ".join(map(str, found[:SHOWN])) + (" …" if len(found) > SHOWN else "")
        self.add(promise, not found, f"{len(found)}: {shown}" if found else "none")

    def print(self):
        print()
        tables.print_table(["promise", "", "found"], self.rows)


def settle(fleet, verdict):
    """Waits until every job has ended."""
    # It has waited for as long as everything ran: nginx has let go of it.
    fleet.client.connection.close()
    began = time.monotonic()
    unfinished = "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')"
    while (left := fleet.number(unfinished)) > 0 and time.monotonic() - began < SETTLED_SECONDS:
        time.sleep(0.5)
    took = time.monotonic() - began
    verdict.add(f"All ends within {SETTLED_SECONDS} s", left == 0, f"after {took:.1f} s, {left} unfinished")


def pages(fleet, kind):
    """Every asset or export there is."""
    cursor = ""
    while True:
        answer = fleet.client.get(f"/v1/{kind}?limit={PAGE}{cursor}")
        yield from answer[kind]
        if not answer["next_cursor"]:
            return
        cursor = f"&cursor={answer['next_cursor']}"


def assets(fleet, ledger, verdict):
    """Each one that was acknowledged is there, and as its file deserves."""
    wrong = []
    ledger.run("ALTER TABLE assets ADD COLUMN is_found INTEGER DEFAULT 0")
    count = 0
    for asset in pages(fleet, "assets"):
        count += 1
        known = ledger.run("UPDATE assets SET is_found = 1 WHERE id = ? RETURNING sha256, is_sound", asset["id"])
        # One whose acknowledgement was lost on its way is held all the same.
        sha256, is_sound = known[0] if known else (asset["sha256"], None)
        expected = {True: ["ready"], False: ["failed"], None: ["ready", "failed"]}[
            None if is_sound is None else bool(is_sound)]
        if asset["sha256"] != sha256 or asset["status"] not in expected or (
                asset["status"] == "failed" and not asset["error"]):
            wrong.append(f"{asset['id']} {asset['status']} ({asset['error']})")
    verdict.none("Every asset is ready, or failed for a reason", wrong)
    missing = ledger.run("SELECT id FROM assets WHERE state = 'held' AND NOT is_found")
    verdict.none("What was acknowledged is there", [id for (id,) in missing])
    verdict.add("There were assets", count > 0,
                f"{count}, of which {ledger.count('assets')} were acknowledged; {ledger.count('assets', 'gone')} deleted")


def exports(fleet, ledger, verdict):
    found = {export["id"]: export["status"] for export in pages(fleet, "exports")}
    held = [id for (id,) in ledger.run("SELECT id FROM exports WHERE state = 'held'")]
    wrong = [f"{id} {status}" for id, status in found.items() if status != "ready"]
    wrong += [f"{id} missing" for id in held if id not in found]
    verdict.none("Every export is ready", wrong)
    verdict.add("There were exports", bool(found or ledger.count("exports", "gone")),
                f"{len(found)}, and {ledger.count('exports', 'gone')} fetched and deleted")


def originals(line, ledger, verdict):
    """A sample comes back as it went."""
    wrong = []
    sample = ledger.run("SELECT id, sha256 FROM assets WHERE state = 'held' ORDER BY random() LIMIT ?", SAMPLE)
    for id, sha256 in sample:
        answer = line.call("GET", f"/v1/assets/{id}/content")
        if answer.status != 200 or hashlib.sha256(answer.body).hexdigest() != sha256:
            wrong.append(f"{id} ({answer.status})")
    verdict.none(f"{len(sample)} originals come back as they went", wrong)


def consistency(fleet, verdict):
    is_clean, said = fleet.control("check", "--grace", "0", "--sums")
    found = totals(said) if is_clean else said.replace("\n", "; ")[:SAID]
    verdict.add("tolvactl check --sums is content", is_clean, found)


def collection(fleet, verdict):
    """As if two days had passed."""
    old = time.time() - LONG_AGO_SECONDS
    for directory, _, names in os.walk(fleet.volume):
        for name in names:
            os.utime(f"{directory}/{name}", (old, old))
    is_done, said = fleet.control("gc", "--delete")
    verdict.add("tolvactl gc --delete is content", is_done, totals(said) if is_done else said[:SAID])


def totals(said):
    """The line of them: what is printed of single files may come before it or after."""
    return next((line for line in said.splitlines() if "files: " in line), said)


def spool(fleet, verdict):
    """What nobody went on with is forgotten after UPLOAD_LIFE; then there is nothing in the spool."""
    deadline = time.monotonic() + SPOOL_SECONDS
    while (left := files_below(f"{fleet.volume}/spool")) and time.monotonic() < deadline:
        time.sleep(1)
    verdict.none("The spool is empty", left)


def descriptors(fleet, verdict, allowed):
    """What is open again as it was: nothing of the volume, nobody's request, and the pool's connections."""
    found = []
    for replica in fleet.replicas:
        opened = replica.descriptors()
        found += [f"{replica.name} has {path}" for path in opened
                  if path.startswith(fleet.volume) and not os.path.isdir(path)]
        if len(opened) > allowed[replica.name]:
            found.append(f"{replica.name} has {len(opened)}, and {allowed[replica.name]} at most are right")
    verdict.none("Descriptors are back", found)
    begun = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
    verdict.add("No transaction is left open", fleet.number(begun) == 0, fleet.query(begun))


def files_below(directory):
    return [f"{parent}/{name}" for parent, _, names in os.walk(directory) for name in names]
