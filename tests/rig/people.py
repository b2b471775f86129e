#!/usr/bin/python3
"""people.py NAME|all [--small] [--folder FOLDER]: made scenes in which it is known where each person is in each picture.

    stand       two stand with their backs to the camera, one after the other
    sit         one comes, stands, sits down on a bench, and gets up again
    cross       two walk past each other, twice; the nearer one covers the other
    group       four come together, stand together and leave; a fifth joins them
    far         three people of 45 pixels in 1920x1080
    night       two visits in the dark, with the noise of the dark
    rain        two visits in rain
    tree        two walk by behind a tree and are hidden for one to three seconds
    six         six come one after another, stand for 12 to 27 s, and leave; 2 to 20 s lie between
    parked-car  a car is parked in it all the time; four people walk by
    runners     one jogs through it, one runs, and two run side by side
    empty-…     nobody: dog, bag, headlights, flag, rain, night, parked-car

768x432 (`far` 1920x1080), 10 pictures a second, a key frame each 2 s. `--small` makes the same in less time, for tests.
Beside NAME.mp4 stand NAME.gt.txt, the truth in MOTChallenge's format (frame, id, left, top, width, height, counts,
class, visible; a row that does not count is ignored by who judges: less than 0.4 of him is seen), and NAME.json:
{"fps", "frames", "people": [{"id", "from_s", "to_s"}]}. The path of each clip is printed, and what cannot be made
here is said on stderr."""
import argparse
import hashlib
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import props                        # noqa: E402  pylint: disable=wrong-import-position
import scenes                       # noqa: E402  pylint: disable=wrong-import-position
from stage import FPS, WIDTH, Stage, Wardrobe, night_table, rain  # noqa: E402  pylint: disable=wrong-import-position

GOP = 20
PACE = 55                           # pixels a second of who walks
SEEN = 0.4                          # share of a person from which he counts
QUIET_S = 6                         # the scene is learnt before anybody comes


def visit(begin, x, y, stands_s, from_right=False, pace=PACE):
    """Comes in at an edge, stands at `x`, leaves by the same edge; with the second when he is gone."""
    edge = WIDTH + 30 if from_right else -30
    walk_s = abs(x - edge) / pace
    path = [(begin, edge, y), (begin + walk_s, x, y), (begin + walk_s + stands_s, x, y),
            (begin + 2 * walk_s + stands_s, edge, y)]
    return path, path[-1][0]


def crossing(begin, y, to_right=True, pace=PACE):
    ends = (-30, WIDTH + 30) if to_right else (WIDTH + 30, -30)
    end = begin + (WIDTH + 60) / pace
    return [(begin, ends[0], y), (end, ends[1], y)], end


def two_visits(wardrobe, small, names, **stage):
    first, end = visit(QUIET_S, 150 if small else 300, 300, 5 if small else 25)
    second, end = visit(end + (8 if small else 40), 640 if small else 480, 280, 5 if small else 25, from_right=True)
    return Stage(wardrobe, end + 6, **stage).person(1, names[0], first).person(2, names[1], second)


def stand(wardrobe, small):
    return two_visits(wardrobe, small, ("back", "grey"))


def night(wardrobe, small):
    return two_visits(wardrobe, small, ("blue", "red"), table=night_table())


def in_rain(wardrobe, small):
    stage = two_visits(wardrobe, small, ("coat", "striped"))
    stage.after.append(rain(stage.size, 260, 3))
    return stage


def sit(wardrobe, small):
    x, y, length = (160, 290, 6) if small else (330, 290, 40)
    path, end = visit(QUIET_S, x, y, length + 6)
    begin = path[1][0] + 3
    stage = Stage(wardrobe, end + 6).person(1, "stander", path, low=[(begin, begin + length)])
    return stage.thing(props.bench(x, y + 2), y + 1)


def cross(wardrobe, small):
    stage, begin = Stage(wardrobe, 1), QUIET_S
    for turn in range(1 if small else 3):
        there, end = crossing(begin, 285, pace=PACE * 1.4 if small else PACE)
        back, _ = crossing(begin, 300 + 8 * turn, to_right=False, pace=PACE * 1.4 if small else PACE)
        stage.person(2 * turn + 1, ("striped", "stander", "red")[turn], there)
        stage.person(2 * turn + 2, ("coat", "blue", "grey")[turn], back)
        begin = end + 12
    stage.frames = round((begin - 6) * FPS)
    return stage


