"""costs.py: what watching costs: gridpost and its rivals on the same stream at the same moment, one camera and many."""
import json
import os
import subprocess
import sys
import tempfile
import time

import material
from rig import BINARY, HERE, MODELS, TARGET, Contestant, Gateway, Missing, Server, knows, print_table, seconds_of, watch

WARMUP_S = 10           # the model is loaded, the background learnt
# Seconds of a window: whole turns of what happens in the material.
WINDOWS = {"idle": 120, "busy": 75, "night": 120, "long-gop": 120, "idle-h265": 120, "smoke": 20}
CAMERAS = (1, 4, 16, 48, 64)


def bench_python():
    """Python with OpenCV and ONNX Runtime for the rival, made once."""
    folder = os.path.join(TARGET, "rig", "bench-venv")
    python = os.path.join(folder, "bin", "python")
    wanted = os.path.join(HERE, "requirements.txt")
    stamp = os.path.join(folder, "requirements.txt")
    with open(wanted, encoding="utf-8") as file:
        text = file.read()
    if not (os.path.exists(stamp) and open(stamp, encoding="utf-8").read() == text):
        print("bench: making the rival's Python environment (about 90 MB, once)", file=sys.stderr)
        try:
            subprocess.run(["/usr/bin/python3", "-m", "venv", "--clear", folder], check=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
                            "--requirement", wanted], check=True)
        except subprocess.CalledProcessError:
            raise Missing("the rival's Python environment could not be made; its reason is above") from None
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(text)
    return python


