"""costs.py: what watching a camera costs: gridpost and its rivals on the same stream at the same moment."""
import json
import os
import subprocess
import sys
import tempfile
import tomllib

import material
from results import at_most, row, table
from rig import BINARY, HERE, MODELS, TARGET, Contestant, Gateway, Missing, Server, knows, tell, tell_table, watch

WARMUP_S = 10           # the model is loaded, the background learnt
# Seconds of a window: whole turns of what happens in the material.
WINDOWS = {"idle": 120, "busy": 75, "night": 120, "long-gop": 120, "idle-h265": 120, "smoke": 20}
FLOOR, SUB, MOTION = "ffmpeg -c copy", "Frigate-like on the sub-stream", "Debian's motion"
FRIGATE, DETECTING = "Frigate-like", "Frigate-like with detection"
OURS, FULL, ON_SUB = "gridpost", 'gridpost, decode = "full"', "gridpost, detect_url"
# Material and rival -> how many times the rival's processor time ours may be; detection apart but for DETECTING.
GOALS = {("idle", ON_SUB): 1 / 10, ("idle", ON_SUB + " with detection"): 1 / 5, ("rare", ON_SUB): 0.06,
         ("idle", FRIGATE): 1 / 5, ("idle", MOTION): 1 / 5, ("idle", SUB): 1, ("idle", DETECTING): 1 / 3,
         ("busy", FRIGATE): 1, ("rare", FRIGATE): 1 / 10}


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
    """The file of the model and variant that gridpost takes here, so that both sides run the same one."""
    said = subprocess.run([BINARY, "models", "bench"], env={**os.environ, "GRIDPOST_MODELS": MODELS},
                          capture_output=True, text=True, check=False)
    taken = [line for line in said.stdout.splitlines() if "<- taken" in line]
    if not taken:
        raise Missing(f"no model looks here: {said.stderr.strip()}")
    name, bits = taken[0].split(":")[0].split()
    with open(os.path.join(MODELS, "catalog.toml"), "rb") as file:
        entry = next(one for one in tomllib.load(file)["model"] if one["name"] == name)
    return os.path.join(MODELS, "cache", entry["int8"]["file"] if bits == "int8" else entry["file"])


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
    yield Contestant(FLOOR, copy(main))
    yield Contestant(FRIGATE, [python, stage, main])
    yield Contestant(DETECTING, [python, stage, main, "--model", model_file()])
    yield Contestant("key frames only, motion", [python, stage, "--keys", main])
    yield Contestant(MOTION, motion_daemon(main, folder))
    if "sub" in urls:
        yield Contestant(SUB, [python, stage, urls["sub"]])
    yield Gateway(OURS, {"camera": {"url": main, "decode": "adaptive"}})
    if knows("decode"):
        yield Gateway(FULL, {"camera": {"url": main, "decode": "full"}})
    if "sub" in urls and knows("detect_url"):
        yield Gateway(ON_SUB, {"camera": {"url": main, "detect_url": urls["sub"]}})


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
    """Everything on this material at once."""
    mounts = {"main": material.build(name)}
    if name in ("idle", "long-gop"):
        mounts["sub"] = material.build("idle-sub")
    elif name == "smoke":
        mounts["sub"] = material.build("smoke-sub")
    server, running = Server(mounts, on_the_clock="sub" in mounts), []
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
            rows[one.label]["note"] += saw(one, folder)
    tell_table(f"{name}: {seconds:.0f} s, all at once (RTSP server beside them {served:.1f} %)",
               ("what", "CPU, % of a core", "without detection", "peak MiB", "what it saw"),
               [(one["label"], f"{one['total']:.2f}", f"{one['apart']:.2f}", f"{one['peak']:.0f}", one["note"])
                for one in rows.values()])
    for label, shares in threads.items():
        tell(f"\n{label}, by thread: " + ", ".join(f"{who} {part:.2f}" for who, part in shares.items() if part >= 0.05))
        if engines[label]:
            tell(f"{label}, by its own metrics: {engines[label]}")
    table(name, compared(name, rows))


def saw(one, folder):
    """What a rival says that it has seen; gridpost's incidents are counted elsewhere."""
    if one.label == MOTION:
        with open(os.path.join(folder, "motion.log"), encoding="utf-8", errors="replace") as file:
            return f"{file.read().count('Motion detected')} events"
    lines = [line for line in one.said.splitlines() if line.startswith("{")]
    if isinstance(one, Gateway) or not lines:
        return ""
    said = json.loads(lines[-1])
    looks = f", {said['looks']} looks, persons in {said['persons']}" if said["looks"] else ""
    return f"motion in {said['moving']} of {said['pictures']} pictures{looks}"


def compared(name, rows):
    """The rows of RESULTS.md: processor time beside each rival's, with the goal where there is one."""
    found = []

    def beside(label, rival, theirs, what, key="apart", goal=None):
        if label in rows and theirs:
            ours = rows[label][key]
            limit = GOALS.get((name, goal))
            found.append(row(what, f"{ours:.2f} %", f"{rival} {theirs:.2f} %", ours / theirs,
                             **(at_most(limit, ours / theirs, "×") if limit else {})))

    total = {label: one["total"] for label, one in rows.items()}
    sub = total[SUB] + total[FLOOR] if SUB in total and FLOOR in total else None
    beside(OURS, FRIGATE, total.get(FRIGATE), "processor", goal=FRIGATE)
    beside(OURS, MOTION, total.get(MOTION), "processor", goal=MOTION)
    beside(OURS, "sub-stream and copy", sub, "processor", goal=SUB)
    beside(OURS, FRIGATE, total.get(DETECTING), "processor, both with detection", "total", DETECTING)
    beside(ON_SUB, FRIGATE, total.get(FRIGATE), "processor, with `detect_url`", goal=ON_SUB)
    beside(ON_SUB, "sub-stream and copy", sub, "processor, with `detect_url`")
    beside(ON_SUB, FRIGATE, total.get(DETECTING), "processor, with `detect_url`, both with detection", "total",
           ON_SUB + " with detection")
    beside(FULL, FRIGATE, total.get(FRIGATE), 'processor, `decode = "full"`')
    return found


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
    for name in ("idle", "busy", "night", "long-gop", "idle-h265"):
        run_material(name, seconds or WINDOWS[name])


def rare(seconds):
    """A crossing every ten minutes and a look every 4 s."""
    seconds = seconds or 600
    mounts = {"main": material.build("idle10"), "sub": material.build("idle10-sub")}
    server, running = Server(mounts, on_the_clock=True), []
    try:
        url = server.urls["main"]
        running = [Contestant(FRIGATE, [bench_python(), os.path.join(HERE, "motion_stage.py"), url]),
                   Gateway(OURS, {"camera": {"url": url, "look_every_s": 4.0}}),
                   Gateway(ON_SUB, {"camera": {"url": url, "detect_url": server.urls["sub"], "look_every_s": 4.0}})]
        watch(running, WARMUP_S, seconds, lambda: [one.read_events() for one in running[1:]])
        rows = {one.label: row_of(one) for one in running}
    finally:
        for one in running:
            one.stop()
        server.stop()
    tell_table(f"idle10: one crossing in 600 s, {seconds:.0f} s", ("what", "CPU, % of a core", "without detection", "saw"),
               [(one["label"], f"{one['total']:.2f}", f"{one['apart']:.2f}", one["note"]) for one in rows.values()])
    table("rare", compared("rare", rows))
