//! `gridpost devices`: every button and what is wrong with it, running or not.

use std::path::PathBuf;

use jiff::tz::TimeZone;

use super::{Failure, clock_of, load, print_row};
use crate::{domain::DeviceState, runtime};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The configuration, TOML.
    #[arg(short, long)]
    config: PathBuf,
    /// Only those with which something is wrong, and those that nobody listed; with what of them
    /// nobody could read or understood: how often, and the latest of it.
    #[arg(long)]
    ill: bool,
    /// A JSON document a line, with everything that is known.
    #[arg(long)]
    json: bool,
    /// The models there are instead, and how often each is heard at the least.
    #[arg(long)]
    models: bool,
}

/// Runs the command; the error is printed and sets the exit code.
pub(crate) fn main(args: &Args) -> Result<(), Failure> {
    let config = load(&args.config)?;
    if args.models {
        for (name, seconds) in runtime::device_models(&config) {
            let heard = seconds.map_or("-".into(), |seconds| format!("{seconds} s"));
            print_row(&format!("{name:<16} {heard}"))?;
        }
        return Ok(());
    }
    let table = runtime::device_table(&config);
    let zone = runtime::event_context(&config).timezone;
    let ill = |device: &DeviceState| {
        device.states() != ["fine"] || device.unreadable + device.unknown_words > 0
    };
    let shown = table.devices.iter().filter(|device| !args.ill || ill(device));
    let shown: Vec<&DeviceState> = shown.collect();
    if args.json {
        for device in &shown {
            let line = serde_json::to_string(device)
                .map_err(|error| Failure::Other(format!("cannot be written as JSON: {error}")))?;
            print_row(&line)?;
        }
        return Ok(());
    }
    // The name last: Chinese is wider than a terminal's columns count.
    print_row(&format!(
        "{:<20} {:<16} {:>7} {:>5} {:<20} {:<12} {:<12} name 名称",
        "id", "state", "battery", "link", "heard", "model", "via"
    ))?;
    for device in &shown {
        print_row(&line(device, &zone))?;
        if args.ill {
            for said in not_understood(device, &zone) {
                print_row(&said)?;
            }
        }
    }
    let fine = table.devices.iter().filter(|device| device.states() == ["fine"]).count();
    let all = table.devices.len();
    match table.at.map(|at| clock_of(at, &zone)) {
        Some(at) => print_row(&format!(
            "共 {all} 个设备，{fine} 个正常；截至 {at} ({all} devices, {fine} fine)"
        )),
        None => print_row(&format!(
            "共 {all} 个设备；网关还没有在这里运行过 ({all} devices, {fine} fine; no gateway has run here yet)"
        )),
    }
}

/// What nobody could read or understood of it: how often, when last, and the latest of it.
fn not_understood(device: &DeviceState, zone: &TimeZone) -> Vec<String> {
    let (unreadable, words) = (device.unreadable, device.unknown_words);
    if unreadable + words == 0 {
        return Vec::new();
    }
    let last =
        device.unclear_at.map_or(String::new(), |at| format!(", last at {}", clock_of(at, zone)));
    let head = format!("    not understood: {unreadable} unreadable, {words} unknown words{last}");
    // Made harmless when they were taken.
    let samples = device.samples.iter().rev().map(|sample| format!("      {sample}"));
    std::iter::once(head).chain(samples).collect()
}

fn line(device: &DeviceState, zone: &TimeZone) -> String {
    let percent = |value: Option<u8>| value.map_or("-".into(), |value| format!("{value} %"));
    let heard = device.heard_at.map_or("never".into(), |at| clock_of(at, zone));
    let via = match (&device.through, device.via.as_str()) {
        (Some(through), _) => through.as_str(),
        (None, "") => "-",
        (None, via) => via,
    };
    format!(
        "{:<20} {:<16} {:>7} {:>5} {:<20} {:<12} {:<12} {}",
        device.id,
        device.states().join(","),
        percent(device.battery),
        percent(device.link),
        heard,
        device.model.as_deref().unwrap_or("-"),
        via,
        device.name,
    )
}
