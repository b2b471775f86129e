#!/usr/bin/env python3
"""packaging/deb/build.py --binary FILE --version VERSION --to FOLDER: gridpost as a Debian package, by dpkg-deb.

Binary, officers' page (it is in the binary), models, ONNX Runtime, example configuration and hardened unit. What the
binary is linked with becomes `Depends`, in the version that stands here: build it on the Debian release that it is for.
"""
import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
ARCHITECTURES = {"x86-64": "amd64", "AArch64": "arm64"}
# name, mode, of /etc/gridpost: a person changes them, and an upgrade leaves them.
CONFIG = [("packaging/deb/gridpost.toml", "gridpost.toml"), ("config/buttons.csv", "buttons.csv"),
          ("config/grids/community.geojson", "grids/community.geojson")]
EXAMPLES = ["buttons.csv", "calendar.csv", "demo.toml", "duty.csv", "emergency-buttons.toml", "flood-season.toml",
            "police-room.toml", "presence.toml", "routing.csv", "vehicles.csv", "vehicles.toml"]


class Wrong(Exception):
    pass


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if done.returncode:
        raise Wrong(f"{' '.join(command[:2])}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def architecture(binary):
    head = run("readelf", "-h", binary)
    for name, debian in ARCHITECTURES.items():
        if re.search(rf"Machine:.*{name}", head, re.IGNORECASE):
            return debian
    raise Wrong(f"{binary}: neither x86-64 nor arm64")


def depends(binary, native):
    """The packages of its libraries. For another processor they are named without a version: it is not known here."""
    needed = re.findall(r"\(NEEDED\).*\[(.+?)\]", run("readelf", "-d", binary))
    known = dict(re.findall(r"^\s+(\S+) \(.*\) => (\S+)$", run("ldconfig", "-p", env={**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"}), re.MULTILINE))
    found = {}
    for library in needed:
        if library.startswith("ld-linux"):
            continue
        path = known.get(library)
        if path is None:
            raise Wrong(f"{library}: of which package? Install the libraries of the binary on this machine")
        owner = None
        for candidate in (path, os.path.realpath(path), path.replace("/lib/", "/usr/lib/", 1)):
            asked = subprocess.run(["dpkg", "-S", candidate], capture_output=True, text=True, check=False)
            if asked.returncode == 0:
                owner = asked.stdout.split(":")[0]
                break
        if owner is None:
            raise Wrong(f"{path} is of no package")
        # The name says what it is compatible with; a box whose point release is an older one will do.
        version = ".".join(run("dpkg-query", "-W", "-f", "${Version}", owner).split("-")[0].split(".")[:2])
        found[owner] = f"{owner} (>= {version})" if native else owner
    return ", ".join(sorted(found.values()) + ["ca-certificates", "systemd (>= 247) | systemd-standalone-sysusers"])


def put(root, source, target, mode=0o644):
    path = os.path.join(root, target)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    shutil.copyfile(source if os.path.isabs(source) else os.path.join(REPOSITORY, source), path)
    os.chmod(path, mode)
    return path


def write(root, target, text, mode=0o644):
    path = os.path.join(root, target)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


def unit():
    """The unit of the guide, with the places of a package."""
    with open(os.path.join(REPOSITORY, "config", "gridpost.service"), encoding="utf-8") as file:
        text = file.read()
    for old, new in (("/usr/local/bin/gridpost", "/usr/bin/gridpost"),
                     ("/usr/local/share/gridpost/models", "/usr/lib/gridpost/models")):
        if old not in text:
            raise Wrong(f"config/gridpost.service has no {old}")
        text = text.replace(old, new)
    return text


def program(version):
    return f"usr/lib/gridpost/versions/{version}/gridpost"


def fill(root, options):
    # A folder a version: `gridpost update` puts others beside it, preinst keeps the old one, and postinst sets `current`.
    binary = put(root, os.path.abspath(options.binary), program(options.version), 0o755)
    os.makedirs(os.path.join(root, "usr/bin"))
    os.symlink("../lib/gridpost/current/gridpost", os.path.join(root, "usr/bin/gridpost"))
    if options.strip:
        run(options.strip, "--strip-debug", binary)
    for source, name in CONFIG:
        put(root, source, f"etc/gridpost/{name}", 0o640)
    for folder in ("etc/gridpost", "etc/gridpost/grids"):
        os.chmod(os.path.join(root, folder), 0o750)
    write(root, "lib/systemd/system/gridpost.service", unit())
    for name in ("gridpost-update.service", "gridpost-update.timer"):
        put(root, f"config/{name}", f"lib/systemd/system/{name}")
    put(root, "packaging/deb/sysusers.conf", "usr/lib/sysusers.d/gridpost.conf")
    put(root, "models/catalog.toml", "usr/lib/gridpost/models/catalog.toml")
    cache = os.path.join(REPOSITORY, "models", "cache")
    kept = [name for name in sorted(os.listdir(cache)) if ".onnx" in name or name.startswith("libonnxruntime.so")] if os.path.isdir(cache) else []
    if not any(name.endswith(".onnx") for name in kept) or "libonnxruntime.so" not in kept:
        raise Wrong("models/cache has no model or no libonnxruntime.so: run `make models`")
    if architecture(os.path.join(cache, "libonnxruntime.so")) != architecture(binary):
        raise Wrong("models/cache/libonnxruntime.so is of another processor than the binary")
    for name in kept:
        put(root, os.path.join(cache, name), f"usr/lib/gridpost/models/cache/{name}")
    for name in EXAMPLES:
        put(root, f"config/{name}", f"usr/share/doc/gridpost/examples/{name}")
    for name in ("chengguan.toml", "codes.csv", "docking.toml", "pinyin.toml"):
        put(root, f"config/profiles/{name}", f"usr/share/doc/gridpost/examples/profiles/{name}")
    for name in ("config.json", "event.v1.json"):
        put(root, f"config/schema/{name}", f"usr/share/gridpost/schema/{name}")
    put(root, "config/grafana/gridpost.json", "usr/share/gridpost/grafana/gridpost.json")
    put(root, "packaging/deb/copyright", "usr/share/doc/gridpost/copyright")
    put(root, "LICENSE-MIT", "usr/share/doc/gridpost/LICENSE-MIT")
    with open(os.path.join(REPOSITORY, "CHANGELOG.md"), "rb") as file:
        packed = gzip.compress(file.read(), mtime=0)
    path = os.path.join(root, "usr/share/doc/gridpost/changelog.gz")
    with open(path, "wb") as file:
        file.write(packed)


def control(root, options):
    binary = os.path.join(root, program(options.version))
    debian = architecture(binary)
    native = run("dpkg", "--print-architecture").strip() == debian
    kib = sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(root)
              for name in names if not os.path.islink(os.path.join(folder, name))) // 1024
    write(root, "DEBIAN/control", f"""Package: gridpost
Version: {options.version}
Architecture: {debian}
Maintainer: gridpost <gridpost@localhost>
Installed-Size: {kib}
Depends: {depends(binary, native)}
Recommends: systemd-timesyncd | time-daemon
Section: net
Priority: optional
Description: edge gateway of a community police room
 Watches cameras and drones, answers emergency buttons, reads rain and water
 gauges, decides on the spot what is an incident, and delivers each one to the
 city's grid event platform. Loses nothing.
""")
    write(root, "DEBIAN/conffiles", "".join(f"/etc/gridpost/{name}\n" for _, name in CONFIG))
    for name in ("preinst", "postinst", "prerm", "postrm"):
        with open(os.path.join(HERE, name), encoding="utf-8") as file:
            write(root, f"DEBIAN/{name}", file.read().replace("@VERSION@", options.version), 0o755)
    return debian


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--to", required=True, help="folder in which the package is left")
    parser.add_argument("--strip", default="strip", help="of the binary's processor; empty: as it is")
    parser.add_argument("--fast", action="store_true", help="hardly compressed, for tests")
    options = parser.parse_args()
    if not re.fullmatch(r"[0-9][A-Za-z0-9.+~]*(-[A-Za-z0-9.+~]+)?", options.version):
        raise Wrong(f"--version {options.version}: expected a Debian version, e.g. 0.1.0-1")
    os.makedirs(options.to, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.to) as root:
        os.chmod(root, 0o755)
        os.umask(0o022)
        fill(root, options)
        debian = control(root, options)
        package = os.path.join(options.to, f"gridpost_{options.version}_{debian}.deb")
        compress = ["-Zgzip", "-z1"] if options.fast else ["-Zxz", "-z6"]
        run("dpkg-deb", "--root-owner-group", *compress, "--build", root, package)
    print(package)


if __name__ == "__main__":
    try:
        main()
    except (Wrong, OSError) as error:
        sys.exit(f"deb: {error}")
