"""The programs that models/fetch calls: with a bound on their time, and the converter's own Python environment."""
import os
import subprocess
import sys
import tempfile
import time

from places import SAY_EVERY_S, Problem, digest, say

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(HERE, "cache")
STEP_TIMEOUT_S = 900       # 17 MB over 20 kB/s; npm and pip have shorter time-outs of their own for a dead line


def run(what, command, advice, cwd=None):
    """Runs a command, says every few seconds that it still runs, and turns a failure into one sentence."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        except OSError as error:
            raise Problem(f"cannot {what}: {command[0]} does not start ({error.strerror}); {advice}") from None
        try:
            while True:
                try:
                    code = process.wait(SAY_EVERY_S)
                    break
                except subprocess.TimeoutExpired:
                    spent = time.monotonic() - started
                    if spent > STEP_TIMEOUT_S:
                        raise Problem(f"cannot {what}: not done after {STEP_TIMEOUT_S} s; {advice}") from None
                    say(f"  … still working ({spent:.0f} s)")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if code:
            output.seek(0)
            lines = [line.strip() for line in output.read().decode(errors="replace").splitlines() if line.strip()]
            errors = [line for line in lines if "error" in line.lower() and "A complete log" not in line]
            reason = (errors or lines or [f"exit status {code}"])[0]
            raise Problem(f"cannot {what}: {reason[:300]}; {advice}")


def any_pip():
    """A Python that has pip: this one, or else that of the converter's environment."""
    here = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False)
    return sys.executable if here.returncode == 0 else environment()


def environment():
    """The converter's own environment, made if it is missing or does not start."""
    folder = os.path.join(CACHE, "venv")
    python = os.path.join(folder, "bin", "python")
    if not (os.path.exists(python) and subprocess.run([python, "-m", "pip", "--version"], capture_output=True,
                                                      check=False).returncode == 0):
        run("make a Python environment", [sys.executable, "-m", "venv", "--clear", folder],
            "install Python's venv module (`make setup` does) and run this again")
    return python


def converter():
    """The environment's Python, with the pinned packages."""
    python = environment()
    wanted = os.path.join(HERE, "requirements.txt")
    stamp = os.path.join(CACHE, "venv", "requirements.sha256")
    if not (os.path.exists(stamp) and open(stamp, encoding="ascii").read() == digest(wanted).hex()):
        say("the converter's packages: installing onnx and numpy (about 40 MB)")
        run("install onnx and numpy", [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                                       "--no-deps", "--only-binary=:all:", "--requirement", wanted],
            "check that pip reaches its package index, then run this again")
        with open(stamp, "w", encoding="ascii") as file:
            file.write(digest(wanted).hex())
    return python
