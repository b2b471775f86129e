#!/usr/bin/python3
"""demo.py [--seconds N] [--gateway PATH]: the whole way once, on this machine alone (`make demo` calls it).

A street scene is served as a live RTSP camera; the gateway watches it with config/demo.toml; a small grid receiver
prints what reaches it and accepts each incident; an emergency button is pressed over MQTT a few seconds in; a drone
flies from one grid to another (MPEG-TS with KLV over UDP) and finds somebody, its flight is left as GeoJSON; a rain
station that was cut off for three hours reports what it kept over SL 651, and its curve is drawn.
It goes on until Ctrl-C. With --seconds it ends by itself, and with 0 only if a camera incident with a clip that plays
and the button and the rain all arrived. All ports are free ones, on loopback; all that it starts ends with it."""
import argparse
import ctypes
import fcntl
import hashlib
import http.server
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
import urllib.error
import urllib.request
import uuid
from datetime import datetime, timezone

import demo_drone
import rain_svg

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
TARGET = os.environ.get("CARGO_TARGET_DIR") or os.path.join(REPOSITORY, "target")
WORK = os.path.join(TARGET, "demo")
DATA = os.path.join(WORK, "data")
LOG = os.path.join(WORK, "gateway.log")
CLIP = os.path.join(WORK, "last-clip.mp4")
FLIGHT = os.path.join(WORK, "flight.geojson")
RAIN = os.path.join(WORK, "rain.svg")

BUTTON = "btn-0686"
PRESS_AFTER_S = 5         # so that one sees the camera first
PRESS_TRIES_MAX = 10      # a button sends again until it is acknowledged
READY_TIMEOUT_S = 60      # a cold disk and a debug build
STOP_TIMEOUT_S = 8        # the gateway promises 5
HTTP_TIMEOUT_S = 10
EVENTS_MAX = 10_000       # of which the receiver remembers the ids
BODY_BYTES_MAX = 4_000_000

# How the demo's grid goes on with a call for help: step, by whom, note. Who verifies is not who handled it.
LIFE_OF_A_CALL = (("dispatched", "值班员王芳", None), ("handled", "网格员李强", "已上门，老人跌倒，已扶起"),
                  ("verified", "网格长李建国", "电话回访，已无碍"), ("closed", "值班员王芳", None))
STEPS_ZH = {"accepted": "受理", "dispatched": "派遣", "handled": "处置", "verified": "核查", "closed": "结案"}
STEP_S = 0.4             # between two of them: people are slower
# What stands in config/demo.toml, and what it is replaced by; each must be there exactly once.
LISTEN_WEB = 'listen = "127.0.0.1:8686"'
LISTEN_INTAKE = 'listen = "127.0.0.1:1883"'
LISTEN_SL651 = 'listen = "127.0.0.1:5651"'
PUBLIC_URL = 'public_url = "http://127.0.0.1:8686"'
CAMERA_URL = 'url = "rtsp://127.0.0.1:8554/square"'
DRONE_LISTEN = 'listen = "udp://127.0.0.1:9711"'
SINK_URL = 'url = "http://127.0.0.1:9000/events"'
DATA_PATH = 'path = "../data/demo"'


class Problem(Exception):
    """One sentence: what went wrong, and what to do."""


def say(text):
    print(f"demo: {text}", flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def dies_with_us():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)   # PR_SET_PDEATHSIG: even when we are killed with -9


def start(command, **options):
    """A child in a session of its own: Ctrl-C reaches only this script, which then stops the child once."""
    try:
        return subprocess.Popen(command, start_new_session=True, preexec_fn=dies_with_us, **options)
    except OSError as error:
        raise Problem(f"{command[0]} does not start ({error.strerror}); run `make setup build`") from None


def tail(path, lines=15):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return "".join(file.readlines()[-lines:])
    except OSError:
        return ""


