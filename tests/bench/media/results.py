"""results.py: tables in the form of ../RESULTS.md; `../results.rs` prints the same form for `make bench`.

    results.py [FILE]    says what is wrong with the tables of a page, RESULTS.md if none is named"""
import datetime
import functools
import os
import platform
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", "..", ".."))
FILE = "tests/bench/RESULTS.md"
COLUMNS = ("what", "gridpost", "floor or rival", "ratio", "goal", "met")
CELL_CHARS_MAX = 80     # what a reader takes in at a glance, beside five other cells
EXACT = 1e-6            # what floating point may add to a figure
QUIET_CORES = 0.2       # with less than this in use by others the machine counts as quiet


def row(what, gridpost, rival="", ratio=None, goal="", met=None):
    """One row: a figure, what it is held against, and whether it is good enough. `ratio` is ours over the rival's."""
    said = "" if met is None else "yes" if met else "**no**"
    return what, gridpost, rival, "" if ratio is None else f"{ratio:.2f} ×", goal, said


def at_most(limit, value, unit):
    """The two cells of a goal: `value` is to be `limit` or less."""
    return {"goal": f"≤ {short(limit)} {unit}", "met": value <= limit + EXACT}


def at_least(limit, value, unit):
    return {"goal": f"≥ {short(limit)} {unit}", "met": value >= limit - EXACT}


def short(number):
    """0.33 of a third, 12 of 12.0."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def table(bench, rows):
    """The table of a bench on stdout, and on stderr which one of RESULTS.md it takes the place of."""
    words = [bench, machine_class(), onnx_runtime(), str(datetime.datetime.now(datetime.timezone.utc).date())]
    print("\n### " + " · ".join(words + list(filter(None, [load_of_others()]))) + "\n")
    lines = ["| " + " | ".join(cells) + " |" for cells in (COLUMNS, ("---",) * len(COLUMNS), *rows)]
    print("\n".join(lines), flush=True)
    print(f"bench: {replaces(bench)}", file=sys.stderr, flush=True)
    wrong = problems("\n".join(lines))
    if wrong:                # after it was printed: the figures took minutes
        raise SystemExit("\n".join(wrong))


def replaces(bench):
    """Where the table belongs."""
    same = f"### {bench} · {machine_class()} · "
    with open(os.path.join(ROOT, FILE), encoding="utf-8") as file:
        heading = next((line.strip() for line in file if line.startswith(same)), None)
    if heading:
        return f"this table replaces `{heading}` in {FILE}"
    return f"new in {FILE}: no table there begins with `{same.removesuffix(' · ')}`"


def problems(page):
    """What is wrong with the tables of a page, a sentence each."""
    found, known = [], set()
    for heading in (line for line in page.splitlines() if line.startswith("### ")):
        bench_and_class = tuple(heading.split(" · ")[:2])
        if bench_and_class in known:
            found.append(f"a second table for one bench and one kind of machine: {heading}")
        known.add(bench_and_class)
    for number, line in enumerate(page.splitlines(), 1):
        if not line.startswith("|"):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != len(COLUMNS):
            found.append(f"line {number}: {len(cells)} cells, not {len(COLUMNS)}")
            continue
        found += [f"line {number}: over {CELL_CHARS_MAX} characters: {cell}" for cell in cells if len(cell) > CELL_CHARS_MAX]
        if bool(cells[4]) != bool(cells[5]):
            found.append(f"line {number}: a goal and whether it is met go together")
    return found


def machine_class():
    """Processor, cores, and whether there are instructions for a model in 8 bits."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        said = dict(re.findall(r"^(model name|flags|Features)\s*: (.*)$", file.read(), re.MULTILINE))
    name = said.get("model name", platform.machine()).split(" @")[0].replace("(R)", "").replace("(TM)", "")
    name = " ".join(word for word in name.split() if word not in ("CPU", "Processor") and not word.endswith("-Core"))
    if "Features" in said:
        eight = "dot product" if "asimddp" in said["Features"].split() else "no dot product"
    else:
        eight = "VNNI" if {"avx512_vnni", "avx_vnni"} & set(said.get("flags", "").split()) else "no VNNI"
    return f"{name}, {len(os.sched_getaffinity(0))} cores, {eight}"


def onnx_runtime():
    """The version that `models/fetch` brings."""
    with open(os.path.join(ROOT, "models", "fetch"), encoding="utf-8") as file:
        return "ONNX Runtime " + re.search(r'^ORT_VERSION = "(.+)"', file.read(), re.MULTILINE)[1]


@functools.cache
def load_of_others():
    """How many cores other processes used when this was first asked, before the first bench; empty on a quiet machine."""
    def ticks():
        with open("/proc/stat", encoding="ascii") as file:
            fields = [int(field) for field in file.readline().split()[1:9]]
        return sum(fields) - fields[3] - fields[4], sum(fields)
    before = ticks()
    time.sleep(2)
    after = ticks()
    used = (after[0] - before[0]) / max(after[1] - before[1], 1) * len(os.sched_getaffinity(0))
    return f"others used {used:.1f} cores" if used >= QUIET_CORES else ""


if __name__ == "__main__":
    with open(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, FILE), encoding="utf-8") as page_file:
        sys.exit("\n".join(problems(page_file.read())) or 0)
