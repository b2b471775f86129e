#!/usr/bin/python3
"""seeing.py [PART or SCENE ...]: is it right what is seen? `make bench-seeing` calls it, ../README.md explains it.

    vtest     people of vtest.avi against public truth, on the frames at hand in ../shared/truth
    far       the same at 45 pixels in 1920x1080, three times in one picture
    people    made scenes with people (tests/rig/people.py, disturbed.py): is each of them one thing in exactly one incident?
    nobody    made scenes with nobody: how many incidents an hour are false?

Without a word: all. The name of a scene means that scene alone. Each is played with each model at hand and with
decode = "adaptive" and "full". In the environment: GRIDPOST_SEEING_SMALL=1 takes the short scenes of the tests,
GRIDPOST_SEEING_MODELS="a b" some models, GRIDPOST_BENCH_BINARY another binary. A table in the form of ../RESULTS.md goes
to stdout, what stands behind it to stderr. No figure is asserted."""
import collections
import json
import os
import subprocess
import sys
import tempfile
import tomllib

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "media"), os.path.join(HERE, "..", "..", "rig")]
import disturbed                    # noqa: E402  pylint: disable=wrong-import-position
import far                          # noqa: E402  pylint: disable=wrong-import-position
import judge                        # noqa: E402  pylint: disable=wrong-import-position
import people                       # noqa: E402  pylint: disable=wrong-import-position
from results import at_least, at_most, row, table  # noqa: E402  pylint: disable=wrong-import-position
from rig import BINARY, MODELS, ROOT, TARGET, Missing, tell, tell_table  # noqa: E402  pylint: disable=wrong-import-position

TRUTH = os.path.normpath(os.path.join(ROOT, "..", "shared", "truth", "pets09-s2l1-40-frames.csv"))
DECODES = ("adaptive", "full")
START = "2026-01-01T12:00:00+08:00"
PARTS = ("vtest", "far", "people", "nobody")
SMALL = os.environ.get("GRIDPOST_SEEING_SMALL", "") not in ("", "0")
# Recall and precision that are to be reached: with the better model, and with SSD alone.
GOALS = {"ssd-mobilenet-v2-coco": 0.90}
GOAL, FAR_GOAL, IDF1_GOAL, ONCE_GOAL = 0.93, 0.90, 0.80, 0.98


def models():
    """Those of the catalogue whose file is here."""
    with open(os.path.join(MODELS, "catalog.toml"), "rb") as file:
        listed = tomllib.load(file)["model"]
    here = [one["name"] for one in listed if os.path.exists(os.path.join(MODELS, "cache", one["file"]))]
    wanted = os.environ.get("GRIDPOST_SEEING_MODELS", "").split()
    if not here:
        raise Missing(f"no model of {MODELS}/catalog.toml is here; `make models` brings one")
    for one in sorted({one["name"] for one in listed} - set(here)):
        tell(f"bench: {one} is not measured: its file is not in {MODELS}/cache")
    return [name for name in here if not wanted or name in wanted]


def evaluator():
    """Python with py-motmetrics, made once."""
    folder = os.path.join(TARGET, "rig", "seeing-venv")
    python, stamp = os.path.join(folder, "bin", "python"), os.path.join(folder, "requirements.txt")
    with open(os.path.join(HERE, "requirements.txt"), encoding="utf-8") as file:
        text = file.read()
    if not (os.path.exists(stamp) and open(stamp, encoding="utf-8").read() == text):
        tell("bench: making the evaluator's Python environment (about 90 MB, once)")
        try:
            subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", folder], check=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                            "--requirement", os.path.join(HERE, "requirements.txt")], check=True)
        except subprocess.CalledProcessError:
            raise Missing("the evaluator's Python environment could not be made; its reason is above") from None
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(text)
    return python


def evaluate(truth, tracks):
    ran = subprocess.run([evaluator(), "-W", "ignore", os.path.join(HERE, "evaluate.py"), truth, tracks],
                         capture_output=True, text=True, check=False)
    if ran.returncode:
        raise Missing(f"the evaluator failed: {ran.stderr[-800:]}")
    return json.loads(ran.stdout)


