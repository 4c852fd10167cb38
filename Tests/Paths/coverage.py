"""The lines a program has executed, from the profile it leaves when it ends (built with --enable-code-coverage)."""

import json
import os
import subprocess

import machine

ROOMS = ("Services/", "Shared/")
# Where tests let processes die: what is left of it in a release build is an empty function.
TEST_EQUIPMENT = "Shared/FaultPoints/"


def executed_lines(program, profile, tree):
    """By file of Services and Shared, in the tree the program was built from, which need not exist any more."""
    merged = f"{profile}.merged"
    subprocess.run([tool("llvm-profdata"), "merge", "-sparse", "-o", merged, profile], check=True)
    command = [tool("llvm-cov"), "export", "-format=lcov", f"-instr-profile={merged}",
               "-ignore-filename-regex=/checkouts/", program]
    lines, file = {}, None
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as exporting:
        for record in exporting.stdout:
            kind, _, value = record.rstrip().partition(":")
            if kind == "SF":
                file = os.path.relpath(value, tree)
            elif kind == "DA" and file.startswith(ROOMS) and not file.startswith(TEST_EQUIPMENT):
                number, count = map(int, value.split(",")[:2])
                if count > 0:
                    lines.setdefault(file, set()).add(number)
    if exporting.returncode != 0:
        raise RuntimeError(f"llvm-cov ended with status {exporting.returncode}.")
    return lines


def difference(some, others):
    """The lines that all of some runs have executed and none of the others, by file."""
    first, *more = some
    found = {}
    for file, lines in first.items():
        lines = lines.intersection(*(run.get(file, set()) for run in more))
        found[file] = lines.difference(*(run.get(file, set()) for run in others))
    return {file: lines for file, lines in found.items() if lines}


def tool(name):
    """The toolchain's own: the formats change with the compiler."""
    target = json.loads(machine.output("swiftc", "-print-target-info"))
    return os.path.realpath(f"{target['paths']['runtimeResourcePath']}/../../bin/{name}")
