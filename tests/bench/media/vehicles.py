"""vehicles.py: what of four cars on a parking lot, seen from above, each model sees; by replay, in whole pictures and crops."""
import json
import os
import re
import subprocess
import tempfile

from results import row, table
from rig import BINARY, MODELS, ROOT, config_of, tell

# intel-iot-devkit/sample-videos, CC BY 4.0; not in the repository.
CLIP = os.path.join(ROOT, "..", "shared", "clips", "car-detection.mp4")
# When at least a quarter of each is in the picture, and where it is across; by eye, frame by frame.
CARS = {"white": (4.7, 8.2, 0.46), "light blue": (14.8, 18.2, 0.23), "red": (15.2, 18.8, 0.50), "sports": (25.6, 27.6, 0.25)}
NEAR = 0.13             # of the picture's width: the same car
STEP_S = 0.2            # of a look
SURE = 0.5
LOOK = re.compile(r"^\S+\s+(?P<at>[\d.]+) s: (?:car|bus|truck) #\d+ (?P<score>[\d.]+) at \((?P<x>[-\d.]+), (?P<rest>.*)")
RULE = '[model]\nname = "{}"\n[[rule]]\nid = "cars"\nkind = "intrusion"\nlabels = ["car", "bus", "truck"]\ncooldown_s = 0\n'


def fetched():
    """The models that are here, by name, the default first."""
    said = subprocess.run([BINARY, "models", "list"], env={**os.environ, "GRIDPOST_MODELS": MODELS}, capture_output=True,
                          text=True, check=True).stdout
    return [line.split(" ")[0] for line in said.splitlines() if "here, hash right" in line]


def seen_by(model):
    """Looks in which each car is seen for sure, as (car, number of the look)."""
    with tempfile.TemporaryDirectory(prefix="gridpost-bench-") as folder:
        path = os.path.join(folder, "gridpost.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config_of({"lot": {"url": "rtsp://192.0.2.1/never-opened", "decode": "full"}}, RULE.format(model), False))
        ran = subprocess.run([BINARY, "replay", "-c", path, "--camera", f"lot={CLIP}", "--explain", "lot"], cwd=folder,
                             capture_output=True, text=True, check=False, env={**os.environ, "GRIDPOST_MODELS": MODELS})
    if ran.returncode:
        raise SystemExit(f"bench: replay failed: {ran.stderr[-2000:]}")
    kinds = [json.loads(line)["data"] for line in ran.stdout.splitlines()]
    tell(f"{model}: {sum(one['what'] == 'opened' for one in kinds)} incidents")
    seen = set()
    for match in filter(None, map(LOOK.match, ran.stderr.splitlines())):
        at, x = float(match["at"]), float(match["x"])
        if float(match["score"]) < SURE or "rule cars" not in match["rest"] or "only predicted" in match["rest"]:
            continue
        for car, (start, end, across) in CARS.items():
            if start <= at <= end and abs(x - across) <= NEAR:
                seen.add((car, round(at / STEP_S)))
    return seen


def run(_seconds):
    if not os.path.exists(CLIP):
        tell("vehicles: ../shared/clips/car-detection.mp4 is not here; nothing is measured")
        return
    looks = round(sum((end - start) / STEP_S for start, end, _ in CARS.values()))
    by_model = {model: seen_by(model) for model in fetched()}
    rows = []
    for model, seen in by_model.items():
        cars = len({car for car, _ in seen})
        rows += [row(f"{model}: cars that are seen at all, score ≥ {SURE}", f"{cars} of {len(CARS)}"),
                 row(f"{model}: looks with a car in which it is seen", f"{len(seen)} of {looks}")]
        for other, theirs in by_model.items():
            if other != model:
                rows.append(row(f"{model}: seen too, of the looks in which {other} sees one", f"{len(seen & theirs)} of {len(theirs)}"))
    table("vehicles, seen from above", rows)
