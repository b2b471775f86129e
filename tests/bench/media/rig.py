"""rig.py: what the parts of the bench share: processes and their processor time, the RTSP server, the gateway."""
import datetime
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", "..", ".."))
TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR") or os.path.join(ROOT, "target"))
MODELS = os.environ.get("GRIDPOST_MODELS") or os.path.join(ROOT, "models")
BINARY = os.environ.get("GRIDPOST_BENCH_BINARY") or os.path.join(TARGET, "release", "gridpost")
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
# The threads of the gateway that run the model; what they use is "detection", and nothing else is.
DETECTION_THREADS = ("vision",)
SAMPLE_S = 0.5


class Missing(Exception):
    """Something the bench needs is not here; one sentence with what to do."""


def processes():
    """pid -> (parent, ticks used with children that were waited for, resident pages), of all that run."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="latin-1") as file:
                    fields = file.read().rsplit(") ", 1)[1].split()
                found[int(name)] = (int(fields[1]), sum(int(n) for n in fields[11:15]), int(fields[21]))
            except (OSError, IndexError, ValueError):
                pass
    return found


def tree(root, found):
    kept, grows = {root}, True
    while grows:
        more = {pid for pid, (parent, _, _) in found.items() if parent in kept and pid not in kept}
        grows = bool(more)
        kept |= more
    return [found[pid] for pid in kept if pid in found]


def threads(pid):
    """Seconds used by the threads of a process, by name; those that have ended are not in it."""
    used = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{tid}/stat", encoding="latin-1") as file:
                before, fields = file.read().rsplit(") ", 1)
        except OSError:
            continue
        name = before.split("(", 1)[1]
        used[name] = used.get(name, 0) + sum(int(n) for n in fields.split()[11:13]) / TICKS
    return used


class Contestant:
    """A command and what it costs."""

    def __init__(self, label, command, env=None, cwd=None):
        self.label, self.peak, self.base, self.last = label, 0, None, None
        self.threads_base, self.threads_last, self.said = {}, {}, ""
        self.started = time.time()
        self.output = tempfile.TemporaryFile()       # pylint: disable=consider-using-with
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output,
                                        start_new_session=True, cwd=cwd, env={**os.environ, **(env or {})})

    def sample(self, found):
        if self.process.poll() is not None:
            return
        rows = tree(self.process.pid, found)
        self.last = (sum(row[1] for row in rows) / TICKS, time.monotonic())
        self.peak = max(self.peak, sum(row[2] for row in rows) * PAGE / 2**20)
        try:
            self.threads_last = threads(self.process.pid)
        except OSError:
            pass

    def begin(self):
        self.base, self.threads_base = self.last, dict(self.threads_last)

    def percent(self):
        """Of one core, over the window."""
        if not self.base or not self.last or self.last[1] <= self.base[1]:
            return float("nan")
        return 100 * (self.last[0] - self.base[0]) / (self.last[1] - self.base[1])

    def by_thread(self):
        """Percent of one core by name of thread, most first; numbers at the end of names are one."""
        if not self.base or not self.last:
            return {}
        span, shares = self.last[1] - self.base[1], {}
        for name, used in self.threads_last.items():
            group = name.split("-")[0].rstrip("0123456789")
            shares[group] = shares.get(group, 0) + 100 * (used - self.threads_base.get(name, 0)) / span
        return dict(sorted(shares.items(), key=lambda item: -item[1]))

    def detection(self):
        return sum(share for name, share in self.by_thread().items() if name in DETECTION_THREADS)

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.output.seek(0)
        self.said = self.output.read().decode(errors="replace")

    def ended_early(self):
        return self.process.poll() is not None


def watch(contestants, warmup_s, seconds, on_sample=None):
    """Lets them run, and takes the window after the warm-up."""
    began, based = time.monotonic(), False
    while (now := time.monotonic() - began) < warmup_s + seconds:
        time.sleep(SAMPLE_S)
        found = processes()
        for one in contestants:
            one.sample(found)
        if not based and now >= warmup_s:
            based = True
            for one in contestants:
                one.begin()
        if on_sample:
            on_sample()


class Server:
    """tests/rig/rtsp_serve.py with these mounts: {name: FILE or FILE@SECONDS}. `on_the_clock`: two mounts of one scene
    show the same at the same time, whoever comes to them when."""

    def __init__(self, mounts, on_the_clock=False):
        self.turns = {}              # name -> wall clock of the first frame of each turn
        self.process = subprocess.Popen(
            ["/usr/bin/python3", os.path.join(ROOT, "tests/rig/rtsp_serve.py"), "--tell",
             *(["--clock", str(time.time())] if on_the_clock else []),
             *(f"{name}={value}" for name, value in mounts.items())],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.urls = {}
        for line in self.process.stdout:
            if line.strip() == "READY":
                break
            self.urls[line.strip().rsplit("/", 1)[1]] = line.strip()
        if len(self.urls) != len(mounts):
            raise Missing("the RTSP server did not start; `make setup` installs what it needs")
        threading.Thread(target=self.listen, daemon=True).start()
        self.peak = self.used = 0
        self.label, self.base, self.last = "RTSP server", None, None

    def listen(self):
        for line in self.process.stdout:
            # Two streams that turn at one moment may write into one line of the pipe: then both are lost, not the bench.
            match line.split():
                case ["TURN", name, wall] if wall.replace(".", "", 1).isdigit():
                    self.turns.setdefault(name, []).append(float(wall))

    def sample(self, found):
        rows = tree(self.process.pid, found)
        self.last = (sum(row[1] for row in rows) / TICKS, time.monotonic())

    def begin(self):
        self.base = self.last

    percent = Contestant.percent

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def knows(key):
    """Whether the measured binary has this key of [[camera]]."""
    if not hasattr(knows, "schema"):
        try:
            knows.schema = subprocess.run([BINARY, "schema", "config"], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            raise Missing(f"{BINARY} does not run; `cargo build --release` makes it") from None
    return f'"{key}"' in knows.schema


def config_of(cameras, more="", sink=True):
    """`cameras`: id -> {key: value}; keys that the binary does not have yet are left out."""
    lines = ['[site]', 'id = "bench"', 'timezone = "Asia/Shanghai"', '[data]', 'path = "data"', '[web]',
             'listen = "127.0.0.1:0"', more, '[[rule]]', 'id = "walkers"', 'kind = "intrusion"', 'labels = ["person"]',
             'min_score = 0.5', 'clear_s = 2', 'cooldown_s = 0']
    if sink:
        lines += ['[[sink]]', 'id = "file"', 'kind = "jsonl"', 'path = "events.jsonl"']
    for name, keys in cameras.items():
        lines += ["[[camera]]", f'id = "{name}"']
        lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items() if knows(key)]
    return "\n".join(lines) + "\n"


class Gateway(Contestant):
    """The release binary with a folder of its own."""

    def __init__(self, label, cameras, more="", env=None):
        self.folder = tempfile.TemporaryDirectory(prefix="gridpost-bench-")  # pylint: disable=consider-using-with
        with open(os.path.join(self.folder.name, "gridpost.toml"), "w", encoding="utf-8") as file:
            file.write(config_of(cameras, more))
        self.events_path = os.path.join(self.folder.name, "events.jsonl")
        self.arrived, self.position = [], 0          # (wall clock, event)
        self.metrics_base = {}
        super().__init__(label, [BINARY, "run", "-c", "gridpost.toml"], cwd=self.folder.name,
                         env={"GRIDPOST_MODELS": MODELS, "RUST_LOG": "warn", **(env or {})})

    def begin(self):
        super().begin()
        self.metrics_base = self.metrics()

    def metrics(self):
        """Name with labels -> value; empty if it does not answer."""
        try:
            with open(os.path.join(self.folder.name, "data/run.json"), encoding="utf-8") as file:
                web = json.load(file)["web"]
            with urllib.request.urlopen(f"http://{web}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except (OSError, ValueError, KeyError):
            return {}
        pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def total(self, name, since_begin=False):
        """Sum over all labels."""
        def of(metrics):
            return sum(value for key, value in metrics.items() if key == name or key.startswith(name + "{"))
        return of(self.metrics()) - (of(self.metrics_base) if since_begin else 0)

    def read_events(self):
        """Takes what has been written since; a whole line is an event that is on disk."""
        try:
            with open(self.events_path, "rb") as file:
                file.seek(self.position)
                data = file.read()
        except OSError:
            return
        now, end = time.time(), data.rfind(b"\n") + 1
        self.position += end
        self.arrived += [(now, json.loads(line)) for line in data[:end].splitlines() if line.strip()]


def tell(text):
    """What stands behind the tables goes to stderr: stdout holds them alone, as RESULTS.md does."""
    print(text, file=sys.stderr, flush=True)


def tell_table(title, head, rows):
    tell(f"\n{title}\n\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        tell("| " + " | ".join(str(cell) for cell in row) + " |")


def seconds_of(stamp):
    """Of an RFC 3339 time."""
    return datetime.datetime.fromisoformat(stamp).timestamp()


def share(values, part):
    """The value below which this part of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(part * 1000) * len(ordered) // 1000) - 1))] if ordered else float("nan")
