//! The shipped examples are fine, and a config with ten mistakes is told all ten at once.

use crate::world::{check, gridpost, gridpost_command, output, root, sha256, street};

#[test]
fn every_example_passes_check() {
    for name in ["demo", "police-room", "flood-season", "emergency-buttons", "presence", "vehicles"]
    {
        let mut command = gridpost_command(&["check", "-c", &format!("config/{name}.toml")]);
        command
            .envs([("GATE_PASSWORD", "x"), ("DIKE_PASSWORD", "x"), ("LOWROAD_PASSWORD", "x")])
            .env("UAV_KEY", "0123456789");
        let output = output(command);
        assert_eq!(output.code, 0, "{name}: {}", output.stdout);
    }
}

#[test]
fn ten_mistakes_are_ten_lines_with_place_and_exit_2() {
    let checked = check(
        r#"[site]
id = "x"
timezone = "Asia/Shanghia"
color = 1
[web]
listen = "0.0.0.0:80"
[intake]
[[camera]]
id = "a"
url = "http://x"
mask = [[[0, 0], [1, 1]]]
[[rule]]
id = "r"
kind = "intrusoin"
[[rule]]
id = "r2"
kind = "line"
cameras = ["b"]
schedule = ["Mon"]
[[sink]]
id = "s"
kind = "htp"
[[snik]]
"#,
    );
    let places = [
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
            "sink[1].kind: unknown kind `htp`; known are answer, http, jsonl, mqtt, profile, webhook (did you mean `http`?)",
        ),
        (23, "snik: unknown section"),
    ];
    checked.must_say(2, places.map(|(line, part)| format!("gridpost.toml:{line}: error: {part}")));
}

#[test]
fn a_label_that_the_model_does_not_know_and_a_model_that_is_none() {
    let checked = check(
        r#"[site]
id = "x"
[[rule]]
id = "r"
kind = "intrusion"
labels = ["person", "persn"]
min_size = 0.3
max_size = 0.2
"#,
    );
    let parts = [
        "gridpost.toml:6: error: rule[1].labels: the model does not know `persn` (did you mean `person`?)",
        "gridpost.toml:8: error: rule[1].max_size: 0.2 is less than min_size 0.3",
    ];
    checked.must_say(2, parts);
    let checked = check(
        r#"[site]
id = "x"
[model]
name = "yolo9000"
"#,
    );
    let part =
        "gridpost.toml:4: error: model.name: no model is called \"yolo9000\"; the catalogue has";
    checked.must_say(2, [part]);
}

/// The platform team builds on these files; a change of a type must show in them.
#[test]
fn the_schemas_in_the_tree_are_those_of_the_types() {
    for (which, file) in [
        ("event", "config/schema/event.v1.json"),
        ("config", "config/schema/config.json"),
        ("api", "config/schema/api.json"),
    ] {
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
            let mut command = gridpost_command(args);
            command.env("GRIDPOST_MODELS", models.path()).current_dir(models.path());
            let output = output(command);
            let said = output.stderr;
            assert_eq!(output.code, 2, "{args:?}: {said}");
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
    let hash = sha256(b"not a model");
    let told = format!("{}{hash}{}", &text[..at], &text[at + 64..]);
    std::fs::write(models.path().join("catalog.toml"), told).unwrap();
    refused("ssd_mobilenet_v2");
}
