"""recall.py: what `adaptive` finds of what `full` finds, by replay; and what both find of what is known to be there."""
import bisect
import json
import os
import re
import subprocess
import tempfile
import time

import material
from rig import BINARY, MODELS, config_of, knows, print_table, seconds_of, share

LOOK = re.compile(r"^(?P<camera>\S+)\s+(?P<at>[\d.]+) s: person #(?P<id>\d+) (?P<score>[\d.]+) at \((?P<x>[-\d.]+), "
                  r"(?P<y>[-\d.]+)\)(?P<rest>.*)")
GATE = re.compile(r"^\S+\s+(?P<at>[\d.]+) s: gate (?P<what>wakes|sleeps): (?P<why>[a-z-]+)")
START = "2026-01-01T12:00:00+08:00"
STEP_S = 0.2            # of a look at 5 a second
SURE_S = 2              # max(GOP, look_every_s): visible for so long, nobody may be missed
NEAR = 0.08             # of the picture: the same person


class Replayed:
    """The incidents and the persons of one replay."""

    def __init__(self, clip, keys):
        with tempfile.TemporaryDirectory(prefix="gridpost-bench-") as folder:
            path = os.path.join(folder, "gridpost.toml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(config_of({"camera": {"url": "rtsp://192.0.2.1/never-opened", **keys}}, sink=False))
            began = time.monotonic()
            ran = subprocess.run([BINARY, "replay", "-c", path, "--camera", f"camera={clip}", "--explain", "camera",
                                  "--start", START], capture_output=True, text=True, cwd=folder, check=False,
                                 env={**os.environ, "GRIDPOST_MODELS": MODELS})
            self.took_s = time.monotonic() - began
        if ran.returncode:
            raise SystemExit(f"bench: replay failed: {ran.stderr[-2000:]}")
        zero = seconds_of(START)
        events = [json.loads(line)["data"] for line in ran.stdout.splitlines()]
        events = [event for event in events if event["kind"] == "intrusion"]
        self.began = sorted(seconds_of(one["began_at"]) - zero for one in events if one["what"] == "opened")
        self.ended = sorted(seconds_of(one["ended_at"]) - zero for one in events if one["what"] == "ended")
        # One line a track and rule; the same person is said once a look here, for there is one rule.
        self.seen = {}
        for match in map(LOOK.match, ran.stderr.splitlines()):
            if match and float(match["score"]) >= 0.5 and "only predicted" not in match["rest"]:
                self.seen.setdefault(float(match["at"]), set()).add((float(match["x"]), float(match["y"])))
        self.gate = [(float(one["at"]), one["what"], one["why"]) for one in map(GATE.match, ran.stderr.splitlines()) if one]

    def persons(self):
        return [(at, x, y) for at, feet in sorted(self.seen.items()) for x, y in feet]


def covered(full, other, people):
    """(seconds of persons that `full` saw, those of them that `other` saw too); the short appearances, which are a
    table of their own, left out."""
    short = [(start, end) for _, start, end in people if end - start < SURE_S]
    ours = [one for one in full.persons() if not any(start <= one[0] <= end + STEP_S for start, end in short)]
    theirs, found = other.persons(), 0
    times = [at for at, _, _ in theirs]
    for at, x, y in ours:
        low = bisect.bisect_left(times, at - STEP_S - 1e-6)
        high = bisect.bisect_right(times, at + STEP_S + 1e-6)
        found += any(abs(px - x) <= NEAR and abs(py - y) <= NEAR for _, px, py in theirs[low:high])
    return len(ours) * STEP_S, found * STEP_S


def matched(full, other, within):
    """For each incident of `full`, how far off the nearest of `other` begins; None if there is none near."""
    return [min((abs(b - a) for b in other.began if abs(b - a) <= within), default=None) for a in full.began]


def run(_seconds):
    looks = [("full", {"decode": "full"}), ("adaptive", {"decode": "adaptive"})] if knows("decode") else [("today", {})]
    rows, table, goals, wakes = [], {}, [], []
    for name in ("appear", "idle", "night"):
        clip, truth = material.build(name), material.truth_of(name)
        people = [span for span in truth if span[0] != "lamp"]
        got = {mode: Replayed(clip, keys) for mode, keys in looks}
        for mode, one in got.items():
            for _, start, end in people:
                hit = [at for at in one.began if start - 0.3 <= at <= end + 0.3]
                if mode == "adaptive" and end - start >= SURE_S and not hit:
                    print(f"\n{name}: adaptive misses what is visible from {start:.2f} to {end:.2f} s")
                table.setdefault((name, mode), []).append((round((end - start) * 2) / 2, bool(hit), hit and hit[0] - start))
            false = sum(not any(start - 1 <= at <= end + 1 for _, start, end in people) for at in one.began)
            rows.append((name, mode, f"{sum(hit for _, hit, _ in table[name, mode])} of {len(people)}", false,
                         f"{one.took_s:.0f} s"))
        if len(got) == 2:
            whole, found = covered(got["full"], got["adaptive"], people)
            offs = matched(got["full"], got["adaptive"], 1.0)
            near = [off for off in offs if off is not None]
            rows.append((name, "adaptive of full", f"{len(near)} of {len(offs)} incidents",
                         f"{found:.1f} of {whole:.1f} person-seconds ({100 * found / whole if whole else 0:.1f} %)",
                         f"start off by {max(near, default=0):.2f} s at most, {share(near, 0.5):.2f} s in the middle"))
            goals += [(f"{name}: incidents of 2 s and more (the GOP, look_every_s)", "all",
                       tally(table[name, "adaptive"], SURE_S)),
                      (f"{name}: start of the incident against full", "0.2 s at most", f"{max(near, default=0):.2f} s"),
                      (f"{name}: person-seconds of full, appearances of 2 s and more", "99 % at least",
                       f"{100 * found / whole if whole else 0:.1f} %")]
            wakes.append(nights(name, got["adaptive"].gate, people, len_s(truth, got["adaptive"])))
    print_table("Replay: what is found of what is known to be there", ("clip", "decode", "appearances", "false", "took"), rows)
    lengths = sorted({length for (name, _), all_of in table.items() if name == "appear" for length, _, _ in all_of})
    by_length = []
    for mode, _ in looks:
        cells = []
        for length in lengths:
            of = [(hit, late) for seconds, hit, late in table["appear", mode] if seconds == length]
            late = [late for hit, late in of if hit]
            cells.append(f"{len(late)} of {len(of)}" + (f" (+{share(late, 0.5):.2f} s)" if late else ""))
        by_length.append((mode, *cells))
    print_table("Recall by how long somebody was visible, at eight phases of the GOP (how late it says he came, median)",
                ("decode", *(f"{length:g} s" for length in lengths)), by_length)
    if wakes:
        print_table("Waking by replay of adaptive", ("clip", "wakes by cause", "with nobody there", "awake"), wakes)
    print_table("Against the targets", ("what", "target", "measured"), goals)


def len_s(truth, one):
    return max([end for _, _, end in truth] + [at for at, _, _ in one.gate] + [max(one.seen, default=0)])


def nights(name, gate, people, length):
    """A row: how often it woke and why, how often for nobody, and for what share of the time it was awake."""
    causes, false, awake, since = {}, 0, 0.0, None
    for at, what, why in gate:
        if what == "wakes":
            causes[why] = causes.get(why, 0) + 1
            # A look comes up to a GOP or two after he has gone, and the start is nobody's fault.
            false += why != "start" and not any(start - 0.5 <= at <= end + 5 for _, start, end in people)
            since = at if since is None else since
        elif since is not None:
            awake, since = awake + at - since, None
    awake += length - since if since is not None else 0
    said = ", ".join(f"{why} {count}" for why, count in sorted(causes.items())) or "none"
    return name, said, false, f"{100 * awake / length:.0f} % of {length:.0f} s"


def tally(appearances, seconds_min):
    of = [hit for seconds, hit, _ in appearances if seconds >= seconds_min]
    return f"{sum(of)} of {len(of)}"
