#!/usr/bin/python3
"""scenes.py NAME [OUT.mp4] [--at S] [--for S]: made scenes whose truth is known, from the street of vtest.avi.

    appear     a person stands there for 0.5, 1, 2, 4 and 8 s, at four phases of the GOP; 640x360, 25 fps, GOP 50
    blind      the lens is covered from --at for --for seconds; 640x360, 10 fps, GOP 20, as are all below
    moved      somebody turns the camera away, and back
    frozen     the camera sends the same picture again and again, its noise included
    unfocused  the picture is blurred
    dark       no fault: it is night, and a lamp is switched on and off; nobody there
    all        each of them in its usual place

Without OUT it is target/rig/scene-NAME.mp4, made again only when this script has changed; the path is printed. Beside
it stands OUT.json with what happens when: {"fps", "gop", "spans": [{"what", "from_s", "to_s"}]}, in seconds from the
first frame; `to_s` is the first instant at which it is over.

Only ffmpeg and Python's own library are needed. The empty street is the median of real frames over time; the person
is cut from the same place of the same footage, so that no edge is seen; noise like a sensor's is put on last."""
import argparse
import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TARGET = os.environ.get("CARGO_TARGET_DIR") or os.path.join(HERE, "..", "..", "target")

WIDTH, HEIGHT = 768, 432           # of what is pasted: the part of vtest.avi that is 16:9
CROP = f"crop={WIDTH}:{HEIGHT}:0:60"
VTEST_FPS = 10
# People of vtest.avi that walk alone for a while: (frame, x, y, width, height) of a box around them, in pixels after
# the crop; between two of them the box moves evenly. `loiterer` is in sight and well seen all the time (8.1 s);
# `crosser` goes from the lamp post to the left edge with a stop on his way (11 s), and is harder to see.
LOITERER = ((375, 507, 96, 32, 95), (383, 544, 85, 39, 95), (391, 568, 79, 37, 89), (399, 584, 68, 36, 89),
            (407, 568, 66, 39, 87), (415, 560, 69, 34, 88), (423, 536, 76, 34, 90), (431, 517, 86, 37, 93),
            (439, 487, 96, 46, 95), (447, 483, 108, 38, 99), (455, 488, 122, 39, 104))
CROSSER = ((178, 377, 139, 36, 111), (186, 306, 138, 43, 103), (194, 254, 128, 41, 103), (202, 201, 117, 38, 100),
           (210, 145, 113, 43, 95), (218, 94, 113, 50, 93), (226, 54, 110, 46, 93), (234, 34, 106, 39, 92),
           (250, 34, 105, 36, 92), (266, 30, 105, 38, 91), (270, 10, 97, 53, 99), (278, 0, 95, 45, 99),
           (286, 0, 95, 24, 94))
SPARE = 8                          # pixels around a box

SMALL = (640, 360)
SECONDS = (0.5, 1, 2, 4, 8)        # for which somebody is visible in `appear`
PHASES = (0.0, 0.25, 0.5, 0.75)    # of the GOP, at which he comes into sight
GAP_S = 4                          # between two appearances, at least


def vtest():
    listed = subprocess.run(["dpkg", "-L", "opencv-doc"], capture_output=True, text=True, check=False).stdout
    for line in listed.splitlines():
        if line.endswith(("/vtest.avi", "/vtest.avi.gz")) and os.path.exists(line):
            return line
    sys.exit("scenes.py: vtest.avi is not here; install Debian's package opencv-doc (make setup does)")


