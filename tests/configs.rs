//! The shipped examples are fine, and a config with ten mistakes is told all ten at once.

use std::process::Command;

use sha2::{Digest, Sha256};

use crate::world::{gridpost, root, street};

#[test]
fn every_example_passes_check() {
    for name in ["demo", "police-room", "flood-season", "emergency-buttons"] {
        let output = Command::new(env!("CARGO_BIN_EXE_gridpost"))
            .args(["check", "-c", &format!("config/{name}.toml")])
            .current_dir(root())
            .envs([("GATE_PASSWORD", "x"), ("DIKE_PASSWORD", "x"), ("LOWROAD_PASSWORD", "x")])
            .env("UAV_KEY", "0123456789")
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
        (18, "rule[2].cameras: no camera or drone is called `b`"),
        (19, "rule[2].schedule: `Mon`"),
        (
            22,
            "sink[1].kind: unknown kind `htp`; known are answer, http, jsonl, mqtt, webhook (did you mean `http`?)",
        ),
        (23, "snik: unknown section"),
    ] {
        let place = format!("bad.toml:{line}: error: {part}");
        assert!(output.stdout.contains(&place), "{place}\nnot in\n{}", output.stdout);
    }
}

#[test]
fn a_label_that_the_model_does_not_know_and_a_model_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    let text = "[site]\nid = \"x\"\n[[rule]]\nid = \"r\"\nkind = \"intrusion\"\nlabels = [\"person\", \"persn\"]\nmin_size = 0.3\nmax_size = 0.2\n";
    std::fs::write(&path, text).unwrap();
    let output = gridpost(&["check", "-c", &path.to_string_lossy()]);
    assert_eq!(output.code, 2);
    for said in [
        "a.toml:6: error: rule[1].labels: the model does not know `persn` (did you mean `person`?)",
        "a.toml:8: error: rule[1].max_size: 0.2 is less than min_size 0.3",
    ] {
        assert!(output.stdout.contains(said), "{said}\nnot in\n{}", output.stdout);
    }
    std::fs::write(&path, "[site]\nid = \"x\"\n[model]\nname = \"yolo9000\"\n").unwrap();
    let output = gridpost(&["check", "-c", &path.to_string_lossy()]);
    assert_eq!(output.code, 2);
    let said = "a.toml:4: error: model.name: no model is called \"yolo9000\"; the catalogue has";
    assert!(output.stdout.contains(said), "{}", output.stdout);
}

/// The platform team builds on these files; a change of a type must show in them.
#[test]
fn the_schemas_in_the_tree_are_those_of_the_types() {
    for (which, file) in
        [("event", "config/schema/event.v1.json"), ("config", "config/schema/config.json")]
    {
        let output = gridpost(&["schema", which]);
        assert_eq!(output.code, 0, "{}", output.stderr);
        let kept = std::fs::read_to_string(root().join(file)).unwrap_or_default();
        assert!(kept == output.stdout, "{file} is not current; `make schema` writes it anew");
    }
}

/// A wrong library or model is one clear sentence and exit 2 wherever somebody waits for pictures.
#[test]
fn models_verify_and_watch_refuse_what_they_cannot_see_with() {
    let models = tempfile::tempdir().unwrap();
    let here = root().join("models");
    std::fs::copy(here.join("catalog.toml"), models.path().join("catalog.toml")).unwrap();
    let cache = models.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    let clip = street("h264").display().to_string();
    let refused = |part: &str| {
        for args in [&["models", "verify"][..], &["watch", &clip]] {
            let output = Command::new(env!("CARGO_BIN_EXE_gridpost"))
                .args(args)
                .env("GRIDPOST_MODELS", models.path())
                .current_dir(models.path())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
            assert!(said.contains(part), "{args:?}: {part} not in {said}");
            assert!(!said.contains("panicked"), "{said}");
        }
    };
    refused("is not there");
    let model = "ssd_mobilenet_v2_coco.onnx";
    std::fs::write(cache.join(model), "not a model").unwrap();
    refused("is not what the catalogue says");
    std::fs::copy(here.join("cache").join(model), cache.join(model)).unwrap();
    refused("libonnxruntime.so");
    std::fs::write(cache.join("libonnxruntime.so"), "not a library").unwrap();
    refused("libonnxruntime.so");
    // By the catalogue's hash it is the right file; ONNX Runtime says what it is.
    std::fs::copy(here.join("cache/libonnxruntime.so"), cache.join("libonnxruntime.so")).unwrap();
    std::fs::write(cache.join(model), "not a model").unwrap();
    let text = std::fs::read_to_string(here.join("catalog.toml")).unwrap();
    let entry = text.find(model).unwrap();
    let at = entry + text[entry..].find("sha256 = \"").unwrap() + 10;
    let hash: String =
        Sha256::digest(b"not a model").iter().map(|byte| format!("{byte:02x}")).collect();
    let told = format!("{}{hash}{}", &text[..at], &text[at + 64..]);
    std::fs::write(models.path().join("catalog.toml"), told).unwrap();
    refused("ssd_mobilenet_v2");
}
