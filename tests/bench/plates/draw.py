#!/usr/bin/python3
"""draw.py FOLDER: drawn plates on the back of a drawn car, by size and by what spoils them, for `make bench ONLY=plates`.

Writes FOLDER/index.json, [{"what", "size", "width", "height", "file", "plates": [text, …]}], and for each its file: the
pictures one behind the other, rgb24. Only ffmpeg, Noto Sans CJK and Python's own library are needed. The characters are
those of a font and not those of real plates: a figure from here is for comparing, not a promise for a street."""
import json
import os
import random
import subprocess
import sys

FONT = "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc"
PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
SIZES = (120, 90, 70, 60, 50)           # width of the plate, pixels
WHAT = ("clear", "from the side", "blur", "night", "dirt", "rain")
EACH = 24                               # plates of each kind and size
FINE_W, FINE_H = 440, 140
KINDS = {"blue": ("0x143ca8", "white"), "green": ("0x78c88a", "black"), "white": ("0xf0f0f0", "black"),
         "yellow": ("0xf0b41e", "black")}
SEED = 20261130


def text_of(chance, n):
    number = lambda count, letters: "".join(  # noqa: E731
        chance.choice(LETTERS) if k in letters else str(chance.randrange(10)) for k in range(count))
    head = chance.choice(PROVINCES) + chance.choice(LETTERS)
    if n % 6 == 4:
        return head + chance.choice("DF") + number(5, ()), "green"
    if n % 6 == 5:
        kind = chance.choice("警学挂")
        return head + number(4, ()) + kind, "white" if kind == "警" else "yellow"
    return head + number(5, chance.sample(range(5), chance.randrange(3))), "blue"


def fine(text, kind):
    """The plate in 440×140, raw; each character as narrow and tall as on a real one."""
    back, ink = KINDS[kind]
    step = (FINE_W - 40 - 22) / len(text)
    filters, x = [], 20.0
    parts = [f"color=c={back}:s={FINE_W}x{FINE_H}:d=1[base]"]
    for n, sign in enumerate(text):
        size = 92 if ord(sign) > 255 else 100
        parts.append(f"color=c={back}:s=120x140:d=1,drawtext=fontfile={FONT}:text='{sign}':fontcolor={ink}:fontsize={size}"
                     f":x=(w-tw)/2:y=(h-th)/2,crop=min(iw\\,{'96' if ord(sign) > 255 else '66'}):116,"
                     f"scale={int(step) - 4}:110[c{n}]")
        filters.append((n, int(x)))
        x += step + (22 if n == 1 else 0)
    last = "base"
    for n, left in filters:
        parts.append(f"[{last}][c{n}]overlay={left}:15[o{n}]")
        last = f"o{n}"
    dot = int(20 + 2 * step + 6)
    parts.append(f"[{last}]drawbox=x={dot}:y=64:w=10:h=10:color={ink}:t=fill,"
                 f"drawbox=x=5:y=5:w={FINE_W - 10}:h={FINE_H - 10}:color={ink}:t=4[out]")
    made = subprocess.run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-filter_complex", ";".join(parts), "-map", "[out]",
                           "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"], capture_output=True, check=False)
    if made.returncode or len(made.stdout) != FINE_W * FINE_H * 3:
        sys.exit(f"draw.py: ffmpeg could not draw {text}: {made.stderr.decode()}")
    return made.stdout