def ffmpeg(*arguments, **options):
    return subprocess.Popen(["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments], **options)


def output_of(*arguments, data=None):
    process = ffmpeg(*arguments, stdin=subprocess.PIPE if data is not None else None, stdout=subprocess.PIPE)
    out = process.communicate(data)[0]
    if process.returncode:
        sys.exit("scenes.py: ffmpeg failed; its reason is above")
    return out


class Street:
    """The empty scene and the walkers, as raw pictures of any size."""

    def __init__(self):
        self.source, self.unpacked = vtest(), None
        if self.source.endswith(".gz"):
            self.unpacked = tempfile.NamedTemporaryFile(suffix=".avi")  # pylint: disable=consider-using-with
            subprocess.run(["gzip", "-dc", self.source], stdout=self.unpacked, check=False)
            self.source = self.unpacked.name
        raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1")
        self.empty = output_of("-i", self.source, "-vf", f"select=not(mod(n\\,6)),tmedian=radius=60,{CROP}",
                               "-frames:v", "1", *raw)

    def walk(self, boxes):
        """One picture a frame of vtest.avi: the empty scene with this person in it."""
        first, last = boxes[0][0], boxes[-1][0]
        size = len(self.empty)
        data = output_of("-i", self.source, "-vf", f"select=between(n\\,{first}\\,{last}),{CROP}", "-vsync", "0",
                         "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1")
        pictures = []
        for n in range(last - first + 1):
            frame, picture = data[n * size:(n + 1) * size], bytearray(self.empty)
            x, y, width, height = between(boxes, first + n)
            left, right = max(x - SPARE, 0) * 3, min(x + width + SPARE, WIDTH) * 3
            for row in range(max(y - SPARE, 0), min(y + height + SPARE, HEIGHT)):
                at = row * WIDTH * 3
                picture[at + left:at + right] = frame[at + left:at + right]
            pictures.append(bytes(picture))
        return pictures


def between(boxes, frame):
    for low, high in zip(boxes, boxes[1:]):
        if frame <= high[0]:
            share = (frame - low[0]) / (high[0] - low[0])
            return [round(a + (b - a) * share) for a, b in zip(low[1:], high[1:])]
    return boxes[-1][1:]


def scaled(pictures, size, extra=""):
    """Raw yuv420p pictures of `size` from raw rgb24 ones; `extra` is a filter for it."""
    data = output_of("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-i", "pipe:0", "-vf",
                     f"{extra}scale={size[0]}:{size[1]}:flags=bicubic", "-f", "rawvideo", "-pix_fmt", "yuv420p",
                     "pipe:1", data=b"".join(pictures))
    return cut(data, size)


def cut(data, size):
    bytes_each = size[0] * size[1] * 3 // 2
    return [data[at:at + bytes_each] for at in range(0, len(data), bytes_each)]


def encode(pictures, out, size, fps, gop, filters, rate=("-crf", "23", "-maxrate", "1M", "-bufsize", "2M")):
    """As a camera does: H.264 Main, no B frames, a key frame every `gop` frames and nowhere else."""
    process = ffmpeg("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{size[0]}x{size[1]}", "-r", str(fps),
                     "-i", "pipe:0", "-vf", f"{filters},format=yuv420p", "-c:v", "libx264", "-preset", "veryfast",
                     "-profile:v", "main", "-bf", "0", "-g", str(gop), "-keyint_min", str(gop), "-sc_threshold", "0",
                     *rate, "-flags", "+bitexact", "-fflags", "+bitexact", "-movflags", "+faststart", "-f", "mp4", out,
                     stdin=subprocess.PIPE)
    try:
        for picture in pictures:
            process.stdin.write(picture)
        process.stdin.close()
    except BrokenPipeError:
        pass
    if process.wait():
        sys.exit("scenes.py: ffmpeg could not encode; its reason is above")


def noisy(picture, frames, size, strength):
    """That picture for so many frames, with a noise that is another in each."""
    return cut(output_of("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{size[0]}x{size[1]}", "-r", "10", "-i",
                         "pipe:0", "-vf", f"loop={frames}:1,noise=alls={strength}:allf=t", "-frames:v", str(frames),
                         "-f", "rawvideo", "-pix_fmt", "yuv420p", "pipe:1", data=picture), size)


# ---- the scenes ----------------------------------------------------------------------------------------------------

def appear(out, _options):
    fps, gop = 25, 50
    street = Street()
    empty = scaled([street.empty], SMALL)[0]
    walk = scaled(street.walk(LOITERER), SMALL)
    spans, now = [], 10 * fps                       # frames; ten seconds to learn the scene
    for phase in PHASES:
        for seconds in SECONDS:
            if seconds == 8 and phase not in (0.25, 0.75):      # the long ones matter least and last longest
                continue
            start = -(-(now + GAP_S * fps) // gop) * gop + round(phase * gop)
            now = start + math.ceil(seconds * fps)
            spans.append((start, now))
    frames = now + (GAP_S + 4) * fps
    pictures = [empty] * frames
    for start, end in spans:
        first = 0 if end - start > 4 * fps else 10              # of the walk, where he is best seen
        for n in range(start, end):
            pictures[n] = walk[min(first + (n - start) * VTEST_FPS // fps, len(walk) - 1)]
    encode(pictures, out, SMALL, fps, gop, "noise=alls=5:allf=t")
    return fps, gop, [("person", start / fps, end / fps) for start, end in spans]


def faulty(change):
    """A quiet street to which `change` does something for a while."""
    def scene(out, options):
        fps, gop, size = 10, 20, SMALL
        start, length = round(options.at * fps), round(options.span * fps)
        street = Street()
        frames = noisy(scaled([street.empty], size)[0], start + length + 12 * fps, size, 5)
        frames[start:start + length] = change(street, frames, start, length)
        encode(frames, out, size, fps, gop, "null")
        return fps, gop, [(scene.what, start / fps, (start + length) / fps)]
    scene.what = change.__name__
    return scene


def blind(_street, _frames, _start, length):
    width, height = SMALL
    covered = bytes([22]) * (width * height) + bytes([128]) * (width * height // 2)
    return noisy(covered, length, SMALL, 3)


def moved(street, _frames, _start, length):
    # The right and lower part of the street, a little nearer: as if the camera had been turned by some degrees.
    aside = scaled([street.empty], SMALL, "crop=576:324:180:92,")[0]
    return noisy(aside, length, SMALL, 5)


def frozen(_street, frames, start, length):
    return [frames[start - 1]] * length


def unfocused(street, _frames, _start, length):
    return noisy(scaled([street.empty], SMALL, "gblur=sigma=9,")[0], length, SMALL, 5)


def dark(street, _frames, _start, length):
    night = scaled([street.empty], SMALL, "eq=brightness=-0.35:contrast=0.5,")[0]
    lit = scaled([street.empty], SMALL, "eq=brightness=-0.2:contrast=0.6,")[0]
    first, second = length // 3, length // 3
    return noisy(night, first, SMALL, 12) + noisy(lit, second, SMALL, 9) + noisy(night, length - first - second, SMALL, 12)


SCENES = {"appear": appear, **{change.__name__: faulty(change) for change in (blind, moved, frozen, unfocused, dark)}}


def make(name, out, options):
    with open(__file__, "rb") as file:
        made_by = hashlib.sha256(file.read() + f"{options.at} {options.span}".encode()).hexdigest()
    truth = out + ".json"
    try:
        with open(truth, encoding="utf-8") as file:
            if json.load(file)["made_by"] == made_by and os.path.getsize(out) > 0:
                return
    except (OSError, ValueError, KeyError):
        pass
    os.makedirs(os.path.dirname(os.path.abspath(out)), exist_ok=True)
    print(f"scenes.py: making {os.path.basename(out)} (some seconds)", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=os.path.dirname(os.path.abspath(out))) as folder:
        part = os.path.join(folder, "scene.mp4")
        fps, gop, spans = SCENES[name](part, options)
        said = {"scene": name, "fps": fps, "gop": gop, "made_by": made_by,
                "spans": [{"what": what, "from_s": start, "to_s": end} for what, start, end in spans]}
        with open(part + ".json", "w", encoding="utf-8") as file:
            json.dump(said, file, indent=1)
        os.replace(part, out)
        os.replace(part + ".json", truth)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=[*SCENES, "all"])
    parser.add_argument("out", nargs="?")
    parser.add_argument("--at", type=float, default=12, help="seconds before a fault begins (default 12)")
    parser.add_argument("--for", type=float, default=20, dest="span", help="seconds that it lasts (default 20)")
    options = parser.parse_args()
    if options.out and options.name == "all":
        parser.error("all has its usual places; name one scene to say where it goes")
    for name in SCENES if options.name == "all" else [options.name]:
        out = options.out or os.path.abspath(os.path.join(TARGET, "rig", f"scene-{name}.mp4"))
        make(name, out, options)
        print(out)


if __name__ == "__main__":
    main()
