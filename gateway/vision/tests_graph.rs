//! Each head on a tiny ONNX graph through the real ONNX Runtime: by a catalogue entry alone, to known boxes.

use std::path::{Path, PathBuf};

use prost::Message;
use sha2::{Digest, Sha256};

use super::{Catalog, Detector};
use crate::domain::Picture;

/// The few messages of onnx.proto (field numbers from the ONNX IR specification) that these need.
mod onnx {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Model {
        #[prost(int64, tag = "1")]
        pub(super) ir_version: i64,
        #[prost(message, repeated, tag = "8")]
        pub(super) opset: Vec<Opset>,
        #[prost(message, optional, tag = "7")]
        pub(super) graph: Option<Graph>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Opset {
        #[prost(int64, tag = "2")]
        pub(super) version: i64,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Graph {
        #[prost(message, repeated, tag = "1")]
        pub(super) node: Vec<Node>,
        #[prost(string, tag = "2")]
        pub(super) name: String,
        #[prost(message, repeated, tag = "5")]
        pub(super) initializer: Vec<Tensor>,
        #[prost(message, repeated, tag = "11")]
        pub(super) input: Vec<Value>,
        #[prost(message, repeated, tag = "12")]
        pub(super) output: Vec<Value>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Node {
        #[prost(string, repeated, tag = "1")]
        pub(super) input: Vec<String>,
        #[prost(string, repeated, tag = "2")]
        pub(super) output: Vec<String>,
        #[prost(string, tag = "4")]
        pub(super) op: String,
        #[prost(message, repeated, tag = "5")]
        pub(super) attribute: Vec<Attribute>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Attribute {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(int64, tag = "3")]
        pub(super) i: i64,
        #[prost(int32, tag = "20")]
        pub(super) kind: i32,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Tensor {
        #[prost(int64, repeated, tag = "1")]
        pub(super) dims: Vec<i64>,
        #[prost(int32, tag = "2")]
        pub(super) data_type: i32,
        #[prost(float, repeated, tag = "4")]
        pub(super) data: Vec<f32>,
        #[prost(string, tag = "8")]
        pub(super) name: String,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Value {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(message, optional, tag = "2")]
        pub(super) kind: Option<Kind>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Kind {
        #[prost(message, optional, tag = "1")]
        pub(super) tensor: Option<TensorKind>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct TensorKind {
        #[prost(int32, tag = "1")]
        pub(super) element: i32,
        #[prost(message, optional, tag = "2")]
        pub(super) shape: Option<Shape>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Shape {
        #[prost(message, repeated, tag = "1")]
        pub(super) dim: Vec<Dim>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Dim {
        #[prost(int64, tag = "1")]
        pub(super) value: i64,
    }
}

const FLOAT: i32 = 1;
/// Side of the square input.
const SIDE: i64 = 64;

fn value(name: &str, dims: &[i64]) -> onnx::Value {
    let dim = dims.iter().map(|value| onnx::Dim { value: *value }).collect();
    let tensor = onnx::TensorKind { element: FLOAT, shape: Some(onnx::Shape { dim }) };
    onnx::Value { name: name.into(), kind: Some(onnx::Kind { tensor: Some(tensor) }) }
}

fn node(op: &str, input: &[&str], output: &str, attribute: Vec<onnx::Attribute>) -> onnx::Node {
    let input = input.iter().map(|name| (*name).to_owned()).collect();
    onnx::Node { input, output: vec![output.into()], op: op.into(), attribute }
}

/// A graph whose outputs are these numbers times the brightest value of the picture: with a
/// white picture and std 255 the numbers themselves, and proof that the picture went in.
fn graph(outputs: &[(&str, &[i64], Vec<f32>)]) -> Vec<u8> {
    let keep = onnx::Attribute { name: "keepdims".into(), i: 0, kind: 2 };
    let mut node_list = vec![node("ReduceMax", &["images"], "brightest", vec![keep])];
    let mut graph = onnx::Graph { name: "tiny".into(), ..Default::default() };
    graph.input.push(value("images", &[1, 3, SIDE, SIDE]));
    for (name, dims, data) in outputs {
        let constant = format!("{name}_constant");
        node_list.push(node("Mul", &[&constant, "brightest"], name, Vec::new()));
        graph.output.push(value(name, dims));
        let (dims, data) = (dims.to_vec(), data.clone());
        graph.initializer.push(onnx::Tensor { dims, data_type: FLOAT, data, name: constant });
    }
    graph.node = node_list;
    let opset = vec![onnx::Opset { version: 13 }];
    onnx::Model { ir_version: 8, opset, graph: Some(graph) }.encode_to_vec()
}

fn entry(family: &str, head: &str, resize: &str, outputs: &str, model: &[u8]) -> String {
    let sha256: String = Sha256::digest(model).iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "[[model]]\nname = \"tiny\"\ntitle = \"tiny\"\nfamily = \"{family}\"\nhead = \"{head}\"\nfile = \"tiny.onnx\"\nsha256 = \"{sha256}\"\nbytes = {}\nlicence = \"MIT\"\nsource = \"by-hand: made in the test\"\nlabels = [\"boat\", \"person\"]\n[model.input]\nname = \"images\"\nwidth = {SIDE}\nheight = {SIDE}\nlayout = \"nchw\"\ndtype = \"f32\"\ncolor = \"rgb\"\nresize = \"{resize}\"\nmean = [0.0, 0.0, 0.0]\nstd = [255.0, 255.0, 255.0]\n[model.outputs]\n{outputs}\n",
        model.len()
    )
}

/// A folder with a model that sees one person, surer and further to the lower right the brighter the picture is:
/// from (0.5, 0.5) to (1, 1) with 0.99 of a white one, nobody in a dark one. `fails` on white. So large that no
/// crop is made of him, in which such a model would see another.
pub(crate) fn one_person(fails: bool) -> tempfile::TempDir {
    let model = match fails {
        false => graph(&[
            ("boxes", &[1, 1, 4], vec![0.5, 0.5, 1.0, 1.0]),
            ("scores", &[1, 1, 2], vec![0.0, 0.99]),
        ]),
        true => fails_on_white(),
    };
    let outputs = "boxes = \"boxes\"\nscores = \"scores\"";
    let entry = entry("ssd", "ssd-decoded", "stretch", outputs, &model);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("cache")).unwrap();
    std::fs::write(folder.path().join("catalog.toml"), entry).unwrap();
    std::fs::write(folder.path().join("cache/tiny.onnx"), model).unwrap();
    folder
}

/// The scores stand in a table of two; what is white asks for a third.
fn fails_on_white() -> Vec<u8> {
    const INT64: i64 = 7;
    let attribute = |name: &str, i: i64| onnx::Attribute { name: name.into(), i, kind: 2 };
    let tensor = |name: &str, dims: &[i64], data: &[f32]| onnx::Tensor {
        dims: dims.to_vec(),
        data_type: FLOAT,
        data: data.to_vec(),
        name: name.into(),
    };
    let graph = onnx::Graph {
        name: "tiny".into(),
        node: vec![
            node("ReduceMax", &["images"], "brightest", vec![attribute("keepdims", 0)]),
            node("Mul", &["brightest", "two"], "twice", Vec::new()),
            node("Cast", &["twice"], "row", vec![attribute("to", INT64)]),
            node("Gather", &["table", "row"], "factor", vec![attribute("axis", 0)]),
            node("Mul", &["boxes_constant", "factor"], "boxes", Vec::new()),
            node("Mul", &["scores_constant", "factor"], "scores", Vec::new()),
        ],
        input: vec![value("images", &[1, 3, SIDE, SIDE])],
        output: vec![value("boxes", &[1, 1, 4]), value("scores", &[1, 1, 2])],
        initializer: vec![
            tensor("two", &[], &[2.0]),
            tensor("table", &[2], &[1.0, 1.0]),
            tensor("boxes_constant", &[1, 1, 4], &[0.5, 0.5, 1.0, 1.0]),
            tensor("scores_constant", &[1, 1, 2], &[0.0, 0.99]),
        ],
    };
    let opset = vec![onnx::Opset { version: 13 }];
    onnx::Model { ir_version: 8, opset, graph: Some(graph) }.encode_to_vec()
}

pub(crate) fn library() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/cache/libonnxruntime.so")
}

/// What the model of this entry sees in a picture twice as wide as high, all of one grey.
fn seen(entry: &str, model: &[u8], grey: u8) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("cache")).unwrap();
    std::fs::write(folder.path().join("catalog.toml"), entry).unwrap();
    std::fs::write(folder.path().join("cache/tiny.onnx"), model).unwrap();
    let catalog = Catalog::read(folder.path()).unwrap();
    let spec = catalog.get("tiny").unwrap();
    let mut detector = Detector::load(spec, folder.path(), Some(&library()), 1)
        .map_err(|error| error.to_string())?;
    let (width, height) = (128, 64);
    let rgb = vec![grey; 128 * 64 * 3];
    let at = jiff::Timestamp::UNIX_EPOCH;
    let found = detector.detect(&Picture::of_rgb(width, height, rgb, at)).unwrap();
    Ok(found
        .iter()
        .map(|one| {
            let b = one.bbox;
            format!(
                "{} {:.2} {:.3} {:.3} {:.3} {:.3}",
                one.label, one.score, b.x0, b.y0, b.x1, b.y1
            )
        })
        .collect())
}

#[test]
fn ssd_stretched_with_the_lower_of_two_overlapping_boxes_gone() {
    let boxes = vec![0.25, 0.375, 0.75, 0.625, 0.26, 0.38, 0.76, 0.63, 0.0, 0.0, 0.1, 0.1];
    let model = graph(&[
        ("boxes", &[1, 3, 4], boxes),
        ("scores", &[1, 3, 2], vec![0.1, 0.9, 0.1, 0.8, 0.05, 0.05]),
    ]);
    let outputs = "boxes = \"boxes\"\nscores = \"scores\"";
    let entry = entry("ssd", "ssd-decoded", "stretch", outputs, &model);
    assert_eq!(seen(&entry, &model, 255).unwrap(), ["person 0.90 0.375 0.250 0.625 0.750"]);
    assert_eq!(seen(&entry, &model, 0).unwrap(), [] as [&str; 0], "the picture goes in");
}

#[test]
fn yolov8_letterboxed_and_mapped_back() {
    // Rows: x, y, w, h in input pixels, then a score a label; three candidates.
    let predictions = vec![
        32.0, 33.0, 8.0, 32.0, 32.0, 24.0, 16.0, 16.0, 4.0, 16.0, 16.0, 4.0, 0.1, 0.1, 0.05, 0.9,
        0.8, 0.05,
    ];
    let model = graph(&[("out", &[1, 6, 3], predictions)]);
    let entry = entry("yolo", "yolov8", "letterbox", "predictions = \"out\"", &model);
    assert_eq!(seen(&entry, &model, 255).unwrap(), ["person 0.90 0.375 0.250 0.625 0.750"]);
}

#[test]
fn yolox_decodes_its_grid() {
    // 64 + 16 + 4 cells of strides 8, 16, 32; the one at column 4, row 4 of the first has a box
    // of twice the stride.
    let mut predictions = vec![0.0; 84 * 7];
    let cell = (4 * 8 + 4) * 7;
    predictions[cell..cell + 7].copy_from_slice(&[0.0, 0.0, 2f32.ln(), 2f32.ln(), 0.9, 0.1, 1.0]);
    let model = graph(&[("out", &[1, 84, 7], predictions)]);
    let entry = entry("yolo", "yolox", "letterbox", "predictions = \"out\"", &model);
    assert_eq!(seen(&entry, &model, 255).unwrap(), ["person 0.90 0.375 0.250 0.625 0.750"]);
}

#[test]
fn an_entry_that_does_not_fit_its_model_is_told_at_load() {
    let model = graph(&[("out", &[1, 83, 7], vec![0.0; 83 * 7])]);
    let load_error = |head: &str, output: &str| {
        let outputs = format!("predictions = \"{output}\"");
        seen(&entry("yolo", head, "letterbox", &outputs, &model), &model, 255).unwrap_err()
    };
    let error = load_error("yolox", "nothing");
    assert!(error.contains("no output `nothing`"), "{error}");
    let error = load_error("yolox", "out");
    assert!(error.contains("83"), "{error}");
}
