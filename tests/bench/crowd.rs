//! Sixty-four devices press at once, on the plain disk and on one whose sync takes 5 ms.

use std::{
    fs::File,
    io::Write,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    button, config,
    light_receiver::LightReceiver,
    quantile,
    results::{Row, grouped},
    world::{Gateway, library},
};

const DEVICES: usize = 64;
const LASTS: Duration = Duration::from_secs(5);
const SLOW_MS: &str = "5";

/// Presses of one device until told to stop, each by a name of its own; the time of each.
async fn device(port: u16, n: usize, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(&button::connect(&format!("crowd-{n:03}"))).await.unwrap();
    let mut answer = [0u8; 4];
    stream.read_exact(&mut answer).await.unwrap();
    let mut times = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let packet = button::press(&format!("c{n}-{}", times.len()), 1);
        let started = Instant::now();
        stream.write_all(&packet).await.unwrap();
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer[..2], [0x40, 2]);
        times.push(started.elapsed());
    }
    times
}

/// Presses a second, the times, and syncs of the journal a press.
async fn pressed(devices: usize, slow: bool) -> (f64, Vec<Duration>, f64) {
    let receiver = LightReceiver::start();
    let config = config(&receiver.url(), "");
    let folder = tempfile::tempdir().unwrap();
    let control = folder.path().join("control");
    std::fs::write(&control, "s").unwrap();
    let (library, data) = (library().display().to_string(), folder.path().join("data"));
    let (data, control) = (data.display().to_string(), control.display().to_string());
    let environment = [
        ("LD_PRELOAD", library.as_str()),
        ("CUT_ROOT", &data),
        ("CUT_CONTROL", &control),
        ("CUT_SLOW_MS", SLOW_MS),
    ];
    let gateway = Gateway::start_in(folder, &config, if slow { &environment } else { &[] }).await;
    let stop = Arc::new(AtomicBool::new(false));
    let port = gateway.intake.unwrap();
    let before = gateway.metric("gridpost_store_syncs_total").await;
    let began = Instant::now();
    let mut tasks: JoinSet<_> = (0..devices).map(|n| device(port, n, stop.clone())).collect();
    tokio::time::sleep(LASTS).await;
    stop.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    while let Some(more) = tasks.join_next().await {
        times.extend(more.unwrap());
    }
    let rate = times.len() as f64 / began.elapsed().as_secs_f64();
    let syncs = gateway.metric("gridpost_store_syncs_total").await - before;
    let syncs = syncs / times.len() as f64;
    (rate, times, syncs)
}

/// In a process of its own, under the preloaded library: appends and syncs for a while, one
/// after the other, and how many a second.
pub(crate) fn bare_syncs(folder: &Path) {
    let mut file = File::create(folder.join("floor")).unwrap();
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(2) {
        file.write_all(&[7u8; 512]).unwrap();
        file.sync_data().unwrap();
        count += 1;
    }
    println!("{}", f64::from(count) / began.elapsed().as_secs_f64());
}

fn floor(slow: bool) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let control = folder.path().join("control");
    std::fs::write(&control, "s").unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("--syncs").arg(folder.path());
    if slow {
        command
            .env("LD_PRELOAD", library())
            .env("CUT_ROOT", folder.path())
            .env("CUT_CONTROL", &control)
            .env("CUT_SLOW_MS", SLOW_MS);
    }
    let output = command.output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

pub(crate) async fn run() -> Vec<Row> {
    let mut rows = Vec::new();
    for slow in [true, false] {
        let disk = if slow { "a sync 5 ms slower" } else { "plain disk" };
        let one_each = floor(slow);
        let (lone, _, _) = pressed(1, slow).await;
        let (rate, mut times, syncs) = pressed(DEVICES, slow).await;
        let all =
            Row::new(format!("{DEVICES} devices, {disk}"), format!("{} presses/s", grouped(rate)))
                .beside(format!("one sync a press {}/s", grouped(one_each)), rate / one_each);
        rows.push(if slow { all.at_least(10.0, rate / one_each) } else { all });
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            let took = quantile(&mut times, share);
            let what = format!("{DEVICES} devices, {disk}, press → PUBACK, {name}");
            rows.push(Row::new(what, format!("{took:.1} ms")));
        }
        let what = format!("{DEVICES} devices, {disk}, syncs a press");
        rows.push(Row::new(what, format!("{syncs:.3}")));
        let what = format!("one device alone, {disk}");
        rows.push(Row::new(what, format!("{} presses/s", grouped(lone))));
    }
    rows
}