def plane(corners):
    """From the picture into 0..1 of the plate: the inverse of the map that its four corners give."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    sx, sy = x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    ax, ay, bx, by = x1 - x2, y1 - y2, x3 - x2, y3 - y2
    det = ax * by - bx * ay
    g, h = (sx * by - bx * sy) / det, (ax * sy - sx * ay) / det
    m = (x1 - x0 + g * x1, x3 - x0 + h * x3, x0, y1 - y0 + g * y1, y3 - y0 + h * y3, y0, g, h)

    def back(x, y):
        a, b, c = m[0] - m[6] * x, m[1] - m[7] * x, x - m[2]
        d, e, f = m[3] - m[6] * y, m[4] - m[7] * y, y - m[5]
        by_det = a * e - b * d
        return (c * e - b * f) / by_det, (a * f - c * d) / by_det
    return back


def spoiled(raw, what, chance):
    """The fine plate as it is when it is dirty."""
    if what != "dirt":
        return raw
    out = bytearray(raw)
    for _ in range(26):
        cx, cy, r = chance.randrange(FINE_W), chance.randrange(FINE_H), chance.randrange(5, 15)
        mud = (96 + chance.randrange(30), 80 + chance.randrange(20), 60)
        for y in range(max(cy - r, 0), min(cy + r, FINE_H)):
            for x in range(max(cx - r, 0), min(cx + r, FINE_W)):
                if (x - cx) ** 2 + (y - cy) ** 2 < r * r:
                    at = (y * FINE_W + x) * 3
                    for k in range(3):
                        out[at + k] = (out[at + k] + 2 * mud[k]) // 3
    return bytes(out)


def picture(raw, size, what, chance):
    width, height = size * 3 // 8 * 8, size * 2 // 8 * 8
    tilt = {"from the side": 0.24}.get(what, 0.05) * size * chance.choice((-1, 1))
    narrow = 0.72 if what == "from the side" else 1.0
    w, h = size * narrow, size * FINE_H / FINE_W
    x, y = width / 2 + chance.uniform(-4, 4), height * 0.66
    near = 0.86 if what == "from the side" else 1.0
    corners = ((x - w / 2, y - h / 2 * near - tilt / 2), (x + w / 2, y - h / 2 + tilt / 2),
               (x + w / 2, y + h / 2 + tilt / 2), (x - w / 2, y + h / 2 * near - tilt / 2))
    back, raw = plane(corners), spoiled(raw, what, chance)
    rows = []
    for py in range(height):
        row = []
        for px in range(width):
            shade = 70 + 40 * py // height
            colour = [shade, shade + 4, shade + 8]
            if abs(px - x) < w * 0.75 and abs(py - y) < h * 1.4:
                total, hits = [0, 0, 0], 0
                for sy in (0.17, 0.5, 0.83):
                    for sx in (0.17, 0.5, 0.83):
                        u, v = back(px + sx, py + sy)
                        if 0 <= u < 1 and 0 <= v < 1:
                            at = (int(v * FINE_H) * FINE_W + int(u * FINE_W)) * 3
                            total = [a + b for a, b in zip(total, raw[at:at + 3])]
                            hits += 1
                colour = [(t + c * (9 - hits)) / 9 for t, c in zip(total, colour)]
            row.append(colour)
        rows.append(row)
    if what == "blur":
        rows = blurred(rows, max(1, size // 40))
    if what == "rain":
        rained(rows, chance)
    if what == "night":
        rows = [[[c * 0.22 + chance.gauss(0, 7) for c in colour] for colour in row] for row in rows]
    return width, height, bytes(min(255, max(0, round(c))) for row in rows for colour in row for c in colour)


def blurred(rows, reach):
    """Of a vehicle that drives past: along the row."""
    out = []
    for row in rows:
        out.append([[sum(row[min(max(x + k, 0), len(row) - 1)][c] for k in range(-reach, reach + 1)) / (2 * reach + 1)
                     for c in range(3)] for x in range(len(row))])
    return out


def rained(rows, chance):
    height, width = len(rows), len(rows[0])
    for _ in range(width * height // 260):
        x, y, length = chance.randrange(width), chance.randrange(height), chance.randrange(6, 18)
        for k in range(length):
            px, py = x + k // 5, y + k
            if px < width and py < height:
                rows[py][px] = [c * 0.6 + 90 for c in rows[py][px]]


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    chance = random.Random(SEED)
    texts = [text_of(chance, n) for n in range(EACH)]
    drawn = [fine(*one) for one in texts]
    index = []
    for what in WHAT:
        for size in SIZES:
            name = f"{what.replace(' ', '-')}-{size}.rgb"
            with open(os.path.join(folder, name), "wb") as file:
                for raw in drawn:
                    width, height, pixels = picture(raw, size, what, chance)
                    file.write(pixels)
            index.append({"what": what, "size": size, "width": width, "height": height, "file": name,
                          "plates": [text for text, _ in texts]})
    with open(os.path.join(folder, "index.json"), "w", encoding="utf-8") as file:
        json.dump(index, file, ensure_ascii=False)


if __name__ == "__main__":
    main()
