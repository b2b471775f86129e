"""stage.py: the empty street of vtest.avi as a stage: people cut from the same footage walk and stand on it as they are
told, and where each of them is in each picture is known.

A person is cut out by what differs from the empty street, so he can be put at any place, at the size that people have
there. Whoever stands lower in the picture is nearer and covers who is behind. Only ffmpeg and Python's own library are
needed; what is chance comes from a seed, so that the same script makes the same clip."""
import functools
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import scenes                       # noqa: E402  pylint: disable=wrong-import-position

WIDTH, HEIGHT = scenes.WIDTH, scenes.HEIGHT     # 768x432: the part of vtest.avi that is 16:9
FPS = 10
STEPS_S = 0.4                       # a person who stands changes his posture this often
DIFFERS = 75                        # sum over three colours from which a pixel is not the street
SPARE = 9                           # pixels around a box in which a person is looked for

# People of vtest.avi who are apart from all others for a while: (frame, x, y, width, height) in pixels after the crop;
# between two of them the box moves evenly. `stander` stands; `back` walks away from the camera.
PEOPLE = {
    "striped": ((398, 270, 131, 35, 84), (406, 290, 134, 36, 95), (414, 292, 137, 35, 93), (422, 292, 136, 35, 93)),
    "back": ((52, 658, 194, 39, 109), (60, 612, 174, 39, 113), (68, 585, 158, 35, 93), (76, 573, 143, 32, 90)),
    "coat": ((636, 640, 160, 33, 93), (644, 644, 148, 32, 93), (652, 629, 130, 35, 82), (660, 615, 120, 30, 78)),
    "blue": ((162, 332, 111, 36, 73), (170, 278, 107, 32, 66), (178, 214, 106, 33, 63), (186, 162, 101, 28, 66)),
    "red": ((490, 359, 132, 28, 81), (498, 313, 134, 34, 74), (506, 278, 129, 30, 76), (514, 245, 125, 31, 69)),
    "grey": ((248, 611, 202, 43, 95), (256, 562, 183, 30, 100), (264, 504, 181, 32, 90), (272, 454, 183, 36, 87)),
    "stander": ((544, 633, 231, 41, 111), (552, 639, 243, 31, 105), (560, 642, 244, 31, 103), (576, 632, 248, 38, 98)),
}
FACES_RIGHT = {"striped"}           # all others walk to the left


def height_at(foot):
    """How tall people are whose feet are in this row: a line through 1,333 boxes of the footage."""
    return 26.7 + 0.25 * foot


