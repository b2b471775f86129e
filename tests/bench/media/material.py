#!/usr/bin/python3
"""material.py [NAME ...]: the material of `make bench-media`, in target/rig/media; prints the path of each.

    idle        1080p25, GOP 50, 240 s: an empty street with sensor noise; somebody crosses at 40 s (11 s long) and at
                160 s (8 s long). Capped VBR as cameras send it, 4 Mbit/s at most
    idle-sub    its sub-stream: 640x360, 512 kbit/s at most
    idle-h265   the first 120 s of it in H.265
    NAME-sub    of idle10, appear and smoke: their sub-streams, made of them as a camera's scaler does
    idle10      600 s: one crossing, and for the rest GOPs of the empty street; copied, not encoded again
    night       240 s: darker, strong noise, rain, a lamp that is switched on and off three times; the same crossings
    long-gop    120 s of idle with a key frame only every 20 s
    busy        all 79.5 s of vtest.avi: several people all the time
    appear      1080p25: somebody is there for 0.5, 1, 2, 4, 8 s at eight phases of the GOP, with gaps of 8 s at least
    smoke       20 s of idle with a crossing: to try the bench itself

Without names: all of them; that is a quarter of an hour of processor time, once. Each has its truth beside it
(NAME.mp4.json, as tests/rig/scenes.py writes it) and is made again only when what makes it has changed."""
import hashlib
import inspect
import json
import math
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "rig"))
import scenes  # noqa: E402  pylint: disable=wrong-import-position

FOLDER = os.path.abspath(os.path.join(scenes.TARGET, "rig", "media"))
FPS, GOP = 25, 50
SIZE = (scenes.WIDTH, scenes.HEIGHT)                 # of what Python hands over; ffmpeg makes 1080p of it
BIG = "scale=1920:1080:flags=bicubic"
CROSSINGS = {"crosser": 40, "loiterer": 160}         # seconds
MAIN_RATE = ("-crf", "23", "-maxrate", "4M", "-bufsize", "8M")
SUB_RATE = ("-crf", "24", "-maxrate", "512k", "-bufsize", "1M")
LAMP = ((70, 85), (150, 154), (200, 215))            # seconds in which it is on, in `night`


def x264(rate, gop=GOP):
    return ("-c:v", "libx264", "-preset", "veryfast", "-profile:v", "main", "-pix_fmt", "yuv420p", "-bf", "0", "-g",
            str(gop), "-keyint_min", str(gop), "-sc_threshold", "0", *rate, "-flags", "+bitexact", "-fflags",
            "+bitexact", "-movflags", "+faststart", "-f", "mp4")


X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-crf", "23", "-x265-params",
        f"log-level=error:scenecut=0:keyint={GOP}:min-keyint={GOP}:bframes=0:vbv-maxrate=4000:vbv-bufsize=8000",
        "-tag:v", "hvc1", "-flags", "+bitexact", "-fflags", "+bitexact", "-movflags", "+faststart", "-f", "mp4")


def people(street):
    """The empty street and each walker's pictures, ten a second."""
    raw = {"crosser": scenes.CROSSER, "loiterer": scenes.LOITERER}
    return (scenes.scaled([street.empty], SIZE)[0],
            {name: scenes.scaled(street.walk(boxes), SIZE) for name, boxes in raw.items()})