class Camera:
    """The street scene as a live RTSP stream."""

    def __init__(self):
        clip = subprocess.run([os.path.join(HERE, "clip.sh")], stdout=subprocess.PIPE, text=True, check=False)
        if clip.returncode:
            raise Problem("there is no clip to serve; the reason is above")
        self.process = start([os.path.join(HERE, "rtsp_serve.py"), f"square={clip.stdout.strip()}"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        lines = []
        for line in self.process.stdout:
            if line.strip() == "READY":
                break
            lines.append(line.strip())
        if not lines or self.process.poll() is not None:
            raise Problem("the RTSP server did not start; the reason is above")
        self.url = lines[0]


class Grid:
    """The grid's receiver: prints each event, remembers what the demo must have seen, hands on what needs an answer."""

    def __init__(self):
        self.lock = threading.Lock()
        self.seen, self.incidents, self.arrived = set(), {}, {}
        self.events = self.repeated = self.unreadable = 0
        self.tasks = queue.Queue(maxsize=1000)
        grid = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                length = int(self.headers.get("Content-Length") or 0)
                if not 0 < length <= BODY_BYTES_MAX:
                    self.close_connection = True
                    return self.answer(413)
                return self.answer(grid.receive(self.rfile.read(length)))

            def answer(self, status):
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/events"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def receive(self, body):
        try:
            event = json.loads(body)
            data = event["data"]
            if event["type"] == "io.gridpost.heartbeat.v1":
                print(f"{data['at'][11:19]}  heartbeat {data['seq']}, faults: {'; '.join(data['faults']) or 'none'}", flush=True)
                return 204
            number, incident, revision, what = event["id"], data["incident"], data["revision"], data["what"]
            title, kind, changed = data["title"]["zh"], data["kind"], data["changed_at"]
        except (ValueError, KeyError, TypeError) as error:
            self.unreadable += 1
            say(f"an event could not be read: {type(error).__name__} {error}")
            return 400
        with self.lock:
            if number in self.seen:
                self.repeated += 1
                return 409          # delivered already: one id, one effect
            if len(self.seen) < EVENTS_MAX:
                self.seen.add(number)
            self.events += 1
            self.arrived.setdefault(incident, time.monotonic())
            if revision > self.incidents.get(incident, {"revision": 0})["revision"]:
                self.incidents[incident] = data
        evidence = [piece.get("url", piece["id"]) for piece in data.get("evidence", [])]
        nowhere = "全部网格" if kind == "posture" else "网格未知"
        where = data.get("grid", {}).get("name") or nowhere
        print(f"{changed[11:19]}  {where}  {title}  [{kind} {what} r{revision}]  {evidence[-1] if evidence else '-'}", flush=True)
        try:
            if what == "opened":
                self.tasks.put_nowait(("accept", data))
            if any(piece["media_type"] == "video/mp4" for piece in data.get("evidence", [])):
                self.tasks.put_nowait(("clip", data))
        except queue.Full:
            say("too much to answer at once; some incidents stay unaccepted")
        return 204

    def of_kind(self, button):
        with self.lock:
            return [data for data in self.incidents.values() if (data["kind"] == "emergency-button") == button]


class Worker(threading.Thread):
    """Answers incidents and looks at clips, through the gateway's own web API."""

    def __init__(self, grid, base):
        super().__init__(daemon=True)
        self.grid, self.base = grid, base
        self.accepted, self.good_clip, self.problem, self.looked_at = 0, None, None, set()
        self.start()

    def run(self):
        while True:
            task, data = self.grid.tasks.get()
            try:
                self.accept(data) if task == "accept" else self.look(data)
            except (OSError, ValueError, KeyError, Problem) as error:
                reason = error.read().decode(errors="replace")[:200] if isinstance(error, urllib.error.HTTPError) else ""
                self.problem = f"{task} of {data['kind']}: {error} {reason}".strip()
                say(self.problem)
            finally:
                self.grid.tasks.task_done()

    def call(self, url, body=None):
        with open(os.path.join(DATA, "token"), encoding="ascii") as file:
            token = file.read().strip()
        request = urllib.request.Request(url, body, {"Authorization": f"Bearer {token}",
                                                     "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=HTTP_TIMEOUT_S) as answer:
            return answer.read()

    def accept(self, data):
        """As a grid answers: everything is accepted, and a call for help is taken to its end."""
        self.step(data, "accepted", "值班员王芳")
        self.accepted += 1
        if data["kind"] == "emergency-button":
            for to, by, note in LIFE_OF_A_CALL:
                time.sleep(STEP_S)
                self.step(data, to, by, note)

    def step(self, data, to, by, note=None):
        reply = {"incident": data["incident"], "to": to, "by": by, "id": str(uuid.uuid4()), **({"note": note} if note else {})}
        self.call(f"{self.base}/api/v1/replies", json.dumps(reply).encode())

    def look(self, data):
        for piece in data["evidence"]:
            if piece["media_type"] != "video/mp4" or piece["id"] in self.looked_at:
                continue
            self.looked_at.add(piece["id"])
            video = self.call(piece["url"])
            if hashlib.sha256(video).hexdigest() != piece["sha256"]:
                raise Problem("the clip is not the one that its sha256 names")
            with open(CLIP, "wb") as file:
                file.write(video)
            told = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries",
                                   "stream=codec_name,width,height:format=duration", "-of", "json", CLIP],
                                  capture_output=True, text=True, check=False, start_new_session=True)
            played = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-xerror", "-i", CLIP, "-f", "null", "-"],
                                    capture_output=True, text=True, check=False, start_new_session=True)
            if told.returncode or played.returncode or played.stderr.strip():
                raise Problem(f"the clip does not play: {(told.stderr + played.stderr).strip()[:200]}")
            shape = json.loads(told.stdout)
            stream = shape["streams"][0]
            limit = f" (limited: {piece['pre_roll_limit']})" if "pre_roll_limit" in piece else ""
            clip = (f"{float(shape['format']['duration']):.1f} s, {stream['codec_name']} {stream['width']}x{stream['height']}, "
                    f"pre-roll {piece.get('pre_roll_ms', 0) / 1000:.1f} s{limit}, sha256 right")
            if self.good_clip is None:
                say(f"the clip plays: {clip}")
            self.good_clip = clip


class Gateway:
    """The gateway with config/demo.toml, moved to free ports and a data folder of its own."""

    def __init__(self, binary, camera_url, sink_url):
        self.binary = binary
        self.web, self.intake = free_port(), free_port()
        self.drone, self.sl651 = free_port(), free_port()
        self.base = f"http://127.0.0.1:{self.web}"
        # The whole folder, since the config names files beside it.
        folder = os.path.join(WORK, "config")
        shutil.copytree(os.path.join(REPOSITORY, "config"), folder)
        self.config = os.path.join(folder, "demo.toml")
        with open(self.config, encoding="utf-8") as file:
            text = file.read()
        for old, new in ((LISTEN_WEB, f'listen = "127.0.0.1:{self.web}"'),
                         (LISTEN_INTAKE, f'listen = "127.0.0.1:{self.intake}"'),
                         (LISTEN_SL651, f'listen = "127.0.0.1:{self.sl651}"'),
                         (PUBLIC_URL, f'public_url = "{self.base}"'),
                         (CAMERA_URL, f'url = "{camera_url}"'),
                         (DRONE_LISTEN, f'listen = "udp://127.0.0.1:{self.drone}"'),
                         (SINK_URL, f'url = "{sink_url}"'),
                         (DATA_PATH, f"path = {json.dumps(DATA)}")):
            if text.count(old) != 1:
                raise Problem(f"config/demo.toml must have the line {old} exactly once, it has it {text.count(old)} times; "
                              "put it back, or change it in tests/rig/demo.py too")
            text = text.replace(old, new)
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)
        self.site = tomllib.loads(text)["site"]["id"]
        environment = {**os.environ, "GRIDPOST_MODELS": os.path.join(REPOSITORY, "models")}
        with open(LOG, "wb") as log:
            self.process = start([binary, "run", "-c", self.config], cwd=REPOSITORY, env=environment,
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait_ready(self):
        until = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < until:
            self.check()
            try:
                with urllib.request.urlopen(f"{self.base}/healthz", timeout=2):
                    return
            except OSError:
                time.sleep(0.1)
        raise Problem(f"the gateway did not answer /healthz within {READY_TIMEOUT_S} s; its last words:\n{tail(LOG)}")

    def first_code(self):
        """The one-time code by which the first account is made on the page."""
        command = [self.binary, "user", "init", "-c", self.config]
        made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        if made.returncode != 0:
            raise Problem(f"`gridpost user init` gave no code: {made.stderr.strip()}")
        return made.stdout.strip()

    def check(self):
        if self.process.poll() is not None:
            raise Problem(f"the gateway ended with {self.process.returncode}; its last words:\n{tail(LOG)}")

    def press(self, at):
        """Presses the button: one press, sent again until it is acknowledged, which means it is on disk."""
        payload = json.dumps({"device": BUTTON, "event": "press", "id": str(uuid.uuid4()), "battery": 87,
                              "at": datetime.now(timezone.utc).isoformat(timespec="milliseconds")})
        command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.intake), "-i", BUTTON, "-q", "1",
                   "-t", f"gridpost/{self.site}/button/{BUTTON}", "-m", payload]
        for _ in range(PRESS_TRIES_MAX):
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
            except FileNotFoundError:
                raise Problem("mosquitto_pub is not installed; run `make setup`") from None
            except subprocess.TimeoutExpired:
                continue
            if done.returncode == 0:
                return
            self.check()
            time.sleep(0.5)
        raise Problem(f"the press at {at:.0f} s was not acknowledged: {done.stderr.strip() or 'no answer'}")


