"""props.py: what is on the stage beside people: a tree, a bench, a car, a dog, a bag, a flag, headlights.

All but the car are drawn, and look it: a drawn dog says less of a model than a real one would. The car is a real one,
cut from ../shared/clips/car-detection.mp4 (CC BY 4.0, intel-iot-devkit/sample-videos), where that is there."""
import math
import os
import random

import scenes
from stage import FPS, HEIGHT, WIDTH, shape

CAR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "clips", "car-detection.mp4")


def grain(x, y, seed, strength):
    """The same at each call."""
    value = (x * 374761393 + y * 668265263 + seed * 2147483647) & 0xFFFFFFFF
    value = ((value ^ (value >> 13)) * 1274126177) & 0xFFFFFFFF
    return (((value ^ (value >> 16)) & 0xFF) / 255 - 0.5) * strength


def standing(sprite, left, top):
    return lambda _second: (sprite, left, top)


def tree(x, foot, width=84):
    """A thick trunk under leaves; who walks by behind it is hidden for a second or more."""
    height = 230

    def colour(column, row):
        middle = width / 2
        if row < 110:
            inside = ((column - middle) / middle) ** 2 + ((row - 60) / 62) ** 2 < 1
            return (52 + grain(column // 3, row // 3, 1, 46), 92 + grain(column // 3, row // 3, 2, 56), 44) if inside else None
        edge = abs(column - middle) / (width / 2)
        return tuple(part * (1 - 0.35 * edge) + grain(column // 2, row // 9, 3, 26) for part in (104, 84, 62))
    return standing(shape(width, height, colour), x - width // 2, foot - height)


def bench(x, foot):
    """Planks in front of who sits on it."""
    def colour(_column, row):
        return None if row % 9 > 6 else (128 + grain(_column // 4, row, 5, 20), 92, 58)
    return standing(shape(74, 34, colour), x - 37, foot - 34)


def car(x, foot):
    """The parked car: None where the footage is not there."""
    if not os.path.exists(CAR):
        return None
    width, height = 114, 186
    data = scenes.output_of("-i", CAR, "-vf", f"select=eq(n\\,210),crop=190:310:305:80,scale={width}:{height}",
                            "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1")
    sprite = shape(width, height, lambda column, row: tuple(data[(row * width + column) * 3:(row * width + column) * 3 + 3]))
    return standing(sprite, x - width // 2, foot - height)


def dog(path, foot):
    """Trots along `path`, (second, x) each: a body, four legs that move, a head, a tail."""
    width, height = 58, 38

    def drawn(phase, right):
        legs = [12 + 5 * math.sin(phase), 18 - 5 * math.sin(phase), 38 + 5 * math.sin(phase + 2), 44 - 5 * math.sin(phase + 2)]

        def colour(column, row):
            column = column if right else width - 1 - column
            body = ((column - 28) / 20) ** 2 + ((row - 17) / 8) ** 2 < 1
            head = ((column - 50) / 7) ** 2 + ((row - 8) / 6) ** 2 < 1 or (52 <= column <= 57 and 8 <= row <= 12)
            neck = 40 <= column <= 50 and abs((row - 15) + (column - 42) * 0.8) < 4
            tail = column < 11 and abs((row - 14) + (11 - column) * 0.9) < 2
            leg = row > 20 and any(abs(column - one) < 2.4 for one in legs)
            if not (body or head or neck or tail or leg):
                return None
            return tuple(part + grain(column // 2, row // 2, 7, 24) for part in (98, 70, 42))
        return shape(width, height, colour)
    cycle = {right: [drawn(n * math.pi / 3, right) for n in range(6)] for right in (False, True)}

    def draw(second):
        for (t0, x0), (t1, x1) in zip(path, path[1:]):
            if t0 <= second < t1:
                x = x0 + (x1 - x0) * (second - t0) / (t1 - t0)
                still = abs(x1 - x0) < 2
                sprite = cycle[x1 >= x0][0 if still else round(second * FPS) % 6]
                return sprite, round(x - width / 2), foot - height
        return None
    return draw


def bag(seconds, seed):
    """A white plastic bag that the wind carries over the street, with pauses."""
    chance, places, x, y = random.Random(seed), [], 80.0, 250.0
    gust = 0.0
    for _ in range(round(seconds * FPS) + 1):
        if chance.random() < 0.04:
            gust = chance.choice((0, 0, 2.5, 5, 8))
        x = (x + gust * chance.uniform(0.6, 1.4)) % (WIDTH + 60)
        y = min(330, max(140, y + chance.uniform(-1, 1) * gust))
        places.append((x - 30, y, gust > 0))
    shapes = []
    for turn in range(8):
        def colour(column, row, turn=turn):
            radius = 10 + 3 * math.sin(3 * math.atan2(row - 13, column - 13) + turn)
            inside = math.hypot(column - 13, row - 13) < radius
            return tuple(222 + grain(column // 2, row // 2, turn, 50) for _ in range(3)) if inside else None
        shapes.append(shape(26, 26, colour))

    def draw(second):
        x, y, flies = places[min(round(second * FPS), len(places) - 1)]
        return shapes[round(second * 7) % 8 if flies else 0], round(x), round(y)
    return draw


def flag(x, top):
    """A red flag on a pole, in a wind that never ceases."""
    width, height = 92, 180

    def drawn(phase):
        def colour(column, row):
            if column < 4:
                return 150, 150, 155
            wave = (column / width) * 9 * math.sin(column / 13 - phase)
            if 8 < row + wave < 62 and column < 86:
                light = 1 + 0.25 * math.cos(column / 13 - phase)
                return 176 * light, 28 * light, 30 * light
            return None
        return shape(width, height, colour)
    cycle = [drawn(n * math.pi / 6) for n in range(12)]
    return lambda second: (cycle[round(second * FPS) % 12], x, top)


def headlights(times, y=215):
    """At night two lights cross the picture at each of these seconds, for 5 s, and light up the road before them."""
    def shine(picture, second):
        for begin in times:
            share = (second - begin) / 5
            if not 0 <= share < 1:
                continue
            x = -90 + share * (WIDTH + 180)
            for row in range(y - 26, min(y + 60, HEIGHT)):
                for column in range(max(0, round(x) - 30), min(WIDTH, round(x) + 170)):
                    light = 0.0
                    for lamp in (x, x + 34):
                        off = math.hypot(column - lamp, (row - y) * 1.3)
                        light = max(light, 1.6 * math.exp(-off / 9))
                    ahead = column - x - 30
                    if ahead > 0 and abs(row - y - 24) < 8 + ahead * 0.16:
                        light = max(light, 0.5 * math.exp(-ahead / 70))
                    if light > 0.04:
                        at = (row * WIDTH + column) * 3
                        for part in (0, 1, 2):
                            picture[at + part] = min(255, round(picture[at + part] + 240 * light))
    return shine
