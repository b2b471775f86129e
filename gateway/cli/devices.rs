//! `gridpost devices`: every button and what is wrong with it, running or not.

use std::path::PathBuf;

use super::{Failure, load, print_row};
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
        "{:<20} {:<16} {:>7} {:>5} {:<20} {:<12} {:<12} name",
        "id", "state", "battery", "link", "heard", "model", "via"
    ))?;
    for device in &shown {
        print_row(&line(device))?;
        if args.ill {
            for said in not_understood(device) {
                print_row(&said)?;
            }
        }
    }
    let fine = table.devices.iter().filter(|device| device.states() == ["fine"]).count();
    let at = table.at.map_or("no gateway has run here yet".into(), |at| format!("as of {at:.0}"));
    print_row(&format!("{} devices, {fine} fine; {at}", table.devices.len()))
}

/// What nobody could read or understood of it: how often, when last, and the latest of it.
fn not_understood(device: &DeviceState) -> Vec<String> {
    let (unreadable, words) = (device.unreadable, device.unknown_words);
    if unreadable + words == 0 {
        return Vec::new();
    }
    let last = device.unclear_at.map_or(String::new(), |at| format!(", last at {at:.0}"));
    let head = format!("    not understood: {unreadable} unreadable, {words} unknown words{last}");
    // Made harmless when they were taken.
    let samples = device.samples.iter().rev().map(|sample| format!("      {sample}"));
    std::iter::once(head).chain(samples).collect()
}

fn line(device: &DeviceState) -> String {
    let percent = |value: Option<u8>| value.map_or("-".into(), |value| format!("{value} %"));
    let heard = device.heard_at.map_or("never".into(), |at| format!("{at:.0}"));
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
