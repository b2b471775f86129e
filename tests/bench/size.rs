//! The gateway with one camera over RTSP: from start to first incident, memory, processor.

use std::time::{Duration, Instant};

use crate::{
    row,
    world::{Gateway, Receiver, RtspServer, free_port, street},
};

/// Long enough for the ring to fill and the first clip to be cut.
const WATCHED: Duration = Duration::from_secs(40);

fn status(pid: u32, key: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Seconds of processor that a process has used.
fn cpu_s(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

pub(crate) async fn run() {
    let receiver = Receiver::start().await;
    let server = RtspServer::start(free_port(), &street("h264"));
    let url = server.with_user("viewer:s3cret");
    let config = format!(
        "[site]\nid = \"bench\"\n\n[[camera]]\nid = \"square\"\nurl = \"{url}\"\n\n[[rule]]\nid = \"walkers\"\nkind = \"intrusion\"\n\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"{}\"\n",
        receiver.url
    );
    let started = Instant::now();
    let gateway = Gateway::start(&config).await;
    receiver.wait("the first incident", |data| data["what"] == "opened").await;
    let first = started.elapsed().as_secs_f64();
    let (from, cpu) = (Instant::now(), cpu_s(gateway.pid()));
    tokio::time::sleep(WATCHED).await;
    let share = (cpu_s(gateway.pid()) - cpu) / from.elapsed().as_secs_f64() * 100.0;
    let (now, most) = (status(gateway.pid(), "VmRSS:"), status(gateway.pid(), "VmHWM:"));
    row("start of the process → first camera incident at an HTTP sink", &format!("{first:.2} s"));
    row("memory, one camera 768×576 at 10 fps, now · most", &format!("{now:.0} · {most:.0} MiB"));
    row(
        "processor, same camera, every frame decoded, 5 looks a second",
        &format!("{share:.0} % of one core"),
    );
}