class Station:
    """A rain station that speaks SL 651 over TCP and tells the last three hours, report by report."""

    # Millimetres in each 5 min: drizzle, a cloudburst, drizzle.
    RAIN_MM = [0, 0.2, 0.2, 0.4, 0.8, 1.2] + [2.6] * 10 + [4.4] * 12 + [1.6, 0.8, 0.4, 0.2, 0, 0]

    def __init__(self, gateway):
        self.gateway = gateway
        rain = ",".join(str(mm) for mm in self.RAIN_MM)
        script = os.path.join(REPOSITORY, "tests", "devices", "sl651_station.py")
        self.process = start([sys.executable, script, "127.0.0.1", str(gateway.sl651), "--station", "0012345678",
                              "--rain", rain, "--pause-s", "0.05"], stdout=subprocess.PIPE, text=True)
        say(f"a rain station reports {len(self.RAIN_MM)} readings over SL 651 at 127.0.0.1:{gateway.sl651} …")

    def draw(self, worker):
        """The curve, from the gateway's own sums; gives what is missing."""
        lines, _ = self.process.communicate(timeout=60)
        acked = sum("acked" in line for line in lines.splitlines())
        view = json.loads(worker.call(f"{worker.base}/api/v1/rain"))
        gauge = next((one for one in view["gauges"] if one["id"] == "rain-1"), None)
        if gauge is None or acked != len(self.RAIN_MM):
            return [f"the rain station got {acked} of {len(self.RAIN_MM)} acknowledgements"]
        with open(RAIN, "w", encoding="utf-8") as file:
            file.write(rain_svg.draw(view, gauge))
        told = round(sum(self.RAIN_MM), 1)
        say(f"rain: {acked} reports acknowledged, {gauge['sums_mm']['24h']} of {told} mm in the sums, "
            f"{gauge['sums_mm']['3h']} mm in 3 h; the curve is in {os.path.relpath(RAIN)}")
        return [] if abs(gauge["sums_mm"]["24h"] - told) < 0.05 else [f"the sums say {gauge['sums_mm']['24h']} mm, it rained {told}"]


