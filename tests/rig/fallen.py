#!/usr/bin/python3
"""fallen.py NAME|all [--folder FOLDER]: made scenes of somebody who falls, and of some who only bend.

    falls       one comes, stands, lies on the ground for 20 s, and gets up and leaves
    lies        one lies there from the beginning of what is seen of him, 20 s
    bends       one comes, stands, squats for 20 s, and leaves
    none        a bag lies on the ground, nobody is there

The street and the people are those of people.py (stage.py); who lies is a person of that footage turned by a quarter.
768x432, 10 pictures a second. The path of each clip is printed; beside it NAME.json says when somebody lies:
{"fps", "frames", "lies": [from_s, to_s]}."""
import argparse
import hashlib
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import people                       # noqa: E402  pylint: disable=wrong-import-position
import props                        # noqa: E402  pylint: disable=wrong-import-position
import scenes                       # noqa: E402  pylint: disable=wrong-import-position
from stage import FPS, STEPS_S, Sprite, Stage, Wardrobe, height_at  # noqa: E402  pylint: disable=wrong-import-position

X, Y = 330, 330
QUIET_S, STANDS_S, LIES_S = 6, 4, 20
WHO = "stander"


def turned(sprite):
    """By a quarter: the head is on the left."""
    columns = {}
    for y, row in enumerate(sprite.rows):
        for left, pixels in row:
            for n in range(len(pixels) // 3):
                columns.setdefault(left + n, {})[y] = pixels[n * 3:n * 3 + 3]
    rows = []
    for x in range(sprite.width - 1, -1, -1):
        column, runs, run, begin = columns.get(x, {}), [], bytearray(), 0
        for y in range(sprite.height):
            if y in column:
                begin = begin if run else y
                run += column[y]
            elif run:
                runs.append((begin, bytes(run)))
                run = bytearray()
        if run:
            runs.append((begin, bytes(run)))
        rows.append(runs)
    return Sprite(sprite.height, sprite.width, rows)


def lying(wardrobe, begin, end):
    """Who lies moves as little as who stands: a thing for the stage."""
    cut = wardrobe.person(WHO)
    height = round(height_at(Y))
    made = [turned(one.scaled(height)) for one in cut[:4]]

    def draw(second):
        if not begin <= second < end:
            return None
        slow = int(second / STEPS_S) % 6
        sprite = made[(slow if slow < 4 else 6 - slow) % len(made)]
        return sprite, X - sprite.width // 2, Y - sprite.height
    return draw


def squatting(wardrobe, begin, end):
    cut = wardrobe.person(WHO)
    height = round(height_at(Y))
    whole = cut[0].scaled(height)
    made = whole.upper(0.5).scaled(round(height * 0.5))

    def draw(second):
        return (made, X - made.width // 2, Y - made.height) if begin <= second < end else None
    return draw


def comes(stage, until):
    walk_s = (X + 30) / people.PACE
    path = [(QUIET_S, -30, Y), (QUIET_S + walk_s, X, Y), (until, X, Y)]
    return stage.person(1, WHO, path)


def leaves(stage, begin):
    end = begin + 2 + (X + 30) / people.PACE
    return stage.person(2, WHO, [(begin, X, Y), (begin + 2, X, Y), (end, -30, Y)])


def down(low, with_way_in=True):
    def scene(wardrobe):
        begin = QUIET_S + (X + 30) / people.PACE + STANDS_S if with_way_in else QUIET_S
        end = begin + LIES_S
        stage = Stage(wardrobe, end + 16)
        if with_way_in:
            comes(stage, begin)
        return leaves(stage.thing(low(wardrobe, begin, end), Y), end), (begin, end)
    return scene


def bag(wardrobe):
    return Stage(wardrobe, 40).thing(props.bag(40, 5), 340), None


SCENES = {"falls": down(lying), "lies": down(lying, with_way_in=False), "bends": down(squatting), "none": bag}


def made_by():
    here, text = os.path.dirname(os.path.abspath(__file__)), b""
    for name in ("fallen.py", "people.py", "props.py", "stage.py", "scenes.py"):
        with open(os.path.join(here, name), "rb") as file:
            text += file.read()
    return hashlib.sha256(text).hexdigest()


def make(name, folder, wardrobe):
    base = os.path.join(folder, name)
    try:
        with open(base + ".json", encoding="utf-8") as file:
            if json.load(file)["made_by"] == made_by() and os.path.getsize(base + ".mp4") > 0:
                return base + ".mp4"
    except (OSError, ValueError, KeyError):
        pass
    os.makedirs(folder, exist_ok=True)
    stage, lies = SCENES[name](wardrobe())
    part = f"{base}.part-{os.getpid()}"
    people.encode(stage, part, 5)
    os.replace(part, base + ".mp4")
    with open(part, "w", encoding="utf-8") as file:
        json.dump({"fps": FPS, "frames": stage.frames, "lies": lies, "made_by": made_by()}, file)
    os.replace(part, base + ".json")
    return base + ".mp4"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME", help="all, or one of: " + ", ".join(SCENES))
    parser.add_argument("--folder", default=os.path.abspath(os.path.join(scenes.TARGET, "rig", "fallen")))
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
        print(make(name, options.folder, wardrobe))


if __name__ == "__main__":
    main()