def model_file():
    """The variant that gridpost's `auto` takes here, so that both sides run the same one."""
    subprocess.run([BINARY, "models", "bench"], env={**os.environ, "GRIDPOST_MODELS": MODELS},
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    cache = os.path.join(MODELS, "cache")
    try:
        with open(os.path.join(cache, "speeds.json"), encoding="utf-8") as file:
            speeds = json.load(file)["speeds"]
        if speeds["fp32_ms"] >= 1.15 * speeds["int8_ms"]:
            return os.path.join(cache, "ssd_mobilenet_v2_coco.int8.onnx")
    except (OSError, ValueError, KeyError):
        pass
    return os.path.join(cache, "ssd_mobilenet_v2_coco.onnx")


def motion_daemon(url, folder):
    """Debian's motion with its packaged configuration, but for where it reads and writes."""
    try:
        with open("/etc/motion/motion.conf", encoding="utf-8") as file:
            kept = [line for line in file if line.split(" ")[0].strip() not in
                    ("video_device", "netcam_url", "target_dir", "log_file", "webcontrol_port", "stream_port", "daemon")]
    except OSError:
        raise Missing("motion is not installed; `tests/rig/setup.sh bench` installs it") from None
    path = os.path.join(folder, "motion.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(kept)
        file.write(f"\nnetcam_url {url}\ntarget_dir {folder}\nlog_file {folder}/motion.log\nwebcontrol_port 0\n"
                   "stream_port 0\ndaemon off\n")
    return ["motion", "-n", "-c", path]


def copy(url):
    return ["ffmpeg", "-hide_banner", "-loglevel", "error", "-rtsp_transport", "tcp", "-i", url, "-an", "-c", "copy",
            "-f", "null", "-"]


def field(name, urls, folder):
    """All that compete on this material, by label."""
    python, stage, main = bench_python(), os.path.join(HERE, "motion_stage.py"), urls["main"]
    yield Contestant("ffmpeg -c copy (the floor)", copy(main))
    yield Contestant("Frigate-like: 5 fps to 640x360, motion", [python, stage, main])
    yield Contestant("Frigate-like, with detection", [python, stage, main, "--model", model_file()])
    yield Contestant("key frames only, motion", [python, stage, "--keys", main])
    yield Contestant("Debian's motion", motion_daemon(main, folder))
    if "sub" in urls:
        yield Contestant("Frigate-like on the sub-stream", [python, stage, urls["sub"]])
    for mode in ("adaptive", "full") if knows("decode") else ("today",):
        yield Gateway(f"gridpost {mode}", {"camera": {"url": main, "decode": mode}})
    if "sub" in urls and knows("detect_url"):
        yield Gateway("gridpost adaptive, detect_url", {"camera": {"url": main, "detect_url": urls["sub"]}})


def row_of(one):
    detection = one.detection() if isinstance(one, Gateway) else None
    total = one.percent()
    note = "ended early! " if one.ended_early() else ""
    if isinstance(one, Gateway):
        opened = [event for _, event in one.arrived if event["data"]["what"] == "opened"]
        walkers = sum(event["data"]["kind"] == "intrusion" for event in opened)
        others = sorted({event["data"]["kind"] for event in opened} - {"intrusion"})
        note += f"{walkers} incidents" + (f", {', '.join(others)}" if others else "")
    return {"label": one.label, "total": total, "apart": total - (detection or 0), "peak": one.peak, "note": note}


def run_material(name, seconds):
    """Everything on this material at once; gives {label: row}."""
    clip = material.build(name)
    mounts = {"main": clip}
    if name in ("idle", "long-gop"):
        mounts["sub"] = material.build("idle-sub")
    server, running = Server(mounts), []
    with tempfile.TemporaryDirectory(prefix="gridpost-bench-motion-") as folder:
        try:
            running = list(field(name, server.urls, folder))
            gateways = [one for one in running if isinstance(one, Gateway)]
            # Who joins a stream of long GOPs sees nothing until the next key frame.
            watch([*running, server], 25 if name == "long-gop" else WARMUP_S, seconds, lambda: [one.read_events() for one in gateways])
            rows = {one.label: row_of(one) for one in running}
            threads = {one.label: one.by_thread() for one in gateways}
            engines = {one.label: engine(one) for one in gateways}
        finally:
            for one in running:
                one.stop()
            served = server.percent()
            server.stop()
        for one in running:
            lines = [line for line in one.said.splitlines() if line.startswith("{")]
            if not isinstance(one, Gateway) and lines:
                said = json.loads(lines[-1])
                looks = f", {said['looks']} looks, persons in {said['persons']}" if said["looks"] else ""
                rows[one.label]["note"] += f"motion in {said['moving']} of {said['pictures']} pictures{looks}"
            elif one.label == "Debian's motion":
                with open(os.path.join(folder, "motion.log"), encoding="utf-8", errors="replace") as file:
                    rows[one.label]["note"] += f"{file.read().count('Motion detected')} events"
    print_table(f"{name}: {seconds:.0f} s, all at once (RTSP server beside them {served:.1f} %)",
                ("what", "CPU, % of a core", "without detection", "peak MiB", "what it saw"),
                [(row["label"], f"{row['total']:.2f}", f"{row['apart']:.2f}", f"{row['peak']:.0f}", row["note"])
                 for row in rows.values()])
    for label, shares in threads.items():
        print(f"\n{label}, by thread: " + ", ".join(f"{who} {part:.2f}" for who, part in shares.items() if part >= 0.05))
        if engines[label]:
            print(f"{label}, by its own metrics: {engines[label]}")
    return rows


def engine(gateway):
    """What the engine says of itself since the window began: looks, wakes, seconds by level."""
    said = []
    now = gateway.metrics()
    for name in ("looks_total", "wakes_total", "look_seconds_total", "awake_seconds_total", "detector_runs_total",
                 "detect_seconds_total", "frames_total", "skipped_frames_total"):
        for key, value in now.items():
            if key.startswith(f"gridpost_camera_{name}"):
                cause = key.split('cause="')[1].split('"')[0] if 'cause="' in key else ""
                value -= gateway.metrics_base.get(key, 0)
                said.append(f"{name.removesuffix('_total')}{' ' + cause if cause else ''} {value:.10g}")
    return ", ".join(said)


def rivals(seconds):
    figures = {}
    for name in ("idle", "busy", "night", "long-gop", "idle-h265"):
        figures[name] = run_material(name, seconds or WINDOWS[name])
    targets(figures)


def targets(figures):
    """The goals of issue 5 beside what was measured."""
    rows = []
    def ours(rows_of, which):
        return rows_of.get(f"gridpost {which}") or rows_of.get("gridpost today")
    idle, busy = figures.get("idle"), figures.get("busy")
    if idle and ours(idle, "adaptive"):
        one = ours(idle, "adaptive")
        for rival in ("Frigate-like: 5 fps to 640x360, motion", "Debian's motion"):
            rows.append((f"idle, without detection, of {rival}", "1/5 at most", ratio(one["apart"], idle[rival]["total"])))
        sub, floor = idle["Frigate-like on the sub-stream"]["total"], idle["ffmpeg -c copy (the floor)"]["total"]
        rows.append((f"idle, of the sub-stream's pipeline and a copy ({sub:.1f} + {floor:.1f} %)", "1 at most",
                     ratio(one["apart"], sub + floor)))
        rows.append(("idle, with detection on both sides", "1/3 at most",
                     ratio(one["total"], idle["Frigate-like, with detection"]["total"])))
    if busy and ours(busy, "adaptive"):
        rows.append(("busy, without detection, of the Frigate-like", "1 at most",
                     ratio(ours(busy, "adaptive")["apart"], busy["Frigate-like: 5 fps to 640x360, motion"]["total"])))
    print_table("Against the targets", ("what", "target", "measured"), rows)


def ratio(one, other):
    return f"{one:.2f} / {other:.2f} = {one / other:.2f}" if other else "-"


def rare(seconds):
    """A crossing every ten minutes and a look every 4 s."""
    seconds = seconds or 600
    server, running = Server({"main": material.build("idle10")}), []
    try:
        url = server.urls["main"]
        running = [Contestant("Frigate-like: 5 fps to 640x360, motion",
                              [bench_python(), os.path.join(HERE, "motion_stage.py"), url]),
                   Gateway("gridpost adaptive, look_every_s = 4", {"camera": {"url": url, "look_every_s": 4.0}})]
        watch(running, WARMUP_S, seconds, running[1].read_events)
        rows = [row_of(one) for one in running]
    finally:
        for one in running:
            one.stop()
        server.stop()
    print_table(f"idle10: one crossing in 600 s, {seconds:.0f} s", ("what", "CPU, % of a core", "without detection", "saw"),
                [(row["label"], f"{row['total']:.2f}", f"{row['apart']:.2f}", row["note"]) for row in rows])
    print_table("Against the targets", ("what", "target", "measured"),
                [("idle10, without detection, of the Frigate-like", "1/10 at most",
                  ratio(rows[1]["apart"], rows[0]["total"]))])


def curve(seconds, counts=CAMERAS):
    """CPU, memory, skipped work and lost incidents over the number of cameras, phases shifted."""
    clip, seconds = material.build("idle10"), seconds or 120
    truth = [span for span in material.truth_of("idle10") if span[0] in material.CROSSINGS]
    rows, points, rolls = [], {}, []
    for count in counts:
        step = 600 / count
        server = Server({f"c{n}": f"{clip}@{n * step:.0f}" for n in range(count)})
        gateway = Gateway(f"{count} cameras", {f"c{n}": {"url": server.urls[f"c{n}"], "pre_roll_s": 5} for n in range(count)})
        try:
            watch([gateway, server], 30, seconds, gateway.read_events)
            gateway.read_events()
            happened, lost = missed(server, gateway, truth, count)
            ring = sum(value for key, value in gateway.metrics().items() if key.startswith("gridpost_ring_bytes")) / 2**20
            skipped = gateway.total("gridpost_camera_skipped_frames_total", True)
            looked = gateway.total("gridpost_camera_detected_frames_total", True)
            looks = fewest_looks(gateway) * 60 / seconds
            points[count] = (gateway.peak, ring)
            rolls += pre_rolls(gateway)
            note = " ended early!" if gateway.ended_early() else ""
            rows.append((f"{count}{note}", f"{gateway.percent():.1f}", f"{gateway.percent() / count:.2f}",
                         f"{gateway.percent() - gateway.detection():.1f}", f"{server.percent():.0f}",
                         f"{gateway.peak:.0f}", f"{ring:.0f}",
                         f"{skipped:.0f} of {skipped + looked:.0f}", f"{looks:.0f}", f"{lost} of {happened}"))
        finally:
            gateway.stop()
            server.stop()
    print_table(f"Many cameras: idle10 with phases shifted, {seconds:.0f} s each",
                ("cameras", "CPU, % of a core", "a camera", "without detection", "RTSP server", "peak MiB", "ring MiB",
                 "looks skipped", "fewest looks of a camera, a minute", "crossings lost"), rows)
    goals = [("48 cameras on two cores: looks skipped, crossings lost", "0, 0",
              next((f"{row[7]}, {row[9]}" for row in rows if row[0] == "48"), "not run")),
             ("pre-roll of 5 s, the shortest of all clips", "5000 ms at least",
              f"{min(rolls):.0f} ms of {len(rolls)} clips" if rolls else "no clip")]
    if 1 in points and len(points) > 1:
        most = max(points)
        each = ((points[most][0] - points[1][0]) - (points[most][1] - points[1][1])) / (most - 1)
        goals.append(("memory of an idle 1080p camera above its ring", "12 MiB at most", f"{each:.1f} MiB"))
    print_table("Against the targets", ("what", "target", "measured"), goals)


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
