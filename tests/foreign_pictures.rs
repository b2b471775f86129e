//! The process that opens strangers' pictures: what it may do, and what it says.

use std::{
    io::{Read, Write},
    process::{Child, Command, Stdio},
};

fn child() -> Child {
    Command::new(env!("CARGO_BIN_EXE_gridpost"))
        .arg("clean-picture")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn answer(mut child: Child, bytes: &[u8]) -> (String, Vec<u8>) {
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    // It may read no further than the bound.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&bytes)));
    let mut said = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut said).unwrap();
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    let line = said.iter().position(|byte| *byte == b'\n').unwrap();
    (String::from_utf8_lossy(&said[..line]).into(), said[line + 1..].to_vec())
}

/// A picture of one grey, as large as is asked for.
fn photo(width: u32, height: u32, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let grey = vec![90; (width * height * 3) as usize];
    image::RgbImage::from_raw(width, height, grey).unwrap().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn p11_the_child_has_taken_everything_from_itself_before_it_reads() {
    let child = child();
    let of = |file: &str| {
        std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap_or_default()
    };
    let confined = || {
        of("limits")
            .lines()
            .any(|line| line.split_whitespace().eq("Max open files 0 0 files".split(' ')))
    };
    let started = std::time::Instant::now();
    while !confined() {
        assert!(started.elapsed() < crate::world::PATIENCE, "{}", of("limits"));
        std::thread::yield_now();
    }
    let limits = of("limits");
    let row = |name: &str| -> Vec<String> {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect()
    };
    assert_eq!(row("Max cpu time"), ["12", "12"]);
    for none in ["Max file size", "Max core file size", "Max processes", "Max open files"] {
        assert_eq!(row(none), ["0", "0"], "{none}");
    }
    let memory: u64 = row("Max address space")[1].parse().unwrap();
    assert!((640 << 20..4 << 30).contains(&memory), "{memory}");
    assert!(of("status").lines().any(|line| line == "NoNewPrivs:\t1"));
    assert_eq!(of("oom_score_adj").trim(), "1000");
    let (said, jpeg) = answer(child, &photo(640, 480, image::ImageFormat::Png));
    assert_eq!(said, r#"{"clean":{"width":640,"height":480}}"#);
    assert_eq!(image::load_from_memory(&jpeg).unwrap().width(), 640);
}

#[test]
fn p11_what_the_largest_pictures_take_is_within_its_limits() {
    let (said, _) = answer(child(), &photo(8_160, 6_120, image::ImageFormat::Jpeg));
    assert_eq!(said, r#"{"clean":{"width":1920,"height":1440}}"#);
    let (said, _) = answer(child(), &vec![0; 6 << 20]);
    assert_eq!(said, r#"{"refused":"too-large"}"#);
    // 16 bits a colour, and a way to see through: 8 bytes for each of 48 million pixels.
    let deep = image::ImageBuffer::from_raw(6_900, 6_900, vec![7u16; 6_900 * 6_900 * 4]);
    let deep = image::DynamicImage::ImageRgba16(deep.unwrap());
    let mut bytes = Vec::new();
    let fast = image::codecs::png::CompressionType::Fast;
    let plain = image::codecs::png::FilterType::NoFilter;
    let encoder = image::codecs::png::PngEncoder::new_with_quality(&mut bytes, fast, plain);
    deep.write_with_encoder(encoder).unwrap();
    let (said, _) = answer(child(), &bytes);
    assert!(said.starts_with(r#"{"clean""#) || said == r#"{"refused":"too-costly"}"#, "{said}");
}
