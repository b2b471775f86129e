//! The gateway with one camera over RTSP: from start to first incident, memory, processor.

use std::time::{Duration, Instant};

use crate::{
    config,
    process::{cpu_s, memory_mib},
    results::Row,
    world::{Gateway, Receiver, RtspServer, free_port, street},
};

/// Long enough for the ring to fill and the first clip to be cut.
const WATCHED: Duration = Duration::from_secs(40);

pub(crate) async fn run() -> Vec<Row> {
    let receiver = Receiver::start().await;
    let server = RtspServer::start(free_port(), &street("h264"));
    let camera = format!(
        r#"
[[camera]]
id = "square"
url = "{}"

[[rule]]
id = "walkers"
kind = "intrusion"
"#,
        server.with_user("viewer:s3cret")
    );
    let started = Instant::now();
    let gateway = Gateway::start(&config(&receiver.url, &camera)).await;
    receiver.wait("the first incident", |data| data["what"] == "opened").await;
    let first = started.elapsed().as_secs_f64();
    let pid = gateway.pid();
    let (from, cpu) = (Instant::now(), cpu_s(pid));
    tokio::time::sleep(WATCHED).await;
    let share = (cpu_s(pid) - cpu) / from.elapsed().as_secs_f64() * 100.0;
    let mib = |key: &str| format!("{:.0} MiB", memory_mib(pid, key));
    vec![
        Row::new("start → first camera incident at an HTTP sink", format!("{first:.2} s")),
        Row::new("memory with one camera 768×576 at 10 fps, now", mib("VmRSS:")),
        Row::new("memory with that camera, most", mib("VmHWM:")),
        Row::new(
            "processor with that camera, people all the time",
            format!("{share:.0} % of a core"),
        ),
    ]
}