def group(wardrobe, small):
    stage, end = Stage(wardrobe, 1), 0
    stands_s = 6 if small else 25
    for number, name in enumerate(("striped", "blue", "red", "coat")):
        path, gone = visit(QUIET_S + 0.5 * number, (250 if small else 400) - 52 * number, 290 + 9 * (number % 2), stands_s)
        stage.person(number + 1, name, path)
        end = max(end, gone)
    joins, gone = visit(QUIET_S + (3 if small else 12), 400 if small else 500, 300, stands_s / 2, from_right=True)
    stage.person(5, "grey", joins)
    stage.frames = round((max(end, gone) + 6) * FPS)
    return stage


def far(wardrobe, small):
    stage = Stage(wardrobe, 1, scale=2.5, pixels=45)
    end, pace = 0, PACE * 0.35
    for number, (name, x, y) in enumerate((("striped", 70, 180), ("blue", 90, 260), ("grey", 60, 330))):
        path, gone = visit(QUIET_S + 2 * number, x, y, 4 if small else 20, from_right=False, pace=pace)
        if number == 1 and not small:
            path, gone = crossing(QUIET_S, y, pace=pace * 1.5)
        stage.person(number + 1, name, path)
        end = max(end, gone)
    stage.frames = round((end + 4) * FPS)
    return stage


def behind_tree(wardrobe, small):
    pace = 45
    first, end = crossing(QUIET_S, 262, pace=pace)
    second, end = crossing(end + 8, 268, to_right=False, pace=pace)
    if small:
        first = [(QUIET_S, 150, 262), (QUIET_S + 2, 150, 262), (QUIET_S + 10, 510, 262), (QUIET_S + 12, 510, 262)]
        end = QUIET_S + 12
    stage = Stage(wardrobe, end + 6).person(1, "stander", first)
    if not small:
        stage.person(2, "coat", second)
    return stage.thing(props.tree(340, 300), 300)


def six(wardrobe, small):
    chance, stage, begin = random.Random(6), Stage(wardrobe, 1), QUIET_S
    for number, name in enumerate(("back", "striped", "coat", "blue", "red", "grey")):
        stands_s = chance.uniform(4, 6) if small else chance.uniform(12, 27)
        right = number % 2 == 1
        x = (WIDTH - 130 if right else 130) if small else chance.randrange(200, 560)
        path, end = visit(begin, x, chance.randrange(270, 320), stands_s, right)
        stage.person(number + 1, name, path)
        begin = end + (chance.uniform(2, 5) if small else chance.uniform(2, 20))
    stage.frames = round((begin + 4) * FPS)
    return stage


def with_car(stage):
    parked = props.car(620, 410)
    return stage.thing(parked, 410) if parked else None


def parked_car(wardrobe, small):
    stage, begin = Stage(wardrobe, 1), 14 if small else 60
    for number, name in enumerate(("striped", "blue", "coat", "red")[:2 if small else 4]):
        path, end = crossing(begin, 285 + 6 * number, to_right=number % 2 == 0, pace=PACE * (1.4 if small else 1))
        stage.person(number + 1, name, path)
        begin = end + (8 if small else 50)
    stage.frames = round(begin * FPS)
    return with_car(stage)


def runners(wardrobe, small):
    """Twice to four times his own height a second: 3 to 7 m/s."""
    stage, begin = Stage(wardrobe, 1), QUIET_S
    for turn in range(1 if small else 3):
        for number, (names, pace) in enumerate(((("striped",), 190), (("blue",), 420), (("coat", "red"), 280))):
            for side, name in enumerate(names):
                path, end = crossing(begin, 280 + 22 * side, to_right=(turn + number) % 2 == 0, pace=pace * (1 - 0.04 * side))
                stage.person(4 * turn + number + side + 1, name, path)
            begin = end + (5 if small else 20)
    stage.frames = round((begin + 2) * FPS)
    return stage


def empty(seconds, change, **more):
    """A scene with nobody: `change(stage, seconds)` puts there what is."""
    def scene(wardrobe, small):
        length = 30 if small else seconds
        stage = Stage(wardrobe, length, **({"table": night_table()} if more.get("dark") else {}))
        return change(stage, length)
    scene.noise = more.get("noise", 5)
    return scene


def dogs(stage, seconds):
    path = [(QUIET_S, -40), (QUIET_S + 9, 300), (QUIET_S + 13, 300), (QUIET_S + 22, 810)]
    if seconds > 60:
        path += [(60, 810), (75, 400), (85, 400), (95, -40)]
    return stage.thing(props.dog(path, 318), 318)


def lights(stage, seconds):
    stage.after.append(props.headlights(range(8, seconds - 5, 11)))
    return stage


def pours(stage, _seconds):
    stage.after.append(rain(stage.size, 420, 4))
    return stage


