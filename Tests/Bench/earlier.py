"""Another commit of Tolva, built apart from the tree this runs from, so that both can run side by side."""

import os
import shutil
import signal
import subprocess

import machine

# What operators run; `bench` builds this tree with the same.
RELEASE = ("-c", "release", "--static-swift-stdlib")
PROGRAMS = ("tolva-api", "tolva-media-worker", "tolva-zip-worker", "tolvactl")


def short_hash(commit):
    """Raises ValueError if there is no such commit."""
    command = ["git", "-C", machine.ROOT, "rev-parse", "--verify", "--quiet", "--short", "--end-of-options",
               f"{commit}^{{commit}}"]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if found.returncode != 0:
        raise ValueError(f"There is no commit {commit}.")
    return found.stdout.strip()


def programs(commit, directory, *flags):
    """The directory of its programs, built with these flags of `swift build` unless an earlier run has done so.

    What is kept are the programs alone, in `directory`. The tree is a worktree that is there only while it is built;
    what the compiler has made so far stays for the next run if this one is interrupted.
    """
    kept = f"{directory}/programs"
    if all(os.access(f"{kept}/{name}", os.X_OK) for name in PROGRAMS):
        return kept
    print(f"\nBuilding {commit} in {directory} (several minutes, once)…", flush=True)
    place, products = tree(directory), f"{directory}/build"
    os.makedirs(directory, exist_ok=True)
    remove(place)
    try:
        git("worktree", "add", "--quiet", "--force", "--detach", place, commit)
        use_same_dependencies(place)
        built = build(place, products, *flags)
        shutil.rmtree(kept, ignore_errors=True)
        os.mkdir(kept)
        for name in PROGRAMS:
            shutil.copy2(f"{built}/{name}", kept)
    finally:
        remove(place)
    shutil.rmtree(products)
    return kept


def build(tree, products, *flags):
    """Builds a tree and gives the directory of its programs; `products` is where the compiler keeps what it makes."""
    command = ["swift", "build", "--package-path", tree, "--scratch-path", products, *flags]
    with subprocess.Popen(command) as building:
        try:
            status = building.wait()
        except BaseException:
            # It ends its compilers, which would go on if it were killed.
            building.send_signal(signal.SIGINT)
            raise
    if status != 0:
        raise SystemExit(f"{tree} cannot be built.")
    return machine.output(*command, "--show-bin-path")


def tree(directory):
    """Where its sources are while it is built."""
    return f"{directory}/tree"


def use_same_dependencies(tree):
    """In the versions this tree is built with: what is compared is Tolva."""
    if os.path.exists(f"{machine.ROOT}/Package.resolved"):
        shutil.copy2(f"{machine.ROOT}/Package.resolved", tree)


def remove(tree):
    """Also one that a run that was killed has left behind."""
    if os.path.exists(tree):
        git("worktree", "remove", "--force", "--force", tree)


def git(*arguments):
    subprocess.run(["git", "-C", machine.ROOT, *arguments], check=True)