def end(process):
    """Asks a child to stop, once; kills it if it does not. Gives the seconds it took, or None if it was killed."""
    if process is None or process.poll() is not None:
        return 0.0
    began = time.monotonic()
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
        return time.monotonic() - began
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def idle(gateway, until):
    """Waits, looking after the gateway; `until` None means for ever."""
    while until is None or time.monotonic() < until:
        gateway.check()
        time.sleep(0.2)


def summary(grid, worker, pressed, seconds, missing):
    """Prints what came of it; gives what is missing."""
    cameras = [data for data in grid.of_kind(False) if any(source["kind"] == "camera" for source in data["sources"])]
    buttons = grid.of_kind(True)
    say(f"{seconds:.0f} s: {grid.events} events of {len(grid.incidents)} incidents reached the grid "
        f"({len(cameras)} camera, {len(buttons)} button), {worker.accepted} accepted, {grid.repeated} repeated")
    if worker.good_clip:
        say(f"clip: {worker.good_clip}; a copy is in {os.path.relpath(CLIP)}")
    if buttons and pressed:
        took = min(grid.arrived[data["incident"]] for data in buttons) - pressed
        say(f"button: at the grid {took * 1000:.0f} ms after it was pressed (mosquitto_pub's start counted in)")
    if buttons:
        case = max(buttons, key=lambda data: len(data.get("steps", [])))
        steps = [f"{step['at'][11:19]} {STEPS_ZH.get(step['step'], step['step'])} {step['by']}"
                 + (f"（{step['department']}）" if "department" in step else "") for step in case.get("steps", [])]
        say(f"case: {case['title']['zh']}: " + " → ".join([f"{case['opened_at'][11:19]} 求助", *steps]))
        if case["stage"] != "closed":
            missing.append(f"the call for help is {case['stage']}, and not closed")
    say(f"data folder {os.path.relpath(DATA)}, gateway log {os.path.relpath(LOG)}")
    if not [data for data in grid.of_kind(False) if data["kind"] == "rain"]:
        missing.append("no rain incident arrived")
    if not [data for data in cameras if not data["kind"].startswith("camera-")]:
        missing.append("no camera incident arrived")
    if not worker.good_clip:
        missing.append(f"no clip that plays arrived{f' ({worker.problem})' if worker.problem else ''}")
    if not buttons:
        missing.append("the button did not arrive")
    return missing