class Replayed:
    """A clip by the default rules: what was written down of it."""

    def __init__(self, folder, clip, model, decode, more=""):
        text = f"""[site]
id = "bench"
timezone = "Asia/Shanghai"
[model]
name = "{model}"
[[camera]]
id = "camera"
url = "rtsp://192.0.2.1/never-opened"
decode = "{decode}"
[[rule]]
id = "people"
kind = "intrusion"
labels = ["person"]
{more}
"""
        config, self.tracks = os.path.join(folder, "gridpost.toml"), os.path.join(folder, "tracks.txt")
        self.events = os.path.join(folder, "events.jsonl")
        with open(config, "w", encoding="utf-8") as file:
            file.write(text)
        with open(self.events, "wb") as file:
            ran = subprocess.run([BINARY, "replay", "-c", config, "--camera", f"camera={clip}", "--start", START, "--tracks",
                                  self.tracks], stdout=file, stderr=subprocess.PIPE, check=False,
                                 env={**os.environ, "GRIDPOST_MODELS": MODELS})
        if ran.returncode:
            raise Missing(f"replay failed: {ran.stderr.decode(errors='replace')[-2000:]}")

    def judged(self, truth):
        tracks = {frame: {track: box for track, box in seen.items() if box[5] == 1}
                  for frame, seen in judge.rows(self.tracks).items()}
        return judge.judge(judge.rows(truth), tracks, judge.incidents(self.events, START), people.FPS)


def played(clip, model, decode, more=""):
    folder = tempfile.TemporaryDirectory(prefix="gridpost-seeing-")  # pylint: disable=consider-using-with
    one = Replayed(folder.name, clip, model, decode, more)
    one.folder = folder
    return one


def on_truth(name, clip, truth, goal_of):
    """Rows of recall, precision and identity on a clip whose frames have public truth."""
    rows = []
    for model in models():
        for decode in DECODES:
            replayed, goal = played(clip, model, decode), goal_of(model)
            found = evaluate(truth, replayed.tracks)
            both = min(found["recall"], found["precision"])
            rows.append(row(f"{name}, {model}, {decode}: recall at precision",
                            f"{found['recall']:.3f} at {found['precision']:.3f}", **at_least(goal, both, "both")))
            rows.append(row(f"{name}, {model}, {decode}: IDF1, identity switches",
                            f"{found['idf1']:.3f}, {found['num_switches']:.0f} of {found['num_objects']:.0f} boxes"))
    return rows


def vtest():
    if not os.path.exists(TRUTH):
        tell(f"bench: vtest and far are not measured: the truth is not here ({TRUTH})")
        return []
    clip = subprocess.run([os.path.join(ROOT, "tests/rig/clip.sh"), "h264"], stdout=subprocess.PIPE, text=True, check=True)
    return on_truth("vtest", clip.stdout.strip(), TRUTH, lambda model: GOALS.get(model, GOAL))


def far_away():
    if not os.path.exists(TRUTH):
        return []
    clip, truth = far.make(TRUTH, os.path.join(TARGET, "rig", "people"))
    return on_truth("45 px in 1080p", clip, truth, lambda _model: FAR_GOAL)


def scenes_of(names):
    """(name, clip, truth, seconds); what cannot be made here is said on stderr."""
    clips = []
    for script, scenes in (("people.py", people.SCENES), ("disturbed.py", disturbed.SCENES)):
        of_it = [name for name in names if name in scenes]
        if of_it:
            ran = subprocess.run(["/usr/bin/python3", os.path.join(ROOT, "tests/rig", script), *of_it,
                                  *(["--small"] if SMALL else [])], stdout=subprocess.PIPE, text=True, check=True)
            clips += ran.stdout.split()
    for clip in clips:
        base = clip.removesuffix(".mp4")
        with open(base + ".json", encoding="utf-8") as file:
            said = json.load(file)
        yield said["scene"], clip, base + ".gt.txt", said["frames"] / said["fps"]


