#!/usr/bin/python3
"""bench.py [PART ...]: the measure of the adaptive engine; `make bench-media` calls it, tests/bench/README.md explains it.

    rivals    gridpost beside ffmpeg, a Frigate-like pipeline and motion, on idle, busy, night, long-gop, idle-h265
    rare      one crossing in ten minutes, a look every 4 s
    recall    replay of adaptive against full
    wake      live: from visible to on disk
    curve     1, 4, 16, 48, 64 cameras: processor, memory, skipped, lost, pre-roll
    profile   where the time goes: by thread, and by function where `perf` is there
    smoke     20 s of rivals on a small clip, to try the bench itself

Without a part: all but smoke. In the environment: GRIDPOST_BENCH_SECONDS=N sets the length of each window,
GRIDPOST_BENCH_CAMERAS="1 16" the points of the curve, GRIDPOST_BENCH_BINARY another binary. It prints Markdown and asserts nothing."""
import datetime
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import costs      # noqa: E402  pylint: disable=wrong-import-position
import material   # noqa: E402  pylint: disable=wrong-import-position
import recall     # noqa: E402  pylint: disable=wrong-import-position
import wake       # noqa: E402  pylint: disable=wrong-import-position
from rig import BINARY, Gateway, Missing, Server, knows, watch  # noqa: E402  pylint: disable=wrong-import-position


def profile(seconds):
    """One idle camera, and one busy one: threads, and what perf sees."""
    for name in ("idle", "busy"):
        server = Server({"main": material.build(name)})
        gateway = Gateway(name, {"camera": {"url": server.urls["main"]}})
        window = seconds or 60
        try:
            with tempfile.TemporaryDirectory() as folder:
                data, perf = os.path.join(folder, "perf.data"), None
                def record():
                    nonlocal perf
                    if perf is None and gateway.base and shutil.which("perf"):
                        perf = subprocess.Popen(["perf", "record", "-q", "-F", "499", "-g", "-o", data, "-p",
                                                 str(gateway.process.pid), "--", "sleep", str(window)],
                                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                watch([gateway], costs.WARMUP_S, window, record)
                print(f"\n### Profile of {name}: {gateway.percent():.2f} % of a core\n")
                print("by thread: " + ", ".join(f"{who} {part:.2f}" for who, part in gateway.by_thread().items()))
                print("by its own metrics: " + costs.engine(gateway))
                if perf:
                    perf.wait()
                    for keys, least in (("comm,dso", "1"), ("comm,dso,symbol", "1.5")):
                        report = subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "-g", "none",
                                                 "--percent-limit", least, "--sort", keys],
                                                capture_output=True, text=True, check=False).stdout
                        print("\n```")
                        print("\n".join(line.split("  -  ")[0].rstrip() for line in report.splitlines()
                                        if line.strip() and not line.startswith("#")))
                        print("```")
                else:
                    print("perf is not here (`tests/rig/setup.sh bench` installs it): by thread is all there is")
        finally:
            gateway.stop()
            server.stop()


PARTS = {"rivals": costs.rivals, "rare": costs.rare, "recall": recall.run, "wake": wake.run, "curve": costs.curve,
         "profile": profile, "smoke": lambda seconds: costs.run_material("smoke", seconds or 20)}


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        name = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "?")
    revision = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False,
                              cwd=os.path.dirname(os.path.abspath(__file__))).stdout.strip()
    return f"{datetime.date.today()}, {os.cpu_count()} x {name}, gridpost {revision}, load {os.getloadavg()[0]:.2f} before"


def main():
    parts = sys.argv[1:] or [part for part in PARTS if part != "smoke"]
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        sys.exit(f"bench.py: there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    seconds = float(os.environ.get("GRIDPOST_BENCH_SECONDS") or 0) or None
    counts = os.environ.get("GRIDPOST_BENCH_CAMERAS", "").split()
    counts = tuple(map(int, counts)) or costs.CAMERAS
    if not os.path.exists(BINARY):
        sys.exit(f"bench.py: {BINARY} is not there; `cargo build --release` makes it")
    print(f"{machine()}; " + ("`decode` is known: adaptive and full" if knows("decode") else
                              "this binary has no `decode` key: everything is decoded"), flush=True)
    if os.getloadavg()[0] > 0.5:
        print("\n**The machine is not quiet: others are working on it, and all figures are worse for it.**", flush=True)
    for part in parts:
        PARTS[part](*([seconds] if part != "curve" else [seconds, counts]))


if __name__ == "__main__":
    try:
        main()
    except Missing as missing:
        sys.exit(f"bench.py: {missing}")