def flight(grid, seconds):
    """Leaves the drone's flight as GeoJSON; gives what is missing, where there was time for it."""
    with grid.lock:
        incidents = json.loads(json.dumps(list(grid.incidents.values())))
    lacking = demo_drone.leave(incidents, FLIGHT)
    if lacking is None:
        say(demo_drone.told(FLIGHT))
    return [lacking] if lacking and seconds >= demo_drone.NEEDED_S else []


def demo(options):
    os.makedirs(WORK, exist_ok=True)
    lock = open(os.path.join(WORK, ".lock"), "w", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Problem(f"another demo runs in {os.path.relpath(WORK)}; stop it first") from None
    for old in (DATA, os.path.join(WORK, "config")):
        shutil.rmtree(old, ignore_errors=True)
    camera = gateway = drone = station = None
    dry = []
    began = ended = time.monotonic()
    try:
        camera = Camera()
        grid = Grid()
        gateway = Gateway(options.gateway, camera.url, grid.url)
        gateway.wait_ready()
        worker = Worker(grid, gateway.base)
        drone = demo_drone.Drone(start, WORK, gateway.drone)
        began = time.monotonic()
        until = None if options.seconds is None else began + options.seconds
        say(f"the gateway watches {camera.url}; events come to {grid.url}; buttons press at 127.0.0.1:{gateway.intake}")
        say(f"evidence opens with: curl -H \"Authorization: Bearer $(cat {os.path.relpath(DATA)}/token)\" -O ADDRESS")
        say("each line without `demo:` is an event as the grid receives it: time, grid, title, [kind, what changed, revision], evidence")
        if options.seconds is None:
            say("it goes on until Ctrl-C")
        with open(os.path.join(DATA, "token"), encoding="ascii") as token:
            say("──────────────────────────────────────────────────────────────")
            say(f"the officers' page: {gateway.base}/ in a browser on this machine")
            say(f"log in with the token: {token.read().strip()}")
            say(f"or make an account of your own there, once and within 15 minutes: code {gateway.first_code()}")
            say("──────────────────────────────────────────────────────────────")
        pressed = None
        try:
            idle(gateway, min(began + PRESS_AFTER_S, until or began + PRESS_AFTER_S))
            say(f"pressing {BUTTON} …")
            pressed = time.monotonic()
            gateway.press(pressed - began)
            station = Station(gateway)
            idle(gateway, until)
        except KeyboardInterrupt:
            print(flush=True)
        ended = time.monotonic()
        wait = time.monotonic() + HTTP_TIMEOUT_S     # what has arrived is looked at before the gateway goes
        while grid.tasks.unfinished_tasks and time.monotonic() < wait:
            time.sleep(0.1)
        if station is not None:
            dry = station.draw(worker)
        took = end(gateway.process)
        missing = summary(grid, worker, pressed, ended - began, dry)
        missing += flight(grid, ended - began)
        if took is None:
            missing.append(f"the gateway did not stop within {STOP_TIMEOUT_S} s")
        if options.seconds is None:
            return 0
        for reason in missing:
            say(f"FAILED: {reason}")
        if missing:
            say(f"the gateway's last words:\n{tail(LOG)}")
        else:
            say("fine: camera, clip, button, rain and drone all arrived" if ended - began >= demo_drone.NEEDED_S
                else "fine: camera, clip, button and rain all arrived")
        return 1 if missing else 0
    finally:
        for child in (station, drone, gateway, camera):
            if child is not None:
                end(child.process)


def main():
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")     # titles are Chinese, whatever the locale
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, help="end by itself after so long, and say whether all arrived")
    parser.add_argument("--gateway", default=os.path.join(TARGET, "debug", "gridpost"), help="the program to run")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.signal(signal.SIGINT, signal.default_int_handler)       # a shell may have it ignored in the background
    try:
        return demo(options)
    except Problem as problem:
        say(f"FAILED: {problem}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