def idle_frames(empty, walks, seconds):
    """(picture for each frame, spans)."""
    frames, spans = [empty] * (seconds * FPS), []
    for name, start in CROSSINGS.items():
        length = len(walks[name]) * FPS // scenes.VTEST_FPS
        if start * FPS + length > len(frames):
            continue
        for n in range(length):
            frames[start * FPS + n] = walks[name][n * scenes.VTEST_FPS // FPS]
        spans.append((name, start, start + length / FPS))
    return frames, spans


def appear_frames(empty, walks):
    now, spans, gap = 10 * FPS, [], 8 * FPS
    for eighth in range(8):
        for seconds in (0.5, 1, 2, 4, 8):
            if seconds == 8 and eighth not in (3, 6):
                continue
            start = -(-(now + gap) // GOP) * GOP + GOP * eighth // 8
            now = start + math.ceil(seconds * FPS)
            spans.append((start, now))
    frames, walk = [empty] * (now + gap + 2 * FPS), walks["loiterer"]
    for start, end in spans:
        first = 0 if end - start > 4 * FPS else 10
        for n in range(start, end):
            frames[n] = walk[min(first + (n - start) * scenes.VTEST_FPS // FPS, len(walk) - 1)]
    return frames, [("person", start / FPS, end / FPS) for start, end in spans]


def darker(share, offset):
    return bytes(min(255, max(16, round((v - 16) * share + 16 + offset))) for v in range(256))


def night_frames(frames):
    """Each picture by night, with the lamp where it is on, and rain."""
    luma = SIZE[0] * SIZE[1]
    off, lit, grey = darker(0.38, 4), darker(0.62, 6), bytes(round(128 + (v - 128) * 0.4) for v in range(256))
    chance, made = random.Random(20261124), {}
    for n, frame in enumerate(frames):
        table = lit if any(start <= n / FPS < end for start, end in LAMP) else off
        key = (id(frame), table is lit)
        if key not in made:
            made[key] = frame[:luma].translate(table), frame[luma:].translate(grey)
        picture = bytearray(made[key][0])
        for _ in range(90):                          # streaks: a little slanted, a little brighter than what is behind
            x, y = chance.randrange(SIZE[0]), chance.randrange(SIZE[1])
            for step in range(chance.randrange(8, 26)):
                at = (y + step) * SIZE[0] + (x + step // 5) % SIZE[0]
                if at < luma:
                    picture[at] = min(235, picture[at] + 26)
        yield bytes(picture) + made[key][1]


def feed(pictures, arguments):
    process = scenes.ffmpeg("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{SIZE[0]}x{SIZE[1]}", "-r", str(FPS),
                            "-i", "pipe:0", *arguments, stdin=subprocess.PIPE)
    try:
        for picture in pictures:
            process.stdin.write(picture)
        process.stdin.close()
    except BrokenPipeError:
        pass
    if process.wait():
        sys.exit("material.py: ffmpeg could not encode; its reason is above")


def run(*arguments):
    if scenes.ffmpeg(*arguments).wait():
        sys.exit("material.py: ffmpeg failed; its reason is above")


class Maker:
    def __init__(self):
        self.cache = None

    def people(self):
        if self.cache is None:
            self.cache = people(scenes.Street())
        return self.cache

    def idle(self, out):
        frames, spans = idle_frames(*self.people(), 240)
        both = f"[0:v]{BIG},noise=alls=6:allf=t,format=yuv420p,split[a][b];[b]scale=640:360:flags=area[c]"
        sub = os.path.join(FOLDER, "idle-sub.mp4")
        feed(frames, ["-filter_complex", both, "-map", "[a]", *x264(MAIN_RATE), out,
                      "-map", "[c]", *x264(SUB_RATE), sub + ".part"])
        os.replace(sub + ".part", sub)
        tell(sub, "idle", spans)
        return spans

    def idle_sub(self, out):
        build("idle", self)
        if out != os.path.join(FOLDER, "idle-sub.mp4"):
            os.link(os.path.join(FOLDER, "idle-sub.mp4"), out)
        return truth_of("idle")

    def plain(self, out, seconds, encoder):
        frames, spans = idle_frames(*self.people(), seconds)
        feed(frames, ["-vf", f"{BIG},noise=alls=6:allf=t,format=yuv420p", *encoder, out])
        return spans

    def idle_h265(self, out):
        return self.plain(out, 120, X265)

    def long_gop(self, out):
        return self.plain(out, 120, x264(MAIN_RATE, 500))

    def smoke(self, out):
        empty, walks = self.people()
        frames = [empty] * (20 * FPS)
        for n in range(8 * FPS):
            frames[6 * FPS + n] = walks["loiterer"][n * scenes.VTEST_FPS // FPS]
        feed(frames, ["-vf", f"{BIG},noise=alls=6:allf=t,format=yuv420p", *x264(MAIN_RATE), out])
        return [("loiterer", 6, 14)]

    def idle10(self, out):
        """GOPs of idle: 0..120 s as they are, then 54..150 s of it, where nobody is, five times."""
        idle = build("idle", self)
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            pieces = []
            for name, start, length in (("with", 0, 120), ("without", 54, 96)):
                piece = os.path.join(folder, name + ".mp4")
                run("-ss", str(start), "-i", idle, "-t", str(length), "-c", "copy", piece)
                pieces.append(piece)
            listed = os.path.join(folder, "list")
            with open(listed, "w", encoding="ascii") as file:
                file.write("\n".join(f"file '{piece}'" for piece in pieces[:1] + pieces[1:] * 5))
            run("-f", "concat", "-safe", "0", "-i", listed, "-c", "copy", "-movflags", "+faststart", "-f", "mp4", out)
        return [span for span in truth_of("idle") if span[2] < 120]

    def night(self, out):
        frames, spans = idle_frames(*self.people(), 240)
        feed(night_frames(frames), ["-vf", f"{BIG},noise=alls=22:allf=t,format=yuv420p", *x264(MAIN_RATE), out])
        return spans + [("lamp", start, end) for start, end in LAMP]

    def sub_of(self, name, out):
        """The sub-stream of a material that has none yet."""
        run("-i", build(name, self), "-vf", "scale=640:360:flags=area", *x264(SUB_RATE), out)
        return truth_of(name)

    def idle10_sub(self, out):
        return self.sub_of("idle10", out)

    def appear_sub(self, out):
        return self.sub_of("appear", out)

    def smoke_sub(self, out):
        return self.sub_of("smoke", out)

    def appear(self, out):
        frames, spans = appear_frames(*self.people())
        feed(frames, ["-vf", f"{BIG},noise=alls=6:allf=t,format=yuv420p", *x264(MAIN_RATE), out])
        return spans

    def busy(self, out):
        run("-i", scenes.Street().source, "-vf",
            f"{scenes.CROP},fps={FPS},{BIG},noise=alls=6:allf=t,format=yuv420p", *x264(MAIN_RATE), out)
        return []


NAMES = {"smoke": Maker.smoke, "idle": Maker.idle, "idle-sub": Maker.idle_sub, "idle10": Maker.idle10,
         "busy": Maker.busy, "night": Maker.night, "appear": Maker.appear, "long-gop": Maker.long_gop,
         "idle-h265": Maker.idle_h265, "idle10-sub": Maker.idle10_sub, "appear-sub": Maker.appear_sub,
         "smoke-sub": Maker.smoke_sub}


def made_by(name):
    """A hash of what a material depends on: its own recipe and what all share."""
    shared = [people, scenes.Street, scenes.between, scenes.scaled, feed, x264, idle_frames]
    own = {"night": [night_frames, darker], "appear": [appear_frames], "idle10": [Maker.idle],
           "idle-sub": [Maker.idle], "idle-h265": [Maker.plain], "idle10-sub": [Maker.sub_of],
           "appear-sub": [Maker.sub_of], "smoke-sub": [Maker.sub_of], "long-gop": [Maker.plain]}.get(name, [])
    text = "".join(inspect.getsource(part) for part in (*shared, *own, NAMES[name]))
    constants = [scenes.CROSSER, scenes.LOITERER, CROSSINGS, MAIN_RATE, SUB_RATE, BIG,
                 {"night": LAMP, "idle-h265": X265}.get(name)]
    return hashlib.sha256((text + repr(constants)).encode()).hexdigest()


def tell(out, name, spans):
    said = {"scene": name, "fps": FPS, "gop": 500 if name == "long-gop" else GOP, "made_by": made_by(name),
            "spans": [{"what": what, "from_s": start, "to_s": end} for what, start, end in spans]}
    if out.endswith("idle-sub.mp4"):
        said["made_by"] = made_by("idle-sub")
    with open(out + ".json.part", "w", encoding="utf-8") as file:
        json.dump(said, file, indent=1)
    os.replace(out + ".json.part", out + ".json")


def read_truth(out):
    try:
        with open(out + ".json", encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def truth_of(name):
    spans = read_truth(os.path.join(FOLDER, name + ".mp4"))["spans"]
    return [(span["what"], span["from_s"], span["to_s"]) for span in spans]


def build(name, maker=None):
    """Where it is; made if it is not there or its recipe has changed."""
    out = os.path.join(FOLDER, name + ".mp4")
    truth = read_truth(out)
    if truth and truth.get("made_by") == made_by(name) and os.path.exists(out):
        return out
    os.makedirs(FOLDER, exist_ok=True)
    print(f"material.py: making {name} (some minutes of processor time, once)", file=sys.stderr, flush=True)
    part = f"{out}.part"
    spans = NAMES[name](maker or Maker(), part)
    os.replace(part, out)
    tell(out, name, spans)
    return out


def main():
    names = sys.argv[1:] or list(NAMES)
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        sys.exit(f"material.py: there is no {', '.join(unknown)}; there are {', '.join(NAMES)}")
    os.nice(19)
    maker = Maker()
    for name in names:
        print(build(name, maker), flush=True)


if __name__ == "__main__":
    main()
