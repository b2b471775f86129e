//! What a camera shows now, over a WebSocket: from its newest key frame on, to many viewers at once, and never at a press's cost.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::world::{
    Gateway, Heard, RtspServer, Site, Viewer, ffmpeg, http, is_key, now_s, numbered, time_s,
    wait_for,
};

const LIVE: &str = "/api/v1/cameras/yard/live";

/// 25 pictures a second, key frames two seconds apart, in this size.
fn clip(folder: &Path, name: &str, size: &str, codec: &str) -> PathBuf {
    let to = folder.join(name);
    let source = format!("testsrc2=size={size}:rate=25:duration=8,format=yuv420p");
    let out = to.display().to_string();
    let coder: &[&str] = match codec {
        "h265" => &[
            "libx265",
            "-x265-params",
            "log-level=error:keyint=50:min-keyint=50:scenecut=0:bframes=0",
        ],
        _ => &["libx264", "-profile:v", "main", "-bf", "0", "-g", "50", "-sc_threshold", "0"],
    };
    let mut all = vec!["-f", "lavfi", "-i", &source, "-preset", "ultrafast", "-c:v"];
    all.extend(coder);
    all.push(&out);
    ffmpeg(&all);
    to
}

async fn yard(site: Site) -> Gateway {
    let gateway = Gateway::start(site).await;
    wait_for("a picture of the yard", || async {
        let (_, told) = gateway.get("/api/v1/cameras").await;
        (told["cameras"][0]["main"]["fps"].as_f64()? > 5.0).then_some(())
    })
    .await;
    gateway
}

