//! Detection through the gateway's path beside bare ONNX Runtime: same model, picture and threads, by turns.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use gridpost::{
    domain::Picture,
    vision::{Catalog, Detector, Layout, ModelSpec},
};

use crate::{quantile, results::Row, world::root};

const ROUNDS: usize = 12;
const RUNS: usize = 20;

fn picture() -> image::RgbImage {
    image::open(root().join("config/demo.jpg")).unwrap().to_rgb8()
}

/// Says which model a process of [`bare`] runs.
const MODEL: &str = "GRIDPOST_BENCH_MODEL";

/// In a process of its own (ONNX Runtime allows one environment a process): for each line on
/// stdin, so many runs; the microseconds of each on stdout.
pub(crate) fn bare() {
    let models = root().join("models");
    let catalog = Catalog::read(&models).unwrap();
    let spec = catalog.get(&std::env::var(MODEL).unwrap()).unwrap();
    let library = models.join("cache/libonnxruntime.so");
    let environment = ort::init_from(library).unwrap().build().unwrap();
    let mut session = ort::session::Session::builder(&environment)
        .unwrap()
        .with_intra_threads(1)
        .unwrap()
        .commit_from_file(spec.path(&models))
        .unwrap();
    let (w, h) = (spec.input.width, spec.input.height);
    let small = image::imageops::resize(&picture(), w, h, image::imageops::FilterType::Triangle);
    let buffer: Vec<f32> = small
        .pixels()
        .flat_map(|pixel| pixel.0)
        .enumerate()
        .map(|(n, value)| (f32::from(value) - spec.input.mean[n % 3]) / spec.input.std[n % 3])
        .collect();
    let (w, h) = (w as usize, h as usize);
    let mut planes = vec![0f32; buffer.len()];
    for (n, value) in buffer.iter().enumerate() {
        planes[n % 3 * w * h + n / 3] = *value;
    }
    let (shape, buffer) = match spec.input.layout {
        Layout::Nchw => ([1, 3, h, w], planes),
        Layout::Nhwc => ([1, h, w, 3], buffer),
    };
    for _ in std::io::stdin().lock().lines() {
        let times: Vec<String> = (0..RUNS)
            .map(|_| {
                let started = Instant::now();
                let tensor = ort::value::TensorRef::from_array_view((shape, &buffer[..])).unwrap();
                let outputs =
                    session.run(ort::inputs![spec.input.name.as_str() => tensor]).unwrap();
                drop(outputs);
                started.elapsed().as_micros().to_string()
            })
            .collect();
        println!("{}", times.join(" "));
    }
}

/// Of each default model that is here, in 32 bits.
pub(crate) fn run() -> Vec<Row> {
    let models = root().join("models");
    let catalog = Catalog::read(&models).unwrap();
    let here = catalog.defaults().filter(|spec| spec.verify(&models).is_ok());
    here.flat_map(|spec| rows_of(spec, &models)).collect()
}

fn rows_of(spec: &ModelSpec, models: &Path) -> Vec<Row> {
    let mut detector = Detector::load(spec, models, None, 1).unwrap();
    let rgb = picture();
    let (width, height) = rgb.dimensions();
    let picture = Picture::of_rgb(width, height, rgb.into_raw(), jiff::Timestamp::UNIX_EPOCH);
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("--bare")
        .env(MODEL, &spec.name)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut ask, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut answers = BufReader::new(answers).lines();
    let (mut bare, mut before, mut ran, mut after) = (vec![], vec![], vec![], vec![]);
    for round in 0..=ROUNDS {
        writeln!(ask, "go").unwrap();
        let line = answers.next().unwrap().unwrap();
        let theirs = line.split(' ').map(|us| Duration::from_micros(us.parse().unwrap()));
        let ours: Vec<_> = (0..RUNS)
            .map(|_| {
                detector.detect(&picture).unwrap();
                detector.last_timing()
            })
            .collect();
        // The first round warms both up.
        if round > 0 {
            bare.extend(theirs);
            before.extend(ours.iter().map(|one| one.before));
            ran.extend(ours.iter().map(|one| one.run));
            after.extend(ours.iter().map(|one| one.after));
        }
    }
    drop(ask);
    child.wait().unwrap();
    let [bare, before, ran, after] =
        [&mut bare, &mut before, &mut ran, &mut after].map(|times| quantile(times, 0.5));
    let name = &spec.name;
    vec![
        Row::new(format!("{name}: run, one thread, median"), format!("{ran:.2} ms"))
            .beside(format!("bare ONNX Runtime {bare:.2} ms"), ran / bare)
            .at_most(1.05, ran / bare),
        Row::new(
            format!("{name}: before it: resize from {width}×{height}, normalise"),
            format!("{before:.2} ms"),
        ),
        Row::new(format!("{name}: after it: decode, NMS"), format!("{after:.2} ms")),
    ]
}