night.noise = 18
SCENES = {
    "stand": stand, "sit": sit, "cross": cross, "group": group, "far": far, "night": night, "rain": in_rain,
    "tree": behind_tree, "six": six, "parked-car": parked_car,
    "runners": runners,
    "empty-dog": empty(120, dogs),
    "empty-bag": empty(180, lambda stage, seconds: stage.thing(props.bag(seconds, 5), 340)),
    "empty-headlights": empty(120, lights, dark=True, noise=14),
    "empty-flag": empty(180, lambda stage, _seconds: stage.thing(props.flag(180, 120), 300)),
    "empty-rain": empty(120, pours, noise=7),
    "empty-night": empty(180, lambda stage, _seconds: stage, dark=True, noise=20),
    "empty-parked-car": empty(180, lambda stage, _seconds: with_car(stage)),
}


def encode(stage, out, noise):
    width, height = stage.size
    process = scenes.ffmpeg(
        "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(FPS), "-i", "pipe:0", "-vf",
        f"noise=alls={noise}:allf=t:all_seed=11,format=yuv420p", "-c:v", "libx264", "-preset", "veryfast", "-threads", "1",
        "-profile:v", "main", "-bf", "0", "-g", str(GOP), "-keyint_min", str(GOP), "-sc_threshold", "0", "-crf", "23",
        "-maxrate", f"{max(2, width // 320)}M", "-bufsize", f"{2 * max(2, width // 320)}M", "-flags", "+bitexact", "-fflags", "+bitexact", "-movflags", "+faststart", "-f", "mp4", out, stdin=subprocess.PIPE)
    try:
        for picture in stage.pictures():
            process.stdin.write(picture)
        process.stdin.close()
    except BrokenPipeError:
        pass
    if process.wait():
        sys.exit("people.py: ffmpeg could not encode; its reason is above")


def truth(stage, base):
    """The two files beside the clip, from what the stage noted."""
    spans = {}
    with open(base + ".gt.txt", "w", encoding="ascii") as file:
        for frame, identity, x, y, width, height, shown in sorted(stage.truth):
            counts = int(shown >= SEEN)
            file.write(f"{frame},{identity},{x + 1},{y + 1},{width},{height},{counts},1,{shown:.2f}\n")
            if counts:
                span = spans.setdefault(identity, [frame, frame])
                span[1] = frame
    return [{"id": identity, "from_s": (first - 1) / FPS, "to_s": last / FPS}
            for identity, (first, last) in sorted(spans.items())]


def made_by():
    here, text = os.path.dirname(os.path.abspath(__file__)), b""
    for name in ("people.py", "props.py", "stage.py", "scenes.py"):
        with open(os.path.join(here, name), "rb") as file:
            text += file.read()
    return hashlib.sha256(text).hexdigest()


def make(name, small, folder, wardrobe):
    """Where the clip is; None where it cannot be made here."""
    base = os.path.join(folder, name + ("-small" if small else ""))
    try:
        with open(base + ".json", encoding="utf-8") as file:
            if json.load(file)["made_by"] == made_by() and os.path.getsize(base + ".mp4") > 0:
                return base + ".mp4"
    except (OSError, ValueError, KeyError):
        pass
    os.makedirs(folder, exist_ok=True)
    stage = SCENES[name](wardrobe(), small)
    if stage is None:
        print(f"people.py: {name} is not made: the footage of a car is not here ({os.path.normpath(props.CAR)})",
              file=sys.stderr)
        return None
    print(f"people.py: making {os.path.basename(base)}.mp4, {stage.frames / FPS:.0f} s of it", file=sys.stderr)
    part = f"{base}.part-{os.getpid()}"
    encode(stage, part, getattr(SCENES[name], "noise", 5))
    said = {"scene": name, "fps": FPS, "gop": GOP, "frames": stage.frames, "people": truth(stage, base), "made_by": made_by()}
    os.replace(part, base + ".mp4")
    with open(part, "w", encoding="utf-8") as file:
        json.dump(said, file, indent=1)
    os.replace(part, base + ".json")
    return base + ".mp4"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME", help="all, or one of: " + ", ".join(SCENES))
    parser.add_argument("--small", action="store_true", help="in less time, for tests")
    parser.add_argument("--folder", default=os.path.abspath(os.path.join(scenes.TARGET, "rig", "people")))
    options = parser.parse_args()
    names = list(SCENES) if options.names == ["all"] else options.names
    unknown = [name for name in names if name not in SCENES]
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(SCENES)}")
    dressed = []

    def wardrobe():
        if not dressed:
            dressed.append(Wardrobe())
        return dressed[0]
    for name in names:
        clip = make(name, options.small, options.folder, wardrobe)
        if clip:
            print(clip)


if __name__ == "__main__":
    main()
