//! A start after years: a long settled history and a backlog, with the index in place and without it.

use std::{fs, path::Path, time::Instant};

use crate::{
    config,
    process::memory_mib,
    results::{Row, grouped},
    world::{Gateway, backlog::settled, env_number, free_port, waiting},
};

fn bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().map(Result::unwrap);
    entries
        .map(|entry| match entry.metadata().unwrap() {
            metadata if metadata.is_dir() => bytes(&entry.path()),
            metadata => metadata.len(),
        })
        .sum()
}

pub(crate) async fn run() -> Vec<Row> {
    let settled_records = env_number("GRIDPOST_BENCH_SETTLED").unwrap_or(1_000_000) as usize;
    let pending = env_number("GRIDPOST_BENCH_PENDING").unwrap_or(100_000) as usize;
    let mut folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let began = Instant::now();
    settled(&data, "grid", settled_records);
    waiting(&data, &["grid"], pending);
    eprintln!("the folder was made in {:.0} s", began.elapsed().as_secs_f64());
    let records = (settled_records + pending) as f64;
    let mut rows = vec![Row::new(
        "records in the data folder",
        format!("{} settled, {} pending", grouped(settled_records as f64), grouped(pending as f64)),
    )];
    for (what, part) in [("journal, its settlement too", "journal"), ("index", "index")] {
        let each = bytes(&data.join(part)) as f64 / records;
        rows.push(Row::new(format!("on disk for a record: {what}"), format!("{each:.0} bytes")));
    }
    // Nobody listens there: nothing of the backlog leaves meanwhile.
    let config = config(&format!("http://127.0.0.1:{}/", free_port()), "");
    for what in ["with its index", "without the index"] {
        if what != "with its index" {
            fs::remove_dir_all(folder.path().join("data/index")).unwrap();
        }
        let began = Instant::now();
        let gateway = Gateway::start_in(folder, &config, &[]).await;
        let took = began.elapsed().as_secs_f64();
        assert_eq!(gateway.metric("gridpost_pending_records").await, pending as f64);
        let most = memory_mib(gateway.pid(), "VmHWM:");
        rows.push(Row::new(format!("start {what}, until it listens"), format!("{took:.2} s")));
        rows.push(Row::new(format!("start {what}, most memory"), format!("{most:.0} MiB")));
        folder = stopped(gateway).await;
    }
    rows
}

/// Stopped in good order, so that the index is written.
async fn stopped(mut gateway: Gateway) -> tempfile::TempDir {
    assert!(gateway.stop().await.success());
    gateway.kill().await
}
