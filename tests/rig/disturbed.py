#!/usr/bin/python3
"""disturbed.py NAME|all [--small] [--folder FOLDER]: scenes of people.py through a camera that does not keep still, or by
other light.

    shake         `stand`, by a camera on a pole that sways
    ptz           `six`, by a camera that turns from one preset to the other each 15 s
    lights-on     `night`, and the lamps go on while the first one comes in: the grain stays, all is washed out
    empty-shake   nobody, by a camera that sways
    empty-ptz     nobody, by a camera that turns
    empty-lamps   nobody; at night lamps go on and off

Files, truth and options are those of people.py. Made from its clips by ffmpeg's filters alone."""
import argparse
import hashlib
import json
import math
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import people                       # noqa: E402  pylint: disable=wrong-import-position
import scenes                       # noqa: E402  pylint: disable=wrong-import-position
from stage import FPS, HEIGHT, WIDTH, Stage, night_table  # noqa: E402  pylint: disable=wrong-import-position

EDGE = 12                           # pixels that a swaying camera has to spare on each side
PTZ = (480, 300)                    # what a turning camera sees of the street
PTZ_S = 15
PTZ_X, PTZ_Y = (0, 288), 60
LIT = (6.9, 22)                     # seconds between which the lamps are on
EMPTY_S = 30


def sway(frame):
    """Where the left upper corner of its picture lies then."""
    return EDGE + 6 * math.sin(frame * 1.3), EDGE + 5 * math.sin(frame * 0.9)


def turn(frame):
    return PTZ_X[int(frame / FPS / PTZ_S) % 2], PTZ_Y


SHAKE = (f"crop=w=iw-{2 * EDGE}:h=ih-{2 * EDGE}:x='{EDGE}+6*sin(n*1.3)':y='{EDGE}+5*sin(n*0.9)'",
         sway, (WIDTH - 2 * EDGE, HEIGHT - 2 * EDGE))
TURN = (f"crop=w={PTZ[0]}:h={PTZ[1]}:x='if(lt(mod(t,{2 * PTZ_S}),{PTZ_S}),{PTZ_X[0]},{PTZ_X[1]})':y={PTZ_Y}", turn, PTZ)


def lamps(*spans):
    lit = "+".join(f"between(t,{begin},{end})" for begin, end in spans)
    return f"eq=brightness=0.35:contrast=1.8:enable='{lit}'", lambda _frame: (0, 0), (WIDTH, HEIGHT)


# name -> the scene of people.py (None: nobody by day, False: by night), and what becomes of it
SCENES = {
    "shake": ("stand", SHAKE),
    "ptz": ("six", TURN),
    "lights-on": ("night", lamps(LIT)),
    "empty-shake": (None, SHAKE),
    "empty-ptz": (None, TURN),
    "empty-lamps": (False, lamps((8, 14), (20, 26))),
}


def made_by():
    with open(os.path.abspath(__file__), "rb") as file:
        return hashlib.sha256(file.read() + people.made_by().encode()).hexdigest()


def base_of(scene, small, folder, part):
    """The clip that is filmed, its truth and how many pictures; the clip of nobody is a file of its own."""
    if not isinstance(scene, str):
        dark = scene is False
        stage = Stage(people.Wardrobe(), EMPTY_S * (1 if small else 4), **({"table": night_table()} if dark else {}))
        clip = part + "-base.mp4"
        people.encode(stage, clip, 20 if dark else 5)
        return clip, [], stage.frames
    clip = people.make(scene, small, folder, people.Wardrobe)
    with open(clip.removesuffix(".mp4") + ".json", encoding="utf-8") as file:
        frames = json.load(file)["frames"]
    with open(clip.removesuffix(".mp4") + ".gt.txt", encoding="ascii") as file:
        return clip, [line.strip().split(",") for line in file], frames


def truth(rows, window, size, path):
    """The truth as that camera sees it; who is cut off by its edge counts as long as enough of him is left."""
    spans = {}
    with open(path, "w", encoding="ascii") as file:
        for cells in rows:
            frame, identity, *box = map(int, cells[:6])
            left, top = window(frame - 1)
            x0, y0 = box[0] - 1 - left, box[1] - 1 - top
            x1, y1 = min(x0 + box[2], size[0]), min(y0 + box[3], size[1])
            x0, y0 = max(x0, 0), max(y0, 0)
            if x1 <= x0 or y1 <= y0:
                continue
            shown = float(cells[8]) * (x1 - x0) * (y1 - y0) / (box[2] * box[3])
            counts = int(shown >= people.SEEN)
            file.write(f"{frame},{identity},{x0 + 1:.1f},{y0 + 1:.1f},{x1 - x0:.1f},{y1 - y0:.1f},{counts},1,{shown:.2f}\n")
            if counts:
                spans.setdefault(identity, [frame, frame])[1] = frame
    return [{"id": identity, "from_s": (first - 1) / FPS, "to_s": last / FPS}
            for identity, (first, last) in sorted(spans.items())]


def make(name, small, folder):
    base = os.path.join(folder, name + ("-small" if small else ""))
    try:
        with open(base + ".json", encoding="utf-8") as file:
            if json.load(file)["made_by"] == made_by() and os.path.getsize(base + ".mp4") > 0:
                return base + ".mp4"
    except (OSError, ValueError, KeyError):
        pass
    os.makedirs(folder, exist_ok=True)
    scene, (chain, window, size) = SCENES[name]
    print(f"disturbed.py: making {os.path.basename(base)}.mp4", file=sys.stderr)
    part = f"{base}.part-{os.getpid()}"
    clip, rows, frames = base_of(scene, small, folder, part)
    process = scenes.ffmpeg(
        "-i", clip, "-vf", chain, "-an", "-c:v", "libx264", "-preset", "veryfast", "-threads", "1", "-profile:v", "main", "-bf",
        "0", "-g", str(people.GOP), "-keyint_min", str(people.GOP), "-sc_threshold", "0", "-crf", "20", "-pix_fmt", "yuv420p",
        "-flags", "+bitexact", "-fflags", "+bitexact", "-movflags", "+faststart", "-f", "mp4", part, stdin=subprocess.DEVNULL)
    if process.wait():
        sys.exit("disturbed.py: ffmpeg failed; its reason is above")
    if clip.startswith(part):
        os.remove(clip)
    seen = truth(rows, window, size, part + ".txt")
    os.replace(part + ".txt", base + ".gt.txt")
    os.replace(part, base + ".mp4")
    said = {"scene": name, "fps": FPS, "gop": people.GOP, "frames": frames, "people": seen, "made_by": made_by()}
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
    for name in names:
        print(make(name, options.small, options.folder))


if __name__ == "__main__":
    main()
