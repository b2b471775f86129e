"""wake.py: live over RTSP, from the first picture in which somebody is visible to the incident on disk."""
import time

import material
from costs import pre_rolls
from rig import Gateway, Server, knows, print_table, seconds_of, share

CAMERAS = 4
POLL_S = 0.004          # how exactly the moment is read at which an event is on disk


def run(seconds):
    clip = material.build("appear")
    spans = [(start, end) for _, start, end in material.truth_of("appear")]
    length = 350
    seconds = seconds or length + 20
    server = Server({f"c{n}": f"{clip}@{n * 44}" for n in range(CAMERAS)})
    gateway = Gateway("wake", {f"c{n}": {"url": server.urls[f"c{n}"], "pre_roll_s": 5} for n in range(CAMERAS)})
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not gateway.ended_early():
            gateway.read_events()
            time.sleep(POLL_S)
        now = time.time()
    finally:
        gateway.stop()
        server.stop()
    opened = {}
    for wall, event in gateway.arrived:
        if event["data"]["what"] == "opened" and event["data"]["kind"] == "intrusion":
            opened.setdefault(event["data"]["sources"][0]["id"], []).append((wall, seconds_of(event["data"]["began_at"])))
    took, off, by_length = [], [], {}
    for name, walls in server.turns.items():
        first = walls[0] + 44 * int(name[1:]) + 25         # connected, the model loaded, the scene learnt
        for turn in walls:
            for start, end in spans:
                visible, gone = turn + start, turn + end
                if visible < first or gone > now - 8:
                    continue
                hits = [(wall, began) for wall, began in opened.get(name, []) if visible - 0.5 <= began <= gone + 0.5]
                kept = by_length.setdefault(round((end - start) * 2) / 2, [0, 0])
                kept[1] += 1
                if hits:
                    kept[0] += 1
                    if end - start >= 2:
                        took.append(hits[0][0] - visible)
                        off.append(hits[0][1] - visible)
    gop = material.GOP / material.FPS
    rows = [("first visible picture → incident on disk, p50", f"{gop / 2 + 0.5:.1f} s at most", f"{share(took, 0.5):.2f} s"),
            ("the same, p99", f"{gop + 0.7:.1f} s at most", f"{share(took, 0.99):.2f} s"),
            ("the incident's own start, off by, p50 · most", "0.2 s at most",
             f"{share([abs(one) for one in off], 0.5):.2f} · {max(map(abs, off), default=float('nan')):.2f} s")]
    rolls = pre_rolls(gateway)
    rows.append(("pre-roll of 5 s, the shortest of all clips", "5000 ms at least",
                 f"{min(rolls):.0f} ms of {len(rolls)} clips" if rolls else "no clip"))
    mode = "adaptive" if knows("decode") else "today: everything is decoded"
    print_table(f"Waking up, live: {CAMERAS} cameras ({mode}), {len(took)} appearances of 2 s and more",
                ("what", "target", "measured"), rows)
    print_table("Live recall by how long somebody was visible", ("seconds", "found"),
                [(f"{length:g}", f"{found} of {of}") for length, (found, of) in sorted(by_length.items())])
