//! The Debian package, small: what is in it, what it asks for, whose files are whose, and a unit that systemd takes.
//!
//! Installed, used, upgraded, removed and purged in a clean root: `make prove-deb` (`tests/rig/prove_deb.sh`).

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::world::{root, run};

struct Package {
    _folder: tempfile::TempDir,
    /// As dpkg unpacks it.
    unpacked: PathBuf,
    control: PathBuf,
}

/// Of the binary that is tested, as it is.
fn package() -> Package {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("out");
    let built = run(
        root().join("packaging/deb/build.py"),
        &[
            "--binary",
            env!("CARGO_BIN_EXE_gridpost"),
            "--version",
            "0.1.0~test1",
            "--to",
            &to.display().to_string(),
            "--fast",
        ],
    );
    let file = built.trim();
    assert!(file.ends_with(".deb") && file.contains("gridpost_0.1.0~test1_"), "{built}");
    let (unpacked, control) = (folder.path().join("unpacked"), folder.path().join("control"));
    run("dpkg-deb", &["-x", file, &unpacked.display().to_string()]);
    run("dpkg-deb", &["-e", file, &control.display().to_string()]);
    Package { _folder: folder, unpacked, control }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .permissions()
        .mode()
        & 0o777
}

#[test]
fn the_package_is_whole_its_secrets_are_closed_and_systemd_takes_its_unit() {
    let package = package();
    let file = |name: &str| package.unpacked.join(name);
    for (name, expected) in [
        ("usr/lib/gridpost/versions/0.1.0~test1/gridpost", 0o755),
        ("usr/lib/gridpost/models/catalog.toml", 0o644),
        ("usr/lib/gridpost/models/cache/libonnxruntime.so", 0o644),
        ("lib/systemd/system/gridpost.service", 0o644),
        ("usr/lib/sysusers.d/gridpost.conf", 0o644),
        ("usr/share/gridpost/schema/config.json", 0o644),
        ("usr/share/gridpost/grafana/gridpost.json", 0o644),
        ("usr/share/doc/gridpost/copyright", 0o644),
        ("usr/share/doc/gridpost/examples/police-room.toml", 0o644),
        ("etc/gridpost", 0o750),
        ("etc/gridpost/gridpost.toml", 0o640),
        ("etc/gridpost/buttons.csv", 0o640),
        ("etc/gridpost/grids/community.geojson", 0o640),
    ] {
        assert_eq!(mode(&file(name)), expected, "{name}");
    }
    let link = fs::read_link(file("usr/bin/gridpost")).unwrap();
    assert_eq!(link, Path::new("../lib/gridpost/current/gridpost"));
    let postinst = fs::read_to_string(package.control.join("postinst")).unwrap();
    assert!(postinst.contains("\nnew=versions/0.1.0~test1\n"), "{postinst}");
    let models = fs::read_dir(file("usr/lib/gridpost/models/cache")).unwrap();
    assert!(models.flatten().any(|one| one.path().extension().is_some_and(|ext| ext == "onnx")));

    let control = fs::read_to_string(package.control.join("control")).unwrap();
    let field = |name: &str| {
        let line = control.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in\n{control}")).to_owned()
    };
    assert_eq!(field("Architecture"), run("dpkg", &["--print-architecture"]).trim());
    for needed in ["libc6 (>= ", "libavformat", "libavcodec", "libswscale", "ca-certificates"] {
        assert!(field("Depends").contains(needed), "no {needed} in {}", field("Depends"));
    }
    let conffiles = fs::read_to_string(package.control.join("conffiles")).unwrap();
    let listed: Vec<&str> = conffiles.lines().collect();
    assert_eq!(listed.len(), 3, "{conffiles}");
    for name in listed {
        assert!(file(&name[1..]).is_file(), "{name}");
    }
    for script in ["preinst", "postinst", "prerm", "postrm"] {
        let path = package.control.join(script);
        assert_eq!(mode(&path), 0o755, "{script}");
        run("sh", &["-n", &path.display().to_string()]);
    }

    // Its own configuration starts on any box: nothing is wrong with it where it lies.
    let config = file("etc/gridpost/gridpost.toml").display().to_string();
    let checked = Command::new(file("usr/lib/gridpost/versions/0.1.0~test1/gridpost"))
        .args(["check", "-c", &config])
        .env("GRIDPOST_MODELS", file("usr/lib/gridpost/models"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success() && !said.contains("error"), "{said}");

    let unit = fs::read_to_string(file("lib/systemd/system/gridpost.service")).unwrap();
    assert!(!unit.contains("/usr/local"), "{unit}");
    assert!(unit.contains("ExecStart=/usr/bin/gridpost run -c /etc/gridpost/gridpost.toml"));
    verify(&package.unpacked, &unit, "WatchdogSec=30", "WatchdogSec=thirty");
    for (name, right, nearly) in [
        ("gridpost-update.service", "Type=oneshot", "Type=twoshot"),
        ("gridpost-update.timer", "OnUnitActiveSec=1min", "OnUnitActiveSec=1mon7"),
    ] {
        let unit = fs::read_to_string(file(&format!("lib/systemd/system/{name}"))).unwrap();
        assert!(unit.contains(right), "{unit}");
        if name.ends_with("service") {
            verify(&package.unpacked, &unit, right, nearly);
        }
    }
}

/// By `systemd-analyze verify`, with the programs that it names in the folder that was unpacked.
fn verify(unpacked: &Path, unit: &str, right: &str, nearly: &str) {
    let here = unpacked.join("here");
    fs::create_dir_all(&here).unwrap();
    let with = |text: &str| {
        let path = here.join("gridpost.service");
        let binary = unpacked.join("usr/lib/gridpost/versions/0.1.0~test1/gridpost");
        fs::write(&path, text.replace("/usr/bin/gridpost", &binary.display().to_string())).unwrap();
        Command::new("systemd-analyze").arg("verify").arg(&path).output().unwrap()
    };
    let told = |done: &std::process::Output| {
        let text = String::from_utf8_lossy(&done.stderr).into_owned();
        text.lines().filter(|line| line.contains("gridpost")).collect::<Vec<_>>().join("\n")
    };
    let fine = with(unit);
    assert_eq!(told(&fine), "", "systemd has something to say of the unit");
    let nearly = with(&unit.replace(right, nearly));
    assert!(!told(&nearly).is_empty(), "a fault in it is not seen: {}", told(&nearly));
}

#[test]
fn what_is_no_package_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text");
    fs::write(&text, "no program").unwrap();
    let refused = |binary: &str, version: &str| {
        let done = Command::new(root().join("packaging/deb/build.py"))
            .args(["--binary", binary, "--version", version, "--fast", "--to"])
            .arg(folder.path())
            .output()
            .unwrap();
        assert!(!done.status.success(), "{binary} {version}");
        String::from_utf8_lossy(&done.stderr).into_owned()
    };
    assert!(refused(&text.display().to_string(), "0.1.0").contains("deb: "));
    let version = refused(env!("CARGO_BIN_EXE_gridpost"), "v0.1");
    assert!(version.contains("expected a Debian version"), "{version}");
    let left: Vec<_> =
        fs::read_dir(&folder).unwrap().flatten().map(|one| one.file_name()).collect();
    assert_eq!(left, ["text"], "what was begun is gone");
}
