"""recall.py: what `adaptive` finds of what `full` finds, by replay; and what both find of what is known to be there."""
import bisect
import json
import os
import re
import subprocess
import tempfile
import time

import material
from results import at_least, at_most, row, table
from rig import BINARY, MODELS, config_of, seconds_of, tell

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
    rows, found = [], {"full": [], "adaptive": []}
    for name in ("appear", "idle", "night"):
        clip, truth = material.build(name), material.truth_of(name)
        people = [span for span in truth if span[0] != "lamp"]
        got = {mode: Replayed(clip, {"decode": mode}) for mode in found}
        late = {}
        for mode, one in got.items():
            hits = hits_of(one, people)
            found[mode] += [(name, length, hit is not None) for length, hit in hits]
            late[mode] = max((abs(hit) for length, hit in hits if hit is not None and length >= SURE_S), default=float("nan"))
            tell_missed(name, mode, one, people)
        rows += rows_of_clip(name, got, people, late)
        if name == "night":
            rows += nights(name, got["adaptive"].gate, people, len_s(truth, got["adaptive"]))
    table("recall", [*rows_by_length(found), *rows])


def hits_of(one, people):
    """For each appearance how long it was, and how late its incident says that it began; None without one."""
    hits = []
    for _, start, end in people:
        near = [at for at in one.began if start - 0.3 <= at <= end + 0.3]
        hits.append((round((end - start) * 2) / 2, near[0] - start if near else None))
    return hits


def tell_missed(name, mode, one, people):
    """What a table does not hold: which appearance was missed, how many incidents were nobody's, how long it took."""
    for (length, hit), (_, start, end) in zip(hits_of(one, people), people):
        if hit is None and length >= SURE_S:
            tell(f"{name}: {mode} misses what is visible from {start:.2f} to {end:.2f} s")
    false = sum(not any(start - 1 <= at <= end + 1 for _, start, end in people) for at in one.began)
    tell(f"{name}: {mode} took {one.took_s:.0f} s, {false} incidents for nobody")


def rows_by_length(found):
    """What was found of what is known to be there: of 2 s and more in all clips, and of less where there is such."""
    def tally(mode, fits):
        of = [hit for name, length, hit in found[mode] if fits(name, length)]
        return sum(of), len(of)
    def sure(_, length):
        return length >= SURE_S
    hits, of = tally("adaptive", sure)
    rows = [row("found, visible for 2 s and more (appear, idle, night)", f"{hits} of {of}",
                "full: {} of {}".format(*tally("full", sure)), goal="all", met=hits == of)]
    for seconds in sorted({length for name, length, _ in found["full"] if length < SURE_S}, reverse=True):
        def short(_, length, seconds=seconds):
            return length == seconds
        rows.append(row(f"found, visible for {seconds:g} s", "{} of {}".format(*tally("adaptive", short)),
                        "full: {} of {}".format(*tally("full", short))))
    return rows


def rows_of_clip(name, got, people, late):
    """Adaptive held against full, and both against what is known to be there."""
    whole, found = covered(got["full"], got["adaptive"], people)
    share = 100 * found / whole if whole else 0
    off = max((one for one in matched(got["full"], got["adaptive"], 1.0) if one is not None), default=0)
    return [row(f"{name}: seconds of persons that full sees", f"{share:.1f} %", **at_least(99, share, "%")),
            row(f"{name}: start of an incident, off from full's by at most", f"{off:.2f} s", **at_most(0.2, off, "s")),
            row(f"{name}: start of an incident, off from the truth by at most", f"{late['adaptive']:.2f} s",
                f"full: {late['full']:.2f} s")]


def len_s(truth, one):
    return max([end for _, _, end in truth] + [at for at, _, _ in one.gate] + [max(one.seen, default=0)])


def nights(name, gate, people, length):
    """How often it woke for nobody, and for what share of the time it was awake."""
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
    tell(f"{name}: wakes by cause: " + (", ".join(f"{why} {count}" for why, count in sorted(causes.items())) or "none"))
    return [row(f"{name}: awake", f"{100 * awake / length:.0f} % of {length:.0f} s"),
            row(f"{name}: wakes with nobody there", str(false))]