/// Number of pictures that another hand decodes of these fragments; their size.
fn decoded(folder: &Path, fragments: &[Vec<u8>]) -> (usize, String) {
    let file = folder.join("live.mp4");
    std::fs::write(&file, fragments.concat()).unwrap();
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-select_streams", "v"])
        .args(["-show_entries", "stream=nb_read_frames,width,height", "-of", "csv=p=0"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let told: Vec<&str> = text.trim().split(',').collect();
    (told[2].parse().unwrap(), format!("{}x{}", told[0], told[1]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_begins_with_a_key_frame_and_gets_each_picture_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for (codec, named) in [("h264", "avc1.42C0"), ("h265", "hvc1.1.6")] {
        let file = clip(folder.path(), &format!("{codec}.mp4"), "640x360", codec);
        let server = RtspServer::start(0, &file);
        let gateway = yard(Site::demo().camera("yard", &server)).await;
        let asked = Instant::now();
        let mut viewer = Viewer::open(&gateway, LIVE).await.unwrap();
        let hello = viewer.hello().await;
        assert!(hello["codec"].as_str().unwrap().starts_with(named), "{hello}");
        assert_eq!((hello["width"].as_u64(), hello["height"].as_u64()), (Some(640), Some(360)));
        assert_eq!(hello["stream"], "main");
        let mut fragments = vec![viewer.fragment().await, viewer.fragment().await];
        assert!(fragments[0][4..8] == *b"ftyp" && is_key(&fragments[1]));
        let first = asked.elapsed();
        while fragments.len() < 102 {
            fragments.push(viewer.fragment().await);
        }
        // All of it was taken as it came: a second has 25 pictures, and the first ones were there at once.
        assert!(asked.elapsed() > first + Duration::from_secs(1), "{:?}", asked.elapsed());
        assert_eq!(decoded(folder.path(), &fragments), (101, "640x360".into()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_sleeps_is_up_while_it_is_watched() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing moves: the camera sleeps, and its reader rests between key frames.
    let still = folder.path().join("still.mp4");
    let to = still.display().to_string();
    ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        "color=gray:size=320x240:rate=25:duration=8,format=yuv420p",
        "-c:v",
        "libx264",
        "-g",
        "50",
        "-bf",
        "0",
        &to,
    ]);
    let server = RtspServer::start(0, &still);
    let gateway = yard(Site::demo().camera("yard", &server)).await;
    wait_for("it sleeps", || async {
        let (_, told) = gateway.get("/api/v1/cameras").await;
        (told["cameras"][0]["state"]["level"] == 1).then_some(())
    })
    .await;
    let mut viewer = Viewer::open(&gateway, LIVE).await.unwrap();
    viewer.hello().await;
    // The group since the newest key frame comes at once.
    for _ in 0..60 {
        viewer.fragment().await;
    }
    let mut gaps = Vec::new();
    let mut before = Instant::now();
    for _ in 0..75 {
        viewer.fragment().await;
        gaps.push(before.elapsed().as_millis());
        before = Instant::now();
    }
    gaps.sort_unstable();
    println!("between fragments of a sleeping camera: p50 {} ms, p90 {} ms", gaps[37], gaps[67]);
    // While it rests, five come at once, each 200 ms.
    assert!(gaps[45] >= 10, "fragments come in bursts: {gaps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sub_stream_comes_first_and_the_main_one_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let main = RtspServer::start(0, &clip(folder.path(), "main.mp4", "640x360", "h264"));
    let sub = RtspServer::start(0, &clip(folder.path(), "sub.mp4", "320x180", "h264"));
    let site = Site::demo().camera("yard", &main).set("detect_url", sub.url());
    let gateway = yard(site).await;
    wait_for("the sub-stream", || async {
        let (_, told) = gateway.get("/api/v1/cameras").await;
        told["cameras"][0]["sub"]["width"].as_u64().filter(|width| *width == 320)
    })
    .await;
    for (path, width, stream) in
        [("", 320, "sub"), ("?stream=sub", 320, "sub"), ("?stream=main", 640, "main")]
    {
        let mut viewer = Viewer::open(&gateway, &format!("{LIVE}{path}")).await.unwrap();
        let hello = viewer.hello().await;
        assert_eq!(
            (hello["width"].as_u64(), hello["stream"].as_str()),
            (Some(width), Some(stream))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_twenty_viewers_and_five_that_take_nothing_hold_up_neither_each_other_nor_a_press() {
    let folder = tempfile::tempdir().unwrap();
    let server = RtspServer::start(0, &clip(folder.path(), "busy.mp4", "1280x720", "h264"));
    let gateway = Arc::new(yard(Site::demo().camera("yard", &server).button("btn-1")).await);
    let over = Arc::new(AtomicBool::new(false));
    let mut lazy = Vec::new();
    for _ in 0..5 {
        // Opened, and never read again.
        lazy.push(Viewer::open(&gateway, LIVE).await.unwrap());
    }
    let mut viewers = Vec::new();
    for _ in 0..20 {
        let mut viewer = Viewer::open(&gateway, LIVE).await.unwrap();
        let over = over.clone();
        viewers.push(tokio::spawn(async move {
            let mut got = 0;
            while !over.load(Ordering::Relaxed) {
                viewer.fragment().await;
                got += 1;
            }
            got
        }));
    }
    let mut took = Vec::new();
    let began = Instant::now();
    for n in 0..40 {
        let (gateway, asked) = (gateway.clone(), Instant::now());
        let pressed =
            tokio::task::spawn_blocking(move || gateway.press("btn-1", &format!("live-{n}")));
        pressed.await.unwrap();
        took.push(asked.elapsed().as_millis());
    }
    while began.elapsed() < Duration::from_secs(12) {
        let (_, told) = gateway.get("/api/v1/cameras").await;
        assert!(told["cameras"][0]["main"]["viewers"].as_u64().unwrap() >= 20, "{told}");
    }
    over.store(true, Ordering::Relaxed);
    let seconds = began.elapsed().as_secs_f64();
    for viewer in viewers {
        let got = f64::from(viewer.await.unwrap());
        // The first group came at once; from then on 25 a second, on a machine that has other things to do.
        assert!(got > seconds * 12.0, "{got} fragments in {seconds} s");
    }
    took.sort_unstable();
    println!("a press beside 25 viewers: p50 {} ms, at most {} ms", took[20], took[39]);
    assert!(took[39] < 3_000, "{took:?}");
    // Who takes nothing is let go, and its place is free again.
    wait_for("nobody watches", || async {
        let (_, told) = gateway.get("/api/v1/cameras").await;
        (told["cameras"][0]["main"]["viewers"] == 0).then_some(())
    })
    .await;
    drop(lazy);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_watches_and_a_wrong_question_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = RtspServer::start(0, &clip(folder.path(), "a.mp4", "320x180", "h264"));
    let gateway = yard(Site::demo().camera("yard", &server)).await;
    let token = format!("Authorization: Bearer {}\r\n", gateway.token);
    for (path, head, status) in [
        (LIVE, String::new(), 401),
        (LIVE, "Authorization: Bearer wrong\r\n".into(), 401),
        (LIVE, format!("{token}Origin: http://evil.example\r\n"), 403),
        ("/api/v1/cameras/none/live", token.clone(), 404),
        ("/api/v1/cameras/..%2Fyard/live", token.clone(), 404),
        ("/api/v1/cameras/yard/live?stream=third", token.clone(), 400),
        ("/api/v1/cameras/yard/live?main=1", token.clone(), 400),
    ] {
        let told = Viewer::open_as(&gateway, path, &head).await.err();
        assert_eq!(told, Some(status), "{path} {head}");
    }
    assert_eq!(gateway.get(LIVE).await.0, 400, "no WebSocket");
    let own = format!("{token}Origin: {}\r\n", gateway.web);
    assert!(Viewer::open_as(&gateway, LIVE, &own).await.is_ok());
    // A camera that leaves the configuration ends its views.
    let mut viewer = Viewer::open(&gateway, LIVE).await.unwrap();
    viewer.hello().await;
    gateway.reload_to(Site::demo()).await;
    loop {
        match viewer.next().await {
            Heard::Closed(word) => break assert_eq!(word, "ended"),
            Heard::Said(_) | Heard::Fragment(_) => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_still_is_small_says_when_it_was_and_is_made_once_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let server = RtspServer::start(0, &clip(folder.path(), "large.mp4", "1920x1080", "h264"));
    let gateway = yard(Site::demo().camera("yard", &server)).await;
    let still = |id: &'static str| {
        let url = format!("{}/api/v1/cameras/{id}/still", gateway.web);
        let asked = http().get(url).bearer_auth(&gateway.token).send();
        async move {
            let answer = asked.await.unwrap();
            let header = |name: &str| {
                answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
            };
            let (status, at, kind) =
                (answer.status().as_u16(), header("x-gridpost-at"), header("content-type"));
            (status, at, kind, answer.bytes().await.unwrap())
        }
    };
    let all = futures_util::future::join_all((0..30).map(|_| still("yard"))).await;
    let first = &all[0];
    assert_eq!((first.0, first.2.as_deref()), (200, Some("image/jpeg")));
    let picture = image::load_from_memory(&first.3).unwrap();
    assert_eq!((picture.width(), picture.height()), (960, 540));
    let at = time_s(&Value::from(first.1.clone().unwrap()));
    let now = now_s();
    assert!((0.0..10.0).contains(&(now - at)), "{now} {at}");
    // Thirty at once are one picture, or two where a second went by.
    let mut different: Vec<_> = all.iter().map(|one| one.3.clone()).collect();
    different.sort_unstable();
    different.dedup();
    assert!(different.len() <= 2, "{} pictures", different.len());
    assert_eq!(still("none").await.0, 404);
    let later = wait_for("another picture", || async {
        let next = still("yard").await;
        (next.1 != first.1).then_some(next)
    })
    .await;
    assert!(time_s(&Value::from(later.1.unwrap())) > at);
}

/// Processor seconds of a process, or of its threads of this name.
fn cpu_s(pid: u32, thread: Option<&str>) -> f64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let ticks = |task: PathBuf| {
        let name = std::fs::read_to_string(task.join("comm")).ok()?;
        let stat = std::fs::read_to_string(task.join("stat")).ok()?;
        let rest: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let both = rest[11].parse::<f64>().ok()? + rest[12].parse::<f64>().ok()?;
        thread.is_none_or(|wanted| name.trim() == wanted).then_some(both)
    };
    tasks.filter_map(|task| ticks(task.unwrap().path())).sum::<f64>() / 100.0
}

/// Unoptimised: a release build costs less.
#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_costs_little() {
    const FOR: Duration = Duration::from_secs(10);
    let folder = tempfile::tempdir().unwrap();
    let server = RtspServer::start(0, &numbered(folder.path()));
    let gateway = yard(Site::demo().camera("yard", &server)).await;
    let mut shares = Vec::new();
    let mut bytes = 0;
    for viewers in [0, 1, 20] {
        let over = Arc::new(AtomicBool::new(false));
        let mut all = Vec::new();
        for _ in 0..viewers {
            let mut viewer = Viewer::open(&gateway, LIVE).await.unwrap();
            let over = over.clone();
            all.push(tokio::spawn(async move {
                let mut bytes = 0;
                while !over.load(Ordering::Relaxed) {
                    bytes += viewer.fragment().await.len();
                }
                bytes
            }));
        }
        // The first group is sent by then.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (began, threads) = (Instant::now(), [Some("live"), Some("cam-yard"), None]);
        let before = threads.map(|thread| cpu_s(gateway.pid(), thread));
        tokio::time::sleep(FOR).await;
        let seconds = began.elapsed().as_secs_f64();
        let after = threads.map(|thread| cpu_s(gateway.pid(), thread));
        let used = [0, 1, 2].map(|n| (after[n] - before[n]) / seconds * 100.0);
        println!(
            "{viewers} viewers: their thread {:.2} %, the camera's thread {:.2} %, all {:.1} % of a core",
            used[0], used[1], used[2]
        );
        shares.push(used);
        over.store(true, Ordering::Relaxed);
        for viewer in all {
            bytes += viewer.await.unwrap();
        }
    }
    let each = (shares[2][0] - shares[1][0]) / 19.0;
    println!("a viewer more: {each:.3} % of a core; {} MB sent", bytes / 1_000_000);
    assert!(each < 3.0, "{each} % of a core a viewer");
}
