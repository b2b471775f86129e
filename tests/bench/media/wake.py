"""wake.py: live over RTSP, from the first picture in which somebody is visible to the incident on disk."""
import time

import material
from curve import pre_rolls
from results import at_least, at_most, row, table
from rig import Gateway, Server, seconds_of, share

CAMERAS = 4
SHIFT_S = 44             # between the places in the clip at which the cameras begin
POLL_S = 0.004           # how exactly the moment is read at which an event is on disk


def run(seconds):
    """With the main stream alone, and with the sub-stream beside it."""
    for both in (False, True):
        measure(seconds, both)


def measure(seconds, both):
    server, gateway, now = watched(seconds or 370, both)
    took, off, by_length = judged(server, gateway, now)
    gop = material.GOP / material.FPS
    p50, p99 = share(took, 0.5), share(took, 0.99)
    offs = [abs(one) for one in off]
    most = max(offs, default=float("nan"))
    rows = [row("somebody is visible → incident on disk, p50", f"{p50:.2f} s", **at_most(0.8 if both else gop / 2 + 0.5, p50, "s")),
            row("somebody is visible → incident on disk, p99", f"{p99:.2f} s", **at_most(1.5 if both else gop + 0.7, p99, "s")),
            row("the incident's own start, off by, p50", f"{share(offs, 0.5):.2f} s"),
            row("the incident's own start, off by at most", f"{most:.2f} s", **at_most(0.2, most, "s"))]
    rolls = pre_rolls(gateway)
    if rolls:
        rows.append(row(f"pre-roll of 5 s, the shortest of {len(rolls)} clips", f"{min(rolls) / 1000:.2f} s",
                        **at_least(5, min(rolls) / 1000, "s")))
    long = [by_length[length] for length in by_length if length >= 2]
    found, of = (sum(one[part] for one in long) for part in (0, 1))
    rows.append(row("found, visible for 2 s and more", f"{found} of {of}"))
    rows += [row(f"found, visible for {length:g} s", f"{found} of {of}")
             for length, (found, of) in sorted(by_length.items(), reverse=True) if length < 2]
    table("wake, both streams" if both else "wake", rows)


def watched(seconds, both):
    """Four cameras for so long: the server and the gateway, both stopped, and when that was."""
    clips = {"c": material.build("appear"), **({"s": material.build("appear-sub")} if both else {})}
    mounts = {f"{kind}{n}": f"{clip}@{n * SHIFT_S}" for kind, clip in clips.items() for n in range(CAMERAS)}
    server = Server(mounts, on_the_clock=both)

    def camera(n):
        sub = {"detect_url": server.urls[f"s{n}"]} if both else {}
        return {"url": server.urls[f"c{n}"], "pre_roll_s": 5, **sub}

    gateway = Gateway("wake", {f"c{n}": camera(n) for n in range(CAMERAS)})
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not gateway.ended_early():
            gateway.read_events()
            time.sleep(POLL_S)
        return server, gateway, time.time()
    finally:
        gateway.stop()
        server.stop()


def judged(server, gateway, now):
    """Seconds until each incident of 2 s and more was on disk, by how much its own start was off, and by how long
    somebody was visible: [found, of so many]."""
    spans = [(start, end) for _, start, end in material.truth_of("appear")]
    opened = {}
    for wall, event in gateway.arrived:
        if event["data"]["what"] == "opened" and event["data"]["kind"] == "intrusion":
            opened.setdefault(event["data"]["sources"][0]["id"], []).append((wall, seconds_of(event["data"]["began_at"])))
    took, off, by_length = [], [], {}
    for name, walls in server.turns.items():
        if name.startswith("s"):        # the sub-stream of another
            continue
        first = walls[0] + SHIFT_S * int(name[1:]) + 25    # connected, the model loaded, the scene learnt
        for visible, gone in ((turn + start, turn + end) for turn in walls for start, end in spans):
            if visible < first or gone > now - 8:
                continue
            hits = [(wall, began) for wall, began in opened.get(name, []) if visible - 0.5 <= began <= gone + 0.5]
            kept = by_length.setdefault(round((gone - visible) * 2) / 2, [0, 0])
            kept[1] += 1
            kept[0] += bool(hits)
            if hits and gone - visible >= 2 - 1e-6:
                took.append(hits[0][0] - visible)
                off.append(hits[0][1] - visible)
    return took, off, by_length