class Sprite:
    """A cut-out: for each row, the runs of pixels that are it; `box` holds all of them."""

    def __init__(self, width, height, rows):
        self.width, self.height, self.rows = width, height, rows       # rows: [(left, bytes of rgb24), ...] each

    def mirrored(self):
        def turned(pixels):
            return b"".join(pixels[at:at + 3] for at in range(len(pixels) - 3, -1, -3))
        rows = [[(self.width - left - len(pixels) // 3, turned(pixels)) for left, pixels in row] for row in self.rows]
        return Sprite(self.width, self.height, rows)

    def scaled(self, height):
        """Nearest pixels: the coding and the noise that come after hide the steps."""
        height = max(4, round(height))
        width = max(2, round(self.width * height / self.height))
        rows = []
        for y in range(height):
            flat = {}
            for left, pixels in self.rows[y * self.height // height]:
                for n in range(len(pixels) // 3):
                    flat[left + n] = pixels[n * 3:n * 3 + 3]
            out, run, at = [], bytearray(), 0
            for x in range(width):
                pixel = flat.get(x * self.width // width)
                if pixel:
                    at = at if run else x
                    run += pixel
                elif run:
                    out.append((at, bytes(run)))
                    run = bytearray()
            if run:
                out.append((at, bytes(run)))
            rows.append(out)
        return Sprite(width, height, rows)

    def upper(self, share):
        """Only its upper part."""
        height = max(2, round(self.height * share))
        return Sprite(self.width, height, self.rows[:height])

    def tinted(self, table):
        rows = [[(left, pixels.translate(table)) for left, pixels in row] for row in self.rows]
        return Sprite(self.width, self.height, rows)


def cut_out(frame, empty, box):
    """The largest thing in the box that is not the street."""
    x, y, width, height = box
    left, right = max(x - SPARE, 0), min(x + width + SPARE, WIDTH)
    top, bottom = max(y - SPARE, 0), min(y + height + SPARE, HEIGHT)
    differs = set()
    for row in range(top, bottom):
        for column in range(left, right):
            at = (row * WIDTH + column) * 3
            off = abs(frame[at] - empty[at]) + abs(frame[at + 1] - empty[at + 1]) + abs(frame[at + 2] - empty[at + 2])
            if off > DIFFERS:
                differs.add((column, row))
    best = set()
    while differs:
        part, found = [differs.pop()], set()
        while part:
            column, row = part.pop()
            found.add((column, row))
            for near in ((column + a, row + b) for a in (-1, 0, 1) for b in (-2, -1, 0, 1, 2)):
                if near in differs:
                    differs.remove(near)
                    part.append(near)
        best = max(best, found, key=len)
    x0, y0 = min(one[0] for one in best), min(one[1] for one in best)
    x1, y1 = max(one[0] for one in best) + 1, max(one[1] for one in best) + 1
    rows = []
    for row in range(y0, y1):
        columns = sorted(column for column, other in best if other == row)
        runs = []
        for column in columns:           # holes of up to three pixels are he too: skin is as bright as the street
            if runs and column - runs[-1][1] <= 4:
                runs[-1][1] = column
            else:
                runs.append([column, column])
        rows.append([(a - x0, bytes(frame[(row * WIDTH + a) * 3:(row * WIDTH + b + 1) * 3])) for a, b in runs])
    return Sprite(x1 - x0, y1 - y0, rows)


class Wardrobe:
    """The people as sprites, cut when they are first asked for."""

    def __init__(self):
        self.street = scenes.Street()
        self.empty = self.street.empty

    @functools.lru_cache(maxsize=None)
    def person(self, name):
        boxes = PEOPLE[name]
        first, last = boxes[0][0], boxes[-1][0]
        data = scenes.output_of("-i", self.street.source, "-vf", f"select=between(n\\,{first}\\,{last}),{scenes.CROP}",
                                "-vsync", "0", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1")
        size = len(self.empty)
        cut = [cut_out(data[n * size:(n + 1) * size], self.empty, scenes.between(boxes, first + n))
               for n in range(0, last - first + 1)]
        usual = sorted(one.height for one in cut)[len(cut) // 2]
        return [one for one in cut if 0.85 * usual < one.height < 1.15 * usual]

    @functools.lru_cache(maxsize=4096)
    def posture(self, name, number, height, right, table):
        sprite = self.person(name)[number].scaled(height)
        if right != (name in FACES_RIGHT):
            sprite = sprite.mirrored()
        return sprite.tinted(table) if table else sprite


class Actor:
    """A person and where his feet are: (second, x, y) in pixels of the street; between two of them he walks evenly."""

    def __init__(self, identity, name, path, low=None):
        self.identity, self.name, self.path, self.low = identity, name, path, low or []

    def at(self, second):
        """Feet, and whether he walks, and to the right; None while he is not on the stage."""
        if not self.path[0][0] <= second < self.path[-1][0]:
            return None
        right = None
        for (t0, x0, y0), (t1, x1, y1) in zip(self.path, self.path[1:]):
            if x1 != x0:
                right = x1 > x0
            if t0 <= second < t1:
                share = (second - t0) / (t1 - t0)
                walks = abs(x1 - x0) + abs(y1 - y0) > 4
                return x0 + (x1 - x0) * share, y0 + (y1 - y0) * share, walks, bool(right)
        return None

    def sits(self, second):
        return any(begin <= second < end for begin, end in self.low)


class Thing:
    """What is no person: `draw(second)` gives a sprite and its left and top, or None; `foot` is its row of depth."""

    def __init__(self, draw, foot):
        self.draw, self.foot = draw, foot


class Stage:
    """Makes pictures and the truth of them."""

    def __init__(self, wardrobe, seconds, scale=1.0, pixels=None, table=None):
        """`scale`: pixels of the picture to one of the street; `pixels`: how tall all people are, wherever they stand;
        `table`: what becomes of each brightness."""
        self.wardrobe, self.frames, self.scale, self.pixels, self.table = wardrobe, round(seconds * FPS), scale, pixels, table
        self.size = round(WIDTH * scale), round(HEIGHT * scale)
        self.background = wardrobe.empty if scale == 1 else scenes.output_of(
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-i", "pipe:0", "-vf",
            f"scale={self.size[0]}:{self.size[1]}:flags=bicubic", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1",
            data=wardrobe.empty)
        if table:
            self.background = self.background.translate(table)
        self.actors, self.things, self.after = [], [], []    # after: called with each picture and its second
        self.truth = []                                      # (frame from 1, identity, x, y, width, height, visible)

    def person(self, identity, name, path, low=None):
        self.actors.append(Actor(identity, name, path, low))
        return self

    def thing(self, draw, foot):
        self.things.append(Thing(draw, foot))
        return self

    def pictures(self):
        for n in range(self.frames):
            yield self.picture(n)

    def picture(self, n):
        second, picture, placed = n / FPS, bytearray(self.background), []
        for actor in self.actors:
            found = actor.at(second)
            if not found:
                continue
            x, y, walks, right = found
            cut = self.wardrobe.person(actor.name)
            slow = int(second / STEPS_S) % 6
            number = n % len(cut) if walks else (slow if slow < 4 else 6 - slow) % len(cut)
            height = self.pixels or round(height_at(y) * self.scale)
            sprite = self.wardrobe.posture(actor.name, number, height, right, self.table)
            if actor.sits(second):
                sprite = sprite.upper(0.62)
                y -= height * 0.12 / self.scale
            left, top = round(x * self.scale - sprite.width / 2), round(y * self.scale - sprite.height)
            placed.append((y, sprite, left, top, actor.identity))
        for thing in self.things:
            drawn = thing.draw(second)
            if drawn:
                placed.append((thing.foot, *drawn, None))
        placed.sort(key=lambda one: one[0])
        for _, sprite, left, top, _ in placed:
            self.paste(picture, sprite, left, top)
        for place, (_, sprite, left, top, identity) in enumerate(placed):
            if identity is not None:
                self.note(n + 1, identity, sprite, left, top, placed[place + 1:])
        for change in self.after:
            change(picture, second)
        return bytes(picture)

    def paste(self, picture, sprite, left, top):
        width, height = self.size
        for row, runs in enumerate(sprite.rows, top):
            if 0 <= row < height:
                for at, pixels in runs:
                    begin, end = left + at, left + at + len(pixels) // 3
                    if end <= 0 or begin >= width:
                        continue
                    cut_left, cut_right = max(0, -begin), max(0, end - width)
                    place = (row * width + begin + cut_left) * 3
                    part = pixels[cut_left * 3:len(pixels) - cut_right * 3]
                    picture[place:place + len(part)] = part

    def note(self, frame, identity, sprite, left, top, nearer):
        """His box in the picture, and which share of him is seen."""
        width, height = self.size
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(left + sprite.width, width), min(top + sprite.height, height)
        if x1 <= x0 or y1 <= y0:
            return
        seen = hidden = 0
        for row in range(y0, y1, 3):
            for column in range(x0, x1, 3):
                seen += 1
                hidden += any(covers(other, column - a, row - b) for _, other, a, b, _ in nearer)
        shown = (x1 - x0) * (y1 - y0) / (sprite.width * sprite.height) * (1 - hidden / max(seen, 1))
        self.truth.append((frame, identity, x0, y0, x1 - x0, y1 - y0, shown))


def covers(sprite, x, y):
    return (0 <= y < sprite.height
            and any(at <= x < at + len(pixels) // 3 for at, pixels in sprite.rows[y]))


def shape(width, height, colour):
    """A sprite by a function of its pixels: `colour(x, y)` gives (r, g, b), or None where it is not."""
    rows = []
    for y in range(height):
        runs, run, at = [], bytearray(), 0
        for x in range(width):
            pixel = colour(x, y)
            if pixel:
                at = at if run else x
                run += bytes(max(0, min(255, round(part))) for part in pixel)
            elif run:
                runs.append((at, bytes(run)))
                run = bytearray()
        if run:
            runs.append((at, bytes(run)))
        rows.append(runs)
    return Sprite(width, height, rows)


def rain(size, streaks, seed):
    """Streaks that are elsewhere in each picture."""
    width, height = size
    chance = random.Random(seed)

    def fall(picture, _second):
        for _ in range(streaks):
            x, y, length = chance.randrange(width), chance.randrange(height), chance.randrange(8, 18)
            for step in range(length):
                row, column = y + step, x + step // 5
                if row < height and column < width:
                    at = (row * width + column) * 3
                    for part in (0, 1, 2):
                        picture[at + part] = (picture[at + part] + 205) // 2
    return fall


def night_table():
    """Brightness as at night, black and white as by infrared is left out: colours stay, dark."""
    return bytes(round(6 + value * 0.26) for value in range(256))
