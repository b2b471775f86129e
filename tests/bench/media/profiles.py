"""profiles.py: where the processor time of an idle and of a busy camera goes, by thread, library and function.

It has no table in RESULTS.md: what it says goes to stderr, for whoever looks for time to save."""
import os
import shutil
import subprocess
import tempfile

import costs
import material
from rig import Gateway, Server, tell, watch


def run(seconds):
    for name in ("idle", "busy"):
        server = Server({"main": material.build(name)})
        gateway = Gateway(name, {"camera": {"url": server.urls["main"]}})
        try:
            with tempfile.TemporaryDirectory() as folder:
                data = os.path.join(folder, "perf.data")
                perf = watched(gateway, seconds or 60, data)
                tell(f"\nProfile of {name}: {gateway.percent():.2f} % of a core\n")
                tell("by thread: " + ", ".join(f"{who} {part:.2f}" for who, part in gateway.by_thread().items()))
                tell("by its own metrics: " + costs.engine(gateway))
                if perf:
                    perf.wait()
                    report(data)
                else:
                    tell("perf is not here (`tests/rig/setup.sh bench` installs it): by thread is all there is")
        finally:
            gateway.stop()
            server.stop()


def watched(gateway, window, data):
    """The window, and the `perf` that recorded it if there is one."""
    perf = None

    def record():
        nonlocal perf
        if perf is None and gateway.base and shutil.which("perf"):
            perf = subprocess.Popen(["perf", "record", "-q", "-F", "499", "-g", "-o", data, "-p",
                                     str(gateway.process.pid), "--", "sleep", str(window)],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    watch([gateway], costs.WARMUP_S, window, record)
    return perf


def report(data):
    for keys, least in (("comm,dso", "1"), ("comm,dso,symbol", "1.5")):
        said = subprocess.run(["perf", "report", "-i", data, "--stdio", "--no-children", "-g", "none",
                               "--percent-limit", least, "--sort", keys],
                              capture_output=True, text=True, check=False).stdout
        tell("\n" + "\n".join(line.split("  -  ")[0].rstrip() for line in said.splitlines()
                              if line.strip() and not line.startswith("#")))
