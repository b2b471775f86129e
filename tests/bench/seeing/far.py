"""far.py: vtest.avi at little more than half its size, three times in one picture of 1920x1080, each at another moment: people
of 45 pixels, with the public truth of each. The rest of the picture is the empty street."""
import os
import subprocess

import scenes

SIZE = (408, 306)                   # of 768x576: people of 85 pixels become 45
PLACES = ((90, 60, 0), (756, 400, 200), (1422, 730, 400))      # left, top, frames of vtest.avi that are left out before
FRAMES = 395
APART = 1000                        # between the ids of one copy and the next


def make(truth, folder):
    """The clip and its truth, made once."""
    clip, text = os.path.join(folder, "far-vtest.mp4"), os.path.join(folder, "far-vtest.gt.txt")
    os.makedirs(folder, exist_ok=True)
    lines = []
    with open(truth, encoding="ascii") as file:
        for line in list(file)[1:]:
            frame, who, *box = line.strip().split(",")
            for number, (left, top, skipped) in enumerate(PLACES):
                at, share = int(frame) - skipped, SIZE[0] / 768
                if 1 <= at <= FRAMES:
                    x, y, width, height = (float(part) * share for part in box)
                    lines.append((at, f"{at},{int(who) + APART * number},{x + left:.2f},{y + top:.2f},{width:.2f},"
                                      f"{height:.2f},1,1,1\n"))
    with open(text, "w", encoding="ascii") as file:
        # A picture is judged where the truth of all three copies is known.
        file.writelines(line for _, line in sorted(lines))
    if os.path.exists(clip):
        return clip, text
    street = scenes.Street()
    width, height = SIZE
    copies = "".join(f"[0]trim=start_frame={skipped},setpts=PTS-STARTPTS,scale={width}:{height}:flags=area[c{n}];"
                     for n, (_, _, skipped) in enumerate(PLACES))
    chain = "[1]scale=1920:1080:flags=bicubic,loop=-1:1,fps=10[b0];" + copies
    for n, (left, top, _) in enumerate(PLACES):
        chain += f"[b{n}][c{n}]overlay={left}:{top}:shortest=1[b{n + 1}];"
    chain += f"[b{len(PLACES)}]noise=alls=4:allf=t:all_seed=11,format=yuv420p[out]"
    process = scenes.ffmpeg(
        "-i", street.source, "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{scenes.WIDTH}x{scenes.HEIGHT}", "-r", "10", "-i",
        "pipe:0", "-filter_complex", chain, "-map", "[out]", "-frames:v", str(FRAMES), "-c:v", "libx264", "-preset",
        "veryfast", "-profile:v", "main", "-bf", "0", "-g", "20", "-keyint_min", "20", "-sc_threshold", "0", "-crf", "21",
        "-maxrate", "8M", "-bufsize", "16M", "-f", "mp4", clip + ".part", stdin=subprocess.PIPE)
    process.communicate(street.empty)
    if process.returncode:
        raise SystemExit("far.py: ffmpeg failed; its reason is above")
    os.replace(clip + ".part", clip)
    return clip, text
