//! SL 651-2014: how fast frames are read, and a thousand stations connected at once, each acknowledged after the disk.

use std::time::{Duration, Instant};

use gridpost::{
    domain::Now,
    sources::codecs::{
        sl651::{Step, crc, step},
        sl651_body::read,
    },
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    config,
    light_receiver::LightReceiver,
    process::memory_mib,
    quantile,
    results::{Row, grouped},
    world::{Gateway, wait_for},
};

const STATIONS: usize = 1_000;
/// Reports of each station after the first burst, one a second.
const ROUNDS: usize = 10;
const DECODED: usize = 200_000;

/// An hourly report with 12 slots, total and level.
fn hourly(station: u16, serial: u16, total_tenths: u32, now: jiff::Timestamp) -> Vec<u8> {
    let beijing = jiff::tz::TimeZone::fixed(jiff::tz::offset(8)).to_datetime(now);
    let bcd = |digits: String| -> Vec<u8> {
        digits.as_bytes().chunks(2).map(|p| (p[0] - b'0') << 4 | (p[1] - b'0')).collect()
    };
    let time = bcd(beijing.strftime("%y%m%d%H%M%S").to_string());
    let mut body = serial.to_be_bytes().to_vec();
    body.extend(&time);
    body.extend([0xF1, 0xF1, 0x61, 0x01, 0x02]);
    body.extend(station.to_be_bytes());
    body.extend([b'P', 0xF0, 0xF0]);
    body.extend(&time[..5]);
    body.extend([0xF4, 0x60, 5, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0xF0, 0xF0]);
    body.extend(&time[..5]);
    body.extend([0x26, 0x19]);
    body.extend(bcd(format!("{total_tenths:06}")));
    body.extend([0x39, 0x23, 0, 1, 4, 0x90, 0x38, 0x12, 0x12, 0x61]);
    let mut frame = vec![0x7E, 0x7E, 1, 0x61, 0x01, 0x02];
    frame.extend(station.to_be_bytes());
    frame.extend([0x12, 0x34, 0x34]);
    frame.extend((body.len() as u16).to_be_bytes());
    frame.push(2);
    frame.extend(body);
    frame.push(3);
    let check = crc(&frame).to_be_bytes();
    frame.extend(check);
    frame
}

/// One report and its answer.
async fn report(line: &mut TcpStream, station: u16, serial: u16) -> Duration {
    let frame = hourly(station, serial, 1_000 + u32::from(serial), jiff::Timestamp::now());
    let started = Instant::now();
    line.write_all(&frame).await.unwrap();
    let mut answer = [0u8; 25];
    line.read_exact(&mut answer).await.unwrap();
    assert_eq!((answer[10], answer[22]), (0x34, 0x04), "{answer:02X?}");
    started.elapsed()
}

fn decoding() -> Row {
    let now = Now { wall: jiff::Timestamp::now(), mono_ms: 0 };
    let frame = hourly(7, 1, 1_234, now.wall);
    let started = Instant::now();
    let mut readings = 0;
    for _ in 0..DECODED {
        let Step::Frame(frame, used) = step(&frame, false) else { panic!("no frame") };
        let report = read(&frame, "sl651", now).unwrap();
        readings += used + report.gauges.len();
    }
    assert!(readings > DECODED);
    let each = started.elapsed().as_secs_f64() / DECODED as f64;
    let what = format!("frames of {} bytes found, checked and read, one core", frame.len());
    Row::new(what, format!("{} frames/s", grouped(1.0 / each)))
}

pub(crate) async fn run() -> Vec<Row> {
    let mut rows = vec![decoding()];
    let receiver = LightReceiver::start();
    let listener = "[sl651]\nlisten = \"127.0.0.1:0\"\nset_clock_beyond_s = 0\n";
    let gateway = Gateway::start(&config(&receiver.url(), listener)).await;
    let mib = |key: &str| format!("{:.0} MiB", memory_mib(gateway.pid(), key));
    let memory = |what: &str, mib: String| Row::new(format!("memory, {what}"), mib);
    let stations = grouped(STATIONS as f64);
    let before = memory("no station connected", mib("VmRSS:"));
    let lines = connect(&gateway).await;
    let idle = memory(&format!("{stations} stations connected"), mib("VmRSS:"));
    rows.extend(reported(lines).await);
    let reports = grouped((STATIONS * (ROUNDS + 1)) as f64);
    rows.extend([before, idle, memory(&format!("most, after {reports} reports"), mib("VmHWM:"))]);
    rows
}

/// A connection for each station, all of them accepted.
async fn connect(gateway: &Gateway) -> Vec<TcpStream> {
    let addresses = std::fs::read(gateway.data().join("run.json")).unwrap();
    let addresses: Value = serde_json::from_slice(&addresses).unwrap();
    let address = addresses["sl651"].as_str().unwrap();
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    let mut lines = Vec::new();
    for _ in 0..STATIONS {
        lines.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    wait_for("all stations", || async {
        (gateway.metric("gridpost_sl651_connections").await as usize == STATIONS).then_some(())
    })
    .await;
    lines
}

/// All report in the same instant, and then each once a second, spread over the second.
async fn reported(lines: Vec<TcpStream>) -> Vec<Row> {
    let stations = grouped(STATIONS as f64);
    let started = Instant::now();
    let mut burst = JoinSet::new();
    for (n, mut line) in lines.into_iter().enumerate() {
        burst.spawn(async move {
            let station = n as u16 + 1;
            let first = report(&mut line, station, 1).await;
            (station, line, first)
        });
    }
    let all = burst.join_all().await;
    let lasted_ms = started.elapsed().as_secs_f64() * 1000.0;
    let mut times: Vec<Duration> = all.iter().map(|(_, _, first)| *first).collect();
    let what = format!("{stations} stations in the same instant → answered (on disk)");
    let mut rows = vec![
        Row::new(format!("{what}, p50"), format!("{:.0} ms", quantile(&mut times, 0.5))),
        Row::new(format!("{what}, p99"), format!("{:.0} ms", quantile(&mut times, 0.99))),
        Row::new(format!("{what}, the last"), format!("{lasted_ms:.0} ms")),
    ];
    let lines = all.into_iter().map(|(station, line, _)| (station, line)).collect();
    let mut times = steady(lines).await;
    let what = format!("{stations} stations, each once a second → answered (on disk)");
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        let took = quantile(&mut times, share);
        rows.push(Row::new(format!("{what}, {name}"), format!("{took:.1} ms")));
    }
    rows
}

/// The times of some rounds, one a second.
async fn steady(lines: Vec<(u16, TcpStream)>) -> Vec<Duration> {
    let mut steady = JoinSet::new();
    for (station, mut line) in lines {
        steady.spawn(async move {
            let mut times = Vec::new();
            tokio::time::sleep(Duration::from_millis(u64::from(station) % 1_000)).await;
            for round in 0..ROUNDS {
                let next = tokio::time::Instant::now() + Duration::from_secs(1);
                times.push(report(&mut line, station, 2 + round as u16).await);
                tokio::time::sleep_until(next).await;
            }
            times
        });
    }
    let times: Vec<Duration> = steady.join_all().await.into_iter().flatten().collect();
    assert_eq!(times.len(), STATIONS * ROUNDS);
    times
}
