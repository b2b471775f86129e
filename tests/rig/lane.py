#!/usr/bin/python3
"""lane.py [OUT.mp4]: a car drives into the lane of the street of vtest.avi, and stays.

Without OUT it is target/rig/lane.mp4, made again only when this script or scenes.py has changed; the path is printed.
The car is drawn from the side, as a child's book shows one: a model that has seen real cars knows it. It says nothing
of how well cars are seen; that is measured with real ones (tests/bench/media/vehicles.py)."""
import hashlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import scenes                       # noqa: E402  pylint: disable=wrong-import-position

FPS, GOP = 10, 20
EMPTY_S, COMES_S, STAYS_S = 8, 3, 25
WIDTH, HEIGHT = 270, 96             # of the car, pixels
LEFT, TOP = 400, 150                # where it stands
FINE = 3                            # rays a pixel, in each direction
PAINT = (172, 28, 34)


def inside(x, y, corners):
    odd = False
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1]):
        if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
            odd = not odd
    return odd


BODY = [(4, 72), (6, 50), (16, 44), (62, 38), (92, 12), (104, 7), (172, 7), (184, 11), (214, 38), (252, 43), (264, 50), (267, 70), (262, 76), (8, 76)]
WINDOWS = ([(76, 37), (100, 15), (133, 13), (133, 37)], [(140, 37), (140, 13), (172, 14), (198, 37)])
WHEELS = ((56, 74), (212, 74))


def colour(x, y):
    """Of the car at this point; None: the street."""
    for cx, cy in WHEELS:
        off = ((x - cx) ** 2 + (y - cy) ** 2) ** 0.5
        if off < 21:
            if off > 12.5:
                return (24, 24, 26)
            spoke = int((x - cx) * 0.7 + (y - cy) * 0.4) % 5 == 0
            return (92, 94, 98) if off < 3 or spoke else (178, 180, 184)
        if off < 24 and y < 76:
            return (14, 14, 15)
    for window in WINDOWS:
        if inside(x, y, window):
            shine = 60 if abs((x - y) % 60 - 20) < 5 else 0
            return tuple(part + shine for part in (44, 58, 72))
    if not inside(x, y, BODY):
        shadow = 76 < y < 92 and ((x - 135) / 130) ** 2 + ((y - 80) / 11) ** 2 < 1
        return (52, 52, 54) if shadow else None
    if 46 < y < 56 and x > 254:
        return (240, 236, 200)
    if 45 < y < 58 and x < 12:
        return (220, 60, 30)
    if abs(y - 49) < 1.6 and (112 < x < 126 or 176 < x < 188):
        return (60, 10, 12)
    if abs(x - 136.5) < 0.8 and y > 36 or abs(x - 84) < 0.8 and 38 < y < 70 or abs(x - 200) < 0.8 and 38 < y < 60:
        return (92, 12, 16)
    if y > 68:
        return (38, 38, 40)
    light = 1.25 - 0.55 * max(0, y - 38) / 38 if y > 38 else 1.15
    light += 0.35 if 39 < y < 43 else 0
    return tuple(min(255, round(part * light)) for part in PAINT)


def car():
    """Rows of (column, rgb) with the share of the pixel that is car."""
    rows = []
    for row in range(HEIGHT):
        line = []
        for column in range(WIDTH):
            rays = [colour(column + (a + 0.5) / FINE, row + (b + 0.5) / FINE) for a in range(FINE) for b in range(FINE)]
            hit = [ray for ray in rays if ray]
            if hit:
                line.append((column, tuple(sum(part) / len(hit) for part in zip(*hit)), len(hit) / len(rays)))
        rows.append(line)
    return rows


def placed(empty, rows, left):
    picture = bytearray(empty)
    for row, line in enumerate(rows):
        for column, paint, share in line:
            x = column + left
            if 0 <= x < scenes.WIDTH:
                at = ((TOP + row) * scenes.WIDTH + x) * 3
                for n in range(3):
                    picture[at + n] = round(picture[at + n] * (1 - share) + paint[n] * share)
    return bytes(picture)


def make(out):
    empty, rows = scenes.Street().empty, car()
    steps = COMES_S * FPS
    drive = [placed(empty, rows, round(scenes.WIDTH + (LEFT - scenes.WIDTH) * (1 - (1 - n / steps) ** 2))) for n in range(1, steps + 1)]
    pictures = scenes.scaled([empty] + drive, scenes.SMALL)
    film = [pictures[0]] * (EMPTY_S * FPS) + pictures[1:] + [pictures[-1]] * (STAYS_S * FPS)
    scenes.encode(film, out, scenes.SMALL, FPS, GOP, "noise=alls=5:allf=t:all_seed=11")


def made_by():
    text = b""
    for name in ("lane.py", "scenes.py"):
        with open(os.path.join(scenes.HERE, name), "rb") as file:
            text += file.read()
    return hashlib.sha256(text).hexdigest()


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.abspath(os.path.join(scenes.TARGET, "rig", "lane.mp4"))
    note = out + ".made-by"
    try:
        with open(note, encoding="ascii") as file:
            fresh = file.read() == made_by() and os.path.getsize(out) > 0
    except OSError:
        fresh = False
    if not fresh:
        os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
        part = f"{out}.part-{os.getpid()}.mp4"
        make(part)
        os.replace(part, out)
        with open(note, "w", encoding="ascii") as file:
            file.write(made_by())
    print(out)


if __name__ == "__main__":
    main()
