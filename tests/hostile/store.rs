//! The data folder in other hands while the gateway runs: what is not where the next start looks for it is not acknowledged.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use crate::world::{Button, Gateway, Site, SmallDisk, gridpost};

/// Attack 57: with the lock file removed a second gateway ran on the same journal, and 100
/// acknowledged presses were gone.
#[tokio::test(flavor = "multi_thread")]
async fn p1_a_second_gateway_is_refused_also_where_the_lock_file_was_removed() {
    let mut gateway = Gateway::start(&Site::demo()).await;
    fs::remove_file(gateway.data().join("lock")).unwrap();
    let second = gridpost(&["run", "-c", &gateway.file("gridpost.toml")]);
    assert_eq!(second.code, 1, "{}", second.said());
    assert!(second.said().contains("already using it"), "{}", second.said());
    gateway.press("btn-1", "1");
    gateway.must_stop_sound().await;
}

/// Attack 58: it went on to acknowledge into a file without a name.
#[tokio::test(flavor = "multi_thread")]
async fn p1_with_its_journal_deleted_or_moved_away_nothing_is_acknowledged_and_that_is_told() {
    for moved in [false, true] {
        let gateway = Gateway::start(&Site::demo()).await;
        gateway.press("btn-1", "1");
        let journal = gateway.data().join("journal");
        if moved {
            fs::rename(&journal, gateway.data().join("elsewhere")).unwrap();
        } else {
            fs::remove_dir_all(&journal).unwrap();
        }
        let mut button = Button::new("x", gateway.intake.unwrap());
        let pressed = button.attempt("btn-2", r#"{"event":"press","id":"2"}"#);
        let answer = tokio::time::timeout(Duration::from_secs(3), pressed).await;
        assert!(!matches!(answer, Ok(Ok(_))), "acknowledged into a file that nobody will read");
        gateway.readiness(503, "store").await;
        if moved {
            fs::rename(gateway.data().join("elsewhere"), &journal).unwrap();
            gateway.readiness(200, "ready").await;
            gateway.press("btn-2", "2");
        }
    }
}

/// Attack 52: a folder that was made by hand, open to everybody.
#[tokio::test(flavor = "multi_thread")]
async fn p10_what_it_keeps_is_nobody_elses_business_on_this_box() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o777)).unwrap();
    let lines = folder.path().join("events.jsonl");
    let site = Site::demo().section("[[sink]]").set("id", "file").set("kind", "jsonl");
    let gateway = Gateway::start_in(folder, &site.set("path", &lines), &[]).await;
    gateway.press("btn-1", "1");
    crate::world::wait_for("a line", || {
        let there = fs::read_to_string(&lines).is_ok_and(|text| !text.is_empty());
        async move { there.then_some(()) }
    })
    .await;
    let others = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o007;
    assert_eq!(others(&data), 0, "the folder");
    assert_eq!(others(&lines), 0, "the file of a sink");
}

/// Attack 64.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_disk_that_may_only_be_read_it_does_not_start_and_says_why() {
    if SmallDisk::of(1).is_none() {
        return println!("nobody may mount here: not tried");
    }
    let site = Site::demo();
    let mut gateway = Gateway::start(&site).await;
    gateway.press("btn-1", "1");
    assert!(gateway.stop().await.success());
    let data = gateway.data().display().to_string();
    let binary = env!("CARGO_BIN_EXE_gridpost");
    let read_only = |command: &str| {
        let run =
            format!("mount --bind {data} {data} && mount -o remount,ro,bind {data} && {command}");
        let ways: [&[&str]; 2] = [&["--mount"], &["--map-root-user", "--mount"]];
        let outputs = ways.map(|way| {
            let mut unshare = std::process::Command::new("unshare");
            unshare.args(way).args(["sh", "-c", &run]);
            unshare.output().unwrap()
        });
        let said = |output: &std::process::Output| {
            let texts = [&output.stdout, &output.stderr];
            texts.map(|text| String::from_utf8_lossy(text).into_owned()).concat()
        };
        // Where one way may not mount, the other may.
        let mounted = outputs.iter().find(|output| !said(output).contains("mount:"));
        mounted.map(|output| (output.status.code().unwrap_or(-1), said(output)))
    };
    let config = gateway.file("gridpost.toml");
    let Some((code, said)) = read_only(&format!("{binary} run -c {config}")) else {
        return println!("no folder may be mounted here: not tried");
    };
    assert_eq!(code, 1, "{said}");
    assert!(said.to_lowercase().contains("read-only"), "{said}");
    // What only reads goes on.
    for command in ["check", "ledger", "list"] {
        let (code, said) = read_only(&format!("{binary} store {command} --data {data}")).unwrap();
        assert_eq!(code, 0, "{command}: {said}");
    }
}
