#!/usr/bin/python3
"""bench.py [PART ...]: what it costs to watch, and what is missed for it; `make bench-media` calls it, ../README.md explains it.

    rivals    gridpost beside ffmpeg, a Frigate-like pipeline and motion, on idle, busy, night, long-gop, idle-h265
    rare      one crossing in ten minutes, a look every 4 s
    recall    replay of adaptive against full
    wake      live: from visible to on disk
    vehicles  what each model sees of the cars of a clip, where that is here
    curve     1, 4, 16, 48, 64 cameras: processor, memory, skipped, lost, pre-roll
    both      the same with both streams of each camera
    profile   where the time goes: by thread, and by function where `perf` is there
    smoke     20 s of rivals on a small clip, to try the bench itself

Without a part: all but smoke. In the environment: GRIDPOST_BENCH_SECONDS=N sets the length of each window,
GRIDPOST_BENCH_CAMERAS="1 16" the points of the curve, GRIDPOST_BENCH_BINARY another binary. Tables in the form of
../RESULTS.md go to stdout, what stands behind them to stderr. No figure is asserted."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import costs      # noqa: E402  pylint: disable=wrong-import-position
import curve      # noqa: E402  pylint: disable=wrong-import-position
import material   # noqa: E402  pylint: disable=wrong-import-position
import profiles   # noqa: E402  pylint: disable=wrong-import-position
import recall     # noqa: E402  pylint: disable=wrong-import-position
import vehicles   # noqa: E402  pylint: disable=wrong-import-position
import wake       # noqa: E402  pylint: disable=wrong-import-position
from results import load_of_others, machine_class  # noqa: E402  pylint: disable=wrong-import-position
from rig import BINARY, Missing, tell  # noqa: E402  pylint: disable=wrong-import-position


PARTS = {"rivals": costs.rivals, "rare": costs.rare, "recall": recall.run, "wake": wake.run, "vehicles": vehicles.run,
         "curve": curve.run, "both": curve.both, "profile": profiles.run, "smoke": lambda seconds: costs.run_material("smoke", seconds or 20)}


def begin():
    """Says what is measured, and notes how busy the machine is before the bench makes it busy itself."""
    revision = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False,
                              cwd=os.path.dirname(os.path.abspath(__file__))).stdout.strip()
    others = load_of_others()
    tell(f"bench: gridpost {revision or 'of an unknown revision'} on {machine_class()}"
         + (f"; {others}: all figures are worse for it" if others else ""))


def main():
    parts = sys.argv[1:] or [part for part in PARTS if part != "smoke"]
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        sys.exit(f"bench.py: there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    seconds = float(os.environ.get("GRIDPOST_BENCH_SECONDS") or 0) or None
    counts = os.environ.get("GRIDPOST_BENCH_CAMERAS", "").split()
    counts = tuple(map(int, counts)) or curve.CAMERAS
    if not os.path.exists(BINARY):
        sys.exit(f"bench.py: {BINARY} is not there; `cargo build --release` makes it")
    begin()
    for part in parts:
        PARTS[part](*([seconds] if part not in ("curve", "both") else [seconds, counts]))


if __name__ == "__main__":
    try:
        main()
    except Missing as missing:
        sys.exit(f"bench.py: {missing}")
