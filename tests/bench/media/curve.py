"""curve.py: what many cameras cost, and what is missed for it, over their number."""
import time

import material
from results import at_least, at_most, row, table
from rig import Gateway, Server, seconds_of, tell, watch

CAMERAS = (1, 4, 16, 48, 64)


def both(seconds, counts=CAMERAS):
    """The same with both streams of each camera: looked at on the sub-stream, followed on the main one."""
    run(seconds, counts, "both streams, ")


def run(seconds, counts=CAMERAS, streams=""):
    """CPU, memory, skipped work and lost incidents over the number of cameras, phases shifted."""
    seconds = seconds or 120
    points = [point(count, seconds, bool(streams)) for count in counts]
    rows = [line for one in points for line in rows_of_point(one)]
    rolls = [roll for one in points for roll in one["rolls"]]
    if rolls:
        rows.append(row(f"pre-roll of 5 s, the shortest of {len(rolls)} clips", f"{min(rolls) / 1000:.2f} s",
                        **at_least(5, min(rolls) / 1000, "s")))
    one, most = min(points, key=lambda at: at["count"]), max(points, key=lambda at: at["count"])
    if one["count"] == 1 and most["count"] > 1:
        each = ((most["peak"] - one["peak"]) - (most["ring"] - one["ring"])) / (most["count"] - 1)
        rows.append(row("memory of an idle 1080p camera above its ring", f"{each:.1f} MiB", **at_most(12, each, "MiB")))
    table(f"curve, {streams}{seconds:.0f} s", rows)


def point(count, seconds, two):
    """So many cameras for so long, with both streams of each or the main one alone."""
    clips, step = {"c": material.build("idle10"), **({"s": material.build("idle10-sub")} if two else {})}, 600 / count
    truth = [span for span in material.truth_of("idle10") if span[0] in material.CROSSINGS]
    server = Server({f"{kind}{n}": f"{clip}@{n * step:.0f}" for kind, clip in clips.items() for n in range(count)},
                    on_the_clock=two)

    def camera(n):
        return {"url": server.urls[f"c{n}"], "pre_roll_s": 5, **({"detect_url": server.urls[f"s{n}"]} if two else {})}

    gateway = Gateway(f"{count} cameras", {f"c{n}": camera(n) for n in range(count)})
    try:
        watch([gateway, server], 30, seconds, gateway.read_events)
        gateway.read_events()
        happened, lost = missed(server, gateway, truth, count)
        if gateway.ended_early():
            tell(f"{count} cameras: the gateway ended early!")
        ring = sum(value for key, value in gateway.metrics().items() if key.startswith("gridpost_ring_bytes")) / 2**20
        skipped = gateway.total("gridpost_camera_skipped_frames_total", True)
        looked = gateway.total("gridpost_camera_detected_frames_total", True)
        return {"count": count, "cpu": gateway.percent(), "apart": gateway.percent() - gateway.detection(),
                "server": server.percent(), "peak": gateway.peak, "ring": ring, "skipped": skipped,
                "looks": skipped + looked, "fewest": fewest_looks(gateway) * 60 / seconds, "happened": happened,
                "lost": lost, "rolls": pre_rolls(gateway)}
    finally:
        gateway.stop()
        server.stop()


def rows_of_point(at):
    """The rows of so many cameras; 48 on two cores have a goal."""
    cameras = f"{at['count']} camera{'s' if at['count'] > 1 else ''}"
    def none_of(count):
        return {"goal": "0", "met": count == 0} if at["count"] == 48 else {}
    return [row(f"{cameras}: processor", f"{at['cpu']:.1f} %", f"RTSP server on the same cores {at['server']:.0f} %"),
            row(f"{cameras}: processor without detection", f"{at['apart']:.1f} %"),
            row(f"{cameras}: memory, and the ring in it", f"{at['peak']:,.0f} MiB, {at['ring']:,.0f} MiB"),
            row(f"{cameras}: looks skipped", f"{at['skipped']:,.0f} of {at['looks']:,.0f}", **none_of(at["skipped"])),
            row(f"{cameras}: crossings lost", f"{at['lost']} of {at['happened']}", **none_of(at["lost"])),
            row(f"{cameras}: fewest looks of one camera", f"{at['fewest']:.0f} a minute")]


def fewest_looks(gateway):
    """Key frames looked at asleep, and pictures the detector saw, since the warm-up: of the camera with fewest."""
    looks = {}
    for sign, metrics in ((1, gateway.metrics()), (-1, gateway.metrics_base)):
        for key, value in metrics.items():
            if key.startswith(("gridpost_camera_looks_total{", "gridpost_camera_detected_frames_total{")):
                camera = key.split('"')[1]
                looks[camera] = looks.get(camera, 0) + sign * value
    return min(looks.values(), default=0)


def missed(server, gateway, truth, count):
    """(crossings that lay wholly in what was watched, those without an incident of that camera)."""
    now, happened, lost = time.time(), 0, 0
    opened = {}
    for _, event in gateway.arrived:
        if event["data"]["what"] == "opened" and event["data"]["kind"] == "intrusion":
            opened.setdefault(event["data"]["sources"][0]["id"], []).append(seconds_of(event["data"]["began_at"]))
    first = gateway.started + 20           # the model loads, the scene is learnt
    for n in range(count):
        for wall in server.turns.get(f"c{n}", []):
            for _, start, end in truth:
                begins, ends = wall + start, wall + end
                if begins < first or ends > now - 15:
                    continue
                happened += 1
                lost += not any(begins - 1 <= at <= ends + 1 for at in opened.get(f"c{n}", []))
    return happened, lost


def pre_rolls(gateway):
    """Milliseconds of each clip that was made, those that say why they are short left out."""
    found = {}
    for _, event in gateway.arrived:
        for piece in event["data"].get("evidence", []):
            if piece.get("media_type", "").startswith("video") and "pre_roll_limit" not in piece:
                found[piece["id"]] = piece.get("pre_roll_ms", 0)
    return list(found.values())