def with_people(names):
    rows, scenes = [], list(scenes_of(names))
    for model in models():
        for decode in DECODES:
            behind, total, identity = [], collections.Counter(), []
            for name, clip, truth, _ in scenes:
                replayed = played(clip, model, decode)
                said, found = replayed.judged(truth), evaluate(truth, replayed.tracks)
                for key in ("people", "once", "false"):
                    total[key] += said[key]
                total["missed"] += len(said["missed"])
                total["switches"] += int(found["num_switches"])
                identity.append(found["idf1"])
                behind.append((name, said["people"], said["once"], said["missed"] or "", said["several"] or "",
                               said["incidents"], said["false"], f"{found['recall']:.2f}", f"{found['precision']:.2f}",
                               f"{found['idf1']:.2f}", f"{found['num_switches']:.0f}"))
            tell_table(f"{model}, {decode}", ("scene", "people", "once", "missed", "several", "incidents", "false", "recall",
                                              "precision", "IDF1", "switches"), behind)
            share, what = total["once"] / max(total["people"], 1), f"made scenes, {model}, {decode}"
            rows += [row(f"{what}: in exactly one incident", f"{total['once']} of {total['people']} people ({share:.0%})",
                         **at_least(ONCE_GOAL * 100, share * 100, "%")),
                     row(f"{what}: missed", str(total["missed"]), **at_most(0, total["missed"], "people")),
                     row(f"{what}: incidents of nobody", str(total["false"]), **at_most(0, total["false"], "incidents")),
                     row(f"{what}: IDF1, least of a scene", f"{sum(identity) / len(identity):.3f}, {min(identity):.3f}",
                         **at_least(IDF1_GOAL, sum(identity) / len(identity), "on average")),
                     row(f"{what}: identity switches", str(total["switches"]))]
            for name, clip, truth, _ in scenes:
                if name == "six":
                    said = played(clip, model, decode, "cooldown_s = 0").judged(truth)
                    rows.append(row(f"six, {model}, {decode}, cooldown_s = 0: incidents", str(said["incidents"]),
                                    goal="6 incidents", met=said["incidents"] == 6))
    return rows


def with_nobody(names):
    rows, scenes = [], list(scenes_of(names))
    for model in models():
        for decode in DECODES:
            seconds, false = sum(length for *_, length in scenes), {}
            for name, clip, truth, _ in scenes:
                found = played(clip, model, decode).judged(truth)["incidents"]
                if found:
                    false[name.removeprefix("empty-")] = found
            count = sum(false.values())
            said = ", ".join(f"{name} {number}" for name, number in false.items())
            hour = f"{count} in {seconds / 60:.0f} min, {count / seconds * 3600:.1f} an hour"
            rows.append(row(f"nobody there, {model}, {decode}: false incidents", f"{hour}{': ' if said else ''}{said}"[:80],
                            **at_most(0, count, "incidents")))
    return rows


def main():
    wanted = sys.argv[1:] or list(PARTS)
    scenes = (*people.SCENES, *disturbed.SCENES)
    unknown = [word for word in wanted if word not in PARTS and word not in scenes]
    if unknown:
        sys.exit(f"seeing.py: there is no {', '.join(unknown)}; there are {', '.join((*PARTS, *scenes))}")
    if not os.path.exists(BINARY):
        sys.exit(f"seeing.py: {BINARY} is not there; `cargo build --release` makes it")
    for part in PARTS:
        every = [name for name in scenes if name.startswith("empty-") == (part == "nobody")]
        named = [name for name in every if name in wanted]
        rows = []
        if part == "vtest" and part in wanted:
            rows = vtest()
        elif part == "far" and part in wanted:
            rows = far_away()
        elif part in ("people", "nobody") and (part in wanted or named):
            rows = (with_people if part == "people" else with_nobody)(every if part in wanted else named)
        if rows:
            table(f"seeing, {part}" + (" in small" if SMALL and part in ("people", "nobody") else ""), rows)


if __name__ == "__main__":
    try:
        main()
    except Missing as missing:
        sys.exit(f"seeing.py: {missing}")
