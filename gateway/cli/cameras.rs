//! `gridpost cameras`: what each camera does and costs, as a table for people.

use std::path::PathBuf;

use super::{Failure, clock_of, load, print_line};
use crate::runtime::{self, CameraState};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The configuration, TOML.
    #[arg(short, long)]
    config: PathBuf,
    /// A JSON document a line, with everything that is known.
    #[arg(long)]
    json: bool,
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let config = load(&args.config)?;
    let table = runtime::camera_table(&config).map_err(Failure::Other)?;
    if args.json {
        for camera in &table.cameras {
            let line = serde_json::to_string(camera)
                .map_err(|error| Failure::Other(format!("cannot be written as JSON: {error}")))?;
            print_line(&line)?;
        }
        return Ok(());
    }
    print_line(&format!(
        "{:<16} {:<7} {:>6} {:>6} {:>5} {:>7} {:>9} {:>10} {:>8} {:>6} {:>6} {:>6} {:>9}  decoded by, wakes by cause",
        "camera",
        "state",
        "looks",
        "seen",
        "queue",
        "skipped",
        "look cpu%",
        "awake cpu%",
        "det cpu%",
        "det ms",
        "gop s",
        "lag s",
        "ring"
    ))?;
    for camera in &table.cameras {
        print_line(&line(camera, table.up_s))?;
        let lines = key_frames(camera).into_iter().chain(found(camera)).chain(more(camera));
        for line in lines {
            print_line(&line)?;
        }
    }
    let zone = runtime::event_context(&config).timezone;
    let (count, up_s, at) = (table.cameras.len(), table.up_s, clock_of(table.at, &zone));
    print_line(&format!(
        "{count} 路摄像头；cpu% 是占一个核的处理器时间，自启动 {up_s:.0} 秒以来，截至 {at}；det ms 是一帧"
    ))?;
    print_line(&format!(
        "{count} cameras; cpu% is processor time, of one core, in the {up_s:.0} s since the start, as of {at}; det ms is a picture's"
    ))
}

fn line(camera: &CameraState, up_s: f64) -> String {
    let state = match (camera.up, camera.level) {
        (false, _) => "silent",
        (_, 2) => "awake",
        (_, 1) => "asleep",
        _ => "packets",
    };
    let percent = |seconds: f64| seconds / up_s.max(0.001) * 100.0;
    let wakes: Vec<String> =
        camera.wakes.iter().map(|(cause, count)| format!("{cause} {count}")).collect();
    format!(
        "{:<16} {:<7} {:>6} {:>6} {:>5} {:>7} {:>9.2} {:>10.2} {:>8.2} {:>6.1} {:>6.1} {:>6.1} {:>4.0}s{:>3.0}MB  {}; {}",
        camera.id,
        state,
        camera.looks,
        camera.detected,
        camera.queue,
        camera.skipped,
        percent(camera.look_s),
        percent(camera.awake_s),
        percent(camera.detect_s),
        camera.detect_s * 1000.0 / (camera.detected as f64).max(1.0),
        camera.gop_s,
        camera.lag_s,
        camera.ring_s,
        camera.ring_bytes / 1e6,
        if camera.decoding.is_empty() { "nothing yet" } else { &camera.decoding },
        wakes.join(", ")
    )
}

/// That it cannot sleep, and why; nothing for a camera whose key frames let it.
fn key_frames(camera: &CameraState) -> Option<String> {
    let why = match camera.sleepless.as_str() {
        "" => return None,
        "long-gop" => "its key frames are more than 10 s apart (1 to 2 s is best)",
        _ => "it sends no key frame (1 to 2 s apart is best; switch intra refresh off)",
    };
    Some(format!("                 decodes everything: {why}"))
}

/// Which streams it named when it was asked; nothing for a camera with a `url`.
fn found(camera: &CameraState) -> Option<String> {
    let streams = camera.onvif_streams.as_ref()?;
    Some(format!("                 its streams (onvif): {streams}"))
}

/// Which of two streams it uses and what its signs are worth, a line each; nothing for a camera without any.
fn more(camera: &CameraState) -> Vec<String> {
    let mut lines = Vec::new();
    if !camera.streams.is_empty() {
        lines.push(format!("                 streams (looked at, seen with): {}", camera.streams));
    }
    if camera.events_up == Some(false) {
        lines.push(
            "                 its own events (onvif) are not heard; the log says why".to_owned(),
        );
    }
    for (sign, state) in &camera.signs {
        let name = if sign == "event" { "its own events" } else { "size of packets" };
        let believed = if state.believed { "wakes it" } else { "not believed" };
        lines.push(format!(
            "                 sign {sign} ({name}): {believed}; right {:.0} %, told of {:.0} % of what was seen",
            state.precision * 100.0,
            state.recall * 100.0
        ));
    }
    lines
}
