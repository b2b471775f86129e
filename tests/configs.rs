//! The shipped examples are fine, and a config with ten mistakes is told all ten at once.

use std::process::Command;

use crate::world::{gridpost, root};

#[test]
fn every_example_passes_check() {
    for name in ["demo", "police-room", "flood-season", "emergency-buttons"] {
        let output = Command::new(env!("CARGO_BIN_EXE_gridpost"))
            .args(["check", "-c", &format!("config/{name}.toml")])
            .current_dir(root())
            .envs([("GATE_PASSWORD", "x"), ("DIKE_PASSWORD", "x"), ("LOWROAD_PASSWORD", "x")])
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{name}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

#[test]
fn ten_mistakes_are_ten_lines_with_place_and_exit_2() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    let text = "[site]\nid = \"x\"\ntimezone = \"Asia/Shanghia\"\ncolor = 1\n[web]\nlisten = \"0.0.0.0:80\"\n[intake]\n[[camera]]\nid = \"a\"\nurl = \"http://x\"\nmask = [[[0, 0], [1, 1]]]\n[[rule]]\nid = \"r\"\nkind = \"intrusoin\"\n[[rule]]\nid = \"r2\"\nkind = \"line\"\ncameras = [\"b\"]\nschedule = [\"Mon\"]\n[[sink]]\nid = \"s\"\nkind = \"htp\"\n[[snik]]\n";
    std::fs::write(&path, text).unwrap();
    let output = gridpost(&["check", "-c", &path.to_string_lossy()]);
    assert_eq!(output.code, 2);
    for (line, part) in [
        (3, "site.timezone"),
        (4, "site.color: unknown key"),
        (6, "web.listen"),
        (10, "camera[1].url: expected rtsp://"),
        (11, "camera[1].mask: polygon 1: 2 points"),
        (14, "rule[1].kind: unknown value `intrusoin`"),
        (18, "rule[2].cameras: no camera is called `b`"),
        (19, "rule[2].schedule: `Mon`"),
        (
            22,
            "sink[1].kind: unknown kind `htp`; known are http, jsonl, mqtt (did you mean `http`?)",
        ),
        (23, "snik: unknown section"),
    ] {
        let place = format!("bad.toml:{line}: error: {part}");
        assert!(output.stdout.contains(&place), "{place}\nnot in\n{}", output.stdout);
    }
}
