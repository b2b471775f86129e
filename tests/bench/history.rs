//! A start after years: a long settled history and a backlog, with the index in place and without it.

use std::{fs, path::Path, time::Instant};

use crate::{
    row,
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

fn peak_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

pub(crate) async fn run() {
    let settled_records = env_number("GRIDPOST_BENCH_SETTLED").unwrap_or(1_000_000) as usize;
    let pending = env_number("GRIDPOST_BENCH_PENDING").unwrap_or(100_000) as usize;
    let mut folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let began = Instant::now();
    settled(&data, "grid", settled_records);
    waiting(&data, &["grid"], pending);
    eprintln!("the folder was made in {:.0} s", began.elapsed().as_secs_f64());
    let records = (settled_records + pending) as f64;
    row(
        &format!("bytes on disk a record, {settled_records} settled and {pending} pending"),
        &format!(
            "{:.0} in the journal (its settlement too), {:.0} in the index",
            bytes(&data.join("journal")) as f64 / records,
            bytes(&data.join("index")) as f64 / records
        ),
    );
    // Nobody listens there: nothing of the backlog leaves meanwhile.
    let config = format!(
        "[site]\nid = \"bench\"\n\n[[sink]]\nid = \"grid\"\nkind = \"http\"\nurl = \"http://127.0.0.1:{}/\"\n",
        free_port()
    );
    for what in ["with its index", "the index deleted"] {
        if what != "with its index" {
            fs::remove_dir_all(folder.path().join("data/index")).unwrap();
        }
        let began = Instant::now();
        let gateway = Gateway::start_in(folder, &config, &[]).await;
        let took = began.elapsed().as_secs_f64();
        assert_eq!(gateway.metric("gridpost_pending_records").await, pending as f64);
        let peak = peak_mib(gateway.pid());
        row(
            &format!("start, {what}: until the doors are open · most memory"),
            &format!("{took:.2} s · {peak:.0} MiB"),
        );
        folder = stopped(gateway).await;
    }
}

/// Stopped in good order, so that the index is written.
async fn stopped(mut gateway: Gateway) -> tempfile::TempDir {
    assert!(gateway.stop().await.success());
    gateway.kill().await
}
