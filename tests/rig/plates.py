#!/usr/bin/python3
"""plates.py PLATE [OUT.mp4] [--mirrored | --poster]: a car with this plate drives into the street of vtest.avi, and stays.

    PLATE        what stands on it: 晋B12345; none: "-"
    --mirrored   as in a window: nobody may read it
    --poster     the plate is painted on the wall behind, three times as large, and not on the car

Without OUT it is target/rig/plate-….mp4, made again only when this script, lane.py or scenes.py has changed; the path is
printed. The car is that of lane.py; its plate hangs on its side, which no car has, but where it is well seen. It says
nothing of how well plates are read: that is measured elsewhere (tests/bench/plates)."""
import argparse
import hashlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import lane                         # noqa: E402  pylint: disable=wrong-import-position
import scenes                       # noqa: E402  pylint: disable=wrong-import-position

FONT = "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc"
PLATE_W, PLATE_H = 88, 28           # pixels, on the car
PLATE_X, PLATE_Y = 88, 46           # of the car's left upper corner
POSTER = (40, 20, 264, 84)          # left, top, width, height on the wall
SIZE = (scenes.WIDTH, scenes.HEIGHT)
EMPTY_S, STAYS_S = 6, 12
BLUE, WHITE = "0x143ca8", "0xf4f4f4"


def drawn(text, width, height, mirrored):
    """A plate as raw rgb24 of this size: white on blue, the characters narrow and tall as on a real one."""
    if not os.path.exists(FONT):
        sys.exit("plates.py: Noto Sans CJK is not here; install Debian's package fonts-noto-cjk (make setup does)")
    head, rest = text[:2], text[2:]
    turn = ",hflip" if mirrored else ""
    word = f"{head}·{rest}" if rest else head
    letters = (f"drawtext=fontfile={FONT}:text='{word}':fontcolor={WHITE}:fontsize=150:x=(w-tw)/2:y=(h-th)/2+2,"
               f"drawbox=x=8:y=8:w=iw-16:h=ih-16:color={WHITE}:t=6")
    cells = 150 * len([c for c in word if ord(c) > 255]) + 95 * len([c for c in word if ord(c) < 256])
    return scenes.output_of("-f", "lavfi", "-i", f"color=c={BLUE}:s={cells + 70}x220:d=1", "-vf",
                            f"{letters},scale={width}:{height}:flags=area{turn}", "-frames:v", "1", "-f", "rawvideo",
                            "-pix_fmt", "rgb24", "pipe:1")


def pasted(picture, plate, left, top, width, height):
    out = bytearray(picture)
    for row in range(height):
        for column in range(width):
            x, y = left + column, top + row
            if 0 <= x < scenes.WIDTH and 0 <= y < scenes.HEIGHT:
                at, of = (y * scenes.WIDTH + x) * 3, (row * width + column) * 3
                out[at:at + 3] = plate[of:of + 3]
    return bytes(out)


def make(out, text, mirrored, poster):
    empty, rows = scenes.Street().empty, lane.car()
    if poster:
        left, top, width, height = POSTER
        empty = pasted(empty, drawn(text, width, height, False), left, top, width, height)
    plate = drawn(text, PLATE_W, PLATE_H, mirrored) if text != "-" and not poster else None
    steps, drive = lane.COMES_S * lane.FPS, []
    for n in range(1, steps + 1):
        left = round(scenes.WIDTH + (lane.LEFT - scenes.WIDTH) * (1 - (1 - n / steps) ** 2))
        picture = lane.placed(empty, rows, left)
        if plate:
            picture = pasted(picture, plate, left + PLATE_X, lane.TOP + PLATE_Y, PLATE_W, PLATE_H)
        drive.append(picture)
    pictures = scenes.scaled([empty] + drive, SIZE)
    film = [pictures[0]] * (EMPTY_S * lane.FPS) + pictures[1:] + [pictures[-1]] * (STAYS_S * lane.FPS)
    scenes.encode(film, out, SIZE, lane.FPS, lane.GOP, "noise=alls=4:allf=t:all_seed=11",
                  ("-crf", "18", "-maxrate", "4M", "-bufsize", "8M"))


def made_by():
    text = b""
    for name in ("plates.py", "lane.py", "scenes.py"):
        with open(os.path.join(scenes.HERE, name), "rb") as file:
            text += file.read()
    return hashlib.sha256(text).hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plate")
    parser.add_argument("out", nargs="?")
    parser.add_argument("--mirrored", action="store_true")
    parser.add_argument("--poster", action="store_true")
    given = parser.parse_args()
    name = hashlib.sha256(repr((given.plate, given.mirrored, given.poster)).encode()).hexdigest()[:12]
    out = given.out or os.path.abspath(os.path.join(scenes.TARGET, "rig", f"plate-{name}.mp4"))
    note = out + ".made-by"
    try:
        with open(note, encoding="ascii") as file:
            fresh = file.read() == made_by() and os.path.getsize(out) > 0
    except OSError:
        fresh = False
    if not fresh:
        os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
        part = f"{out}.part-{os.getpid()}.mp4"
        make(part, given.plate, given.mirrored, given.poster)
        os.replace(part, out)
        with open(note, "w", encoding="ascii") as file:
            file.write(made_by())
    print(out)


if __name__ == "__main__":
    main()
