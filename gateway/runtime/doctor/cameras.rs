//! Each camera: its stream looked at for some seconds beside the gateway, what it costs, and one picture as a file.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::{mpsc, watch};

use super::{
    diagnosis::{Diagnosis, Gravity},
    probe::Probe,
    receivers::within_runtime,
};
use crate::{
    base::{RealClock, write_for_owner},
    domain::{Clock, SourceId, StopFlag},
    media::{self, SessionRequest, StreamSeen},
    runtime::camera_table::{CameraState, CameraTable},
    sources::{
        camera::{self, StreamUrls},
        onvif::StreamFinder,
    },
};

/// Of the stream.
const LOOK: Duration = Duration::from_secs(12);
/// A camera's own times, capped: ten minutes are no time to stand before a box.
const WAIT_S_MAX: u64 = 15;
/// ONVIF first, then the connection, then a packet that does not come.
const SPARE: Duration = Duration::from_secs(10);
/// Key frames further apart make a camera decode everything (`camera/gate.rs`).
const GOP_S_MAX: f64 = 10.0;
/// Further off, times of clips and of incidents do not agree.
const CLOCK_OFF_S_MAX: f64 = 2.0;

/// What the running gateway knows of a camera, and since when.
type Known = Option<(CameraState, f64)>;

/// One question for each camera. Pictures go into `pictures`, where one is wanted.
pub(super) fn probes(
    all: &[camera::Config],
    running: Option<&CameraTable>,
    pictures: Option<&Path>,
) -> Vec<Probe> {
    let one = |camera: &camera::Config| {
        let known: Known = running.and_then(|table| {
            let state = table.cameras.iter().find(|state| state.id == camera.id)?;
            Some((state.clone(), table.up_s))
        });
        let (camera, file) =
            (camera.clone(), pictures.map(|folder| picture_of(folder, &camera.id)));
        let wait = Duration::from_secs(WAIT_S_MAX);
        let id = camera.id.clone();
        let ask = move || vec![examined(&camera, known.as_ref(), file.as_deref())];
        Probe { of: ("camera", id), within: wait * 2 + LOOK + SPARE, ask: Box::new(ask) }
    };
    all.iter().map(one).collect()
}

/// An id is a word of the configuration and may hold what no file name can.
fn picture_of(folder: &Path, id: &str) -> PathBuf {
    let plain = |c: char| if c.is_alphanumeric() || "-_".contains(c) { c } else { '_' };
    folder.join(format!("{}.jpg", id.chars().map(plain).collect::<String>()))
}

fn examined(
    camera: &camera::Config,
    known: Option<&(CameraState, f64)>,
    file: Option<&Path>,
) -> Diagnosis {
    let seen = looked_at(camera);
    let picture = match (&seen, file) {
        (Ok(StreamSeen { jpeg: Some(Ok(jpeg)), .. }), Some(file)) => Some(keep(file, jpeg)),
        _ => None,
    };
    told(camera, seen, known, picture)
}

fn looked_at(camera: &camera::Config) -> Result<StreamSeen, String> {
    let clock = RealClock::start();
    let camera =
        if camera.finds_streams() { found(camera, clock.clone())? } else { camera.clone() };
    let ms = |seconds: u64| seconds.min(WAIT_S_MAX) * 1000;
    let request = SessionRequest {
        url: camera.full_url()?,
        transport: camera.transport.as_str(),
        connect_ms: ms(camera.connect_timeout_s),
        stall_ms: ms(camera.stall_timeout_s),
        stop: StopFlag::default(),
    };
    media::see(&request, &camera.private, LOOK, || clock.now().wall)
}

/// Its streams, asked of the camera itself (ONVIF).
fn found(camera: &camera::Config, clock: Arc<RealClock>) -> Result<camera::Config, String> {
    let urls = Arc::<StreamUrls>::default();
    let (found, mut answer) = mpsc::channel(1);
    let finder = StreamFinder {
        camera: SourceId::from(camera.id.as_str()),
        config: camera.clone(),
        clock,
        urls: urls.clone(),
        found,
    };
    let (_stop, stopped) = watch::channel(false);
    within_runtime(async {
        let first = async {
            tokio::select! {
                () = finder.run(stopped) => {}
                _ = answer.recv() => {}
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(WAIT_S_MAX), first).await;
        Ok(())
    })?;
    let camera = urls.effective(camera);
    if camera.url.is_empty() {
        return Err(urls.why_none(Duration::ZERO, || false));
    }
    Ok(camera)
}

/// For its owner alone: it shows people.
fn keep(file: &Path, jpeg: &[u8]) -> Result<PathBuf, String> {
    let written = write_for_owner(file, jpeg);
    written.map(|()| file.to_path_buf()).map_err(|error| format!("{}: {error}", file.display()))
}

fn told(
    camera: &camera::Config,
    seen: Result<StreamSeen, String>,
    known: Option<&(CameraState, f64)>,
    picture: Option<Result<PathBuf, String>>,
) -> Diagnosis {
    let of = ("camera", camera.id.as_str());
    let up = known.is_some_and(|(state, _)| state.up);
    let seen = match seen {
        Ok(seen) => seen,
        Err(reason) if up => {
            let zh = format!("网关正在接收它的视频；再连一路被拒：{reason}{}", cost(known).0);
            let en = format!(
                "the gateway has its stream; a second connection failed: {reason}{}",
                cost(known).1
            );
            let one = Diagnosis::new(of, Gravity::Note, zh, en);
            return with_cost(one, known).advise(
                "许多摄像头只给一路连接；要看截图，先停网关再检查",
                "many cameras give one connection only; for a picture, stop the gateway and ask again",
            );
        }
        Err(reason) => {
            let zh = format!("没有视频：{reason}");
            let none = Diagnosis::new(of, Gravity::Bad, zh, format!("no video: {reason}"));
            return none.advise(
                "查电源、网线、地址、用户名和密码：gridpost discover 可以找到它",
                "check its power, cable, address, user and password; `gridpost discover` finds it",
            );
        }
    };
    let (mut zh, mut en) = stream_words(&seen);
    let (cost_zh, cost_en) = cost(known);
    zh += &cost_zh;
    en += &cost_en;
    let faults = faults(&seen, picture.as_ref());
    if let Some(Ok(path)) = &picture {
        zh += &format!("；截图 {}", path.display());
        en += &format!("; a picture is in {}", path.display());
    }
    let health = faults.iter().map(|fault| fault.0).max().unwrap_or(Gravity::Fine);
    for (_, fault_zh, fault_en, _) in &faults {
        zh += &format!("；{fault_zh}");
        en += &format!("; {fault_en}");
    }
    let mut one = with_cost(with_facts(Diagnosis::new(of, health, zh, en), &seen), known);
    if let Some((.., (advice_zh, advice_en))) = faults.into_iter().next() {
        one = one.advise(advice_zh, advice_en);
    }
    match picture {
        Some(Ok(path)) => one.fact("picture", path.display().to_string()),
        _ => one,
    }
}

fn stream_words(seen: &StreamSeen) -> (String, String) {
    let (width, height) = seen.size;
    let codec = seen.codec;
    let mut zh = format!("{codec} {width}×{height}");
    let mut en = format!("{codec} {width}x{height}");
    if let Some(fps) = seen.fps {
        zh += &format!("，{fps:.1} 帧/秒");
        en += &format!(", {fps:.1} pictures/s");
    }
    if let Some(kbit) = seen.kbit_s {
        zh += &format!("，{kbit:.0} kbit/s");
        en += &format!(", {kbit:.0} kbit/s");
    }
    if let Some(gop) = seen.gop_s {
        zh += &format!("，关键帧间隔 {gop:.1} 秒");
        en += &format!(", key frames {gop:.1} s apart");
    }
    match seen.clock_offset_s {
        Some(off) => {
            zh += &format!("，时钟差 {off:+.1} 秒");
            en += &format!(", its clock {off:+.1} s from ours");
        }
        None => {
            zh += "，没有报时钟";
            en += ", it does not tell its clock";
        }
    }
    if let Some(ms) = seen.decode_ms {
        zh += &format!("，解一帧 {ms:.0} 毫秒");
        en += &format!(", a key frame decodes in {ms:.0} ms");
    }
    (zh, en)
}

type StreamFault = (Gravity, String, String, (&'static str, &'static str));

/// What is wrong with it, the worst first.
fn faults(seen: &StreamSeen, picture: Option<&Result<PathBuf, String>>) -> Vec<StreamFault> {
    const KEY_FRAMES: (&str, &str) = (
        "在摄像头里把关键帧间隔（I 帧间隔）设成 1 到 2 秒，关掉帧内刷新",
        "set its key frame interval (I frames) to 1 to 2 s, and switch intra refresh off",
    );
    let mut faults: Vec<StreamFault> = Vec::new();
    if let Some(Err(reason)) = &seen.jpeg {
        let advice = (
            "换 H.264 试试；仍不行就更新摄像头固件",
            "try H.264; if that fails too, renew its firmware",
        );
        faults.push((
            Gravity::Bad,
            format!("画面解不出来：{reason}"),
            format!("no picture comes of it: {reason}"),
            advice,
        ));
    }
    if let Some(Err(reason)) = picture {
        let advice = (
            "用 --pictures 指定一个能写的目录",
            "name a folder that can be written to with --pictures",
        );
        faults.push((
            Gravity::Note,
            format!("截图没有存下：{reason}"),
            format!("its picture was not kept: {reason}"),
            advice,
        ));
    }
    let looked = seen.seconds;
    match seen.gop_s {
        Some(gop) if gop > GOP_S_MAX => faults.push((
            Gravity::Note,
            "关键帧太稀，每一帧都得解".into(),
            "its key frames are too far apart: everything is decoded".into(),
            KEY_FRAMES,
        )),
        None if seen.key_frames == 0 => faults.push((
            Gravity::Note,
            format!("{looked:.0} 秒内没有关键帧"),
            format!("no key frame within {looked:.0} s"),
            KEY_FRAMES,
        )),
        _ => {}
    }
    if seen.clock_offset_s.is_some_and(|off| off.abs() > CLOCK_OFF_S_MAX) {
        let advice = (
            "在摄像头里开 NTP 校时，指向本机或同一台时间服务器",
            "switch on its NTP, with the time server of this box",
        );
        faults.push((Gravity::Note, "它的时钟不准".into(), "its clock is wrong".into(), advice));
    }
    faults
}

/// Share of one core since the gateway started, percent.
fn percent((state, up_s): &(CameraState, f64)) -> f64 {
    (state.look_s + state.awake_s + state.detect_s) / up_s.max(1.0) * 100.0
}

fn cost(known: Option<&(CameraState, f64)>) -> (String, String) {
    let Some(known) = known else { return Default::default() };
    let percent = percent(known);
    let by = &known.0.decoding;
    (
        format!(
            "，占一个核的 {percent:.1}%{}",
            if by.is_empty() { String::new() } else { format!("（{by}）") }
        ),
        format!(
            ", {percent:.1} % of one core{}",
            if by.is_empty() { String::new() } else { format!(" ({by})") }
        ),
    )
}

fn with_cost(one: Diagnosis, known: Option<&(CameraState, f64)>) -> Diagnosis {
    match known {
        Some(known) => one.fact("core_percent", rounded(percent(known))),
        None => one,
    }
}

fn with_facts(one: Diagnosis, seen: &StreamSeen) -> Diagnosis {
    let one = one
        .fact("codec", seen.codec)
        .fact("width", seen.size.0)
        .fact("height", seen.size.1)
        .fact("looked_at_s", rounded(seen.seconds));
    let figures = [
        ("fps", seen.fps),
        ("kbit_s", seen.kbit_s),
        ("gop_s", seen.gop_s),
        ("clock_offset_s", seen.clock_offset_s),
        ("decode_ms", seen.decode_ms),
    ];
    figures.into_iter().fold(one, |one, (name, value)| match value {
        Some(value) => one.fact(name, rounded(value)),
        None => one,
    })
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera() -> camera::Config {
        toml::from_str("id = \"gate\"\nurl = \"rtsp://h/1\"").unwrap()
    }

    fn seen() -> StreamSeen {
        StreamSeen {
            codec: "H.264",
            size: (1920, 1080),
            fps: Some(25.0),
            gop_s: Some(2.0),
            key_frames: 2,
            clock_offset_s: Some(0.1),
            jpeg: Some(Ok(Vec::new())),
            ..StreamSeen::default()
        }
    }

    #[test]
    fn a_camera_is_judged_by_what_is_seen_at_both_sides_of_each_bound() {
        let health = |change: &dyn Fn(&mut StreamSeen)| {
            let mut seen = seen();
            change(&mut seen);
            let one = told(&camera(), Ok(seen), None, None);
            assert_eq!(one.advice.is_some(), one.health != Gravity::Fine, "{one:?}");
            one.health
        };
        assert_eq!(health(&|_| {}), Gravity::Fine);
        assert_eq!(health(&|seen| seen.gop_s = Some(10.0)), Gravity::Fine);
        assert_eq!(health(&|seen| seen.gop_s = Some(10.1)), Gravity::Note);
        assert_eq!(health(&|seen| (seen.gop_s, seen.key_frames) = (None, 1)), Gravity::Fine);
        assert_eq!(health(&|seen| (seen.gop_s, seen.key_frames) = (None, 0)), Gravity::Note);
        assert_eq!(health(&|seen| seen.clock_offset_s = Some(-2.1)), Gravity::Note);
        assert_eq!(health(&|seen| seen.clock_offset_s = Some(2.0)), Gravity::Fine);
        assert_eq!(health(&|seen| seen.clock_offset_s = None), Gravity::Fine);
        assert_eq!(health(&|seen| seen.jpeg = Some(Err("broken".into()))), Gravity::Bad);
    }

    #[test]
    fn a_camera_that_gives_one_connection_only_is_no_fault_while_the_gateway_has_it() {
        let state = |up| (CameraState { up, awake_s: 5.0, ..CameraState::default() }, 100.0);
        let of = |known| told(&camera(), Err("453 Not Enough Bandwidth".into()), known, None);
        let (up, down) = (state(true), state(false));
        let has_it = of(Some(&up));
        assert_eq!((has_it.health, &has_it.facts["core_percent"]), (Gravity::Note, &5.0.into()));
        assert_eq!(of(Some(&down)).health, Gravity::Bad);
        assert_eq!(of(None).health, Gravity::Bad);
    }

    #[test]
    fn an_id_leads_to_no_other_folder() {
        let of = |id| picture_of(Path::new("/p"), id);
        assert_eq!(of("gate-1"), Path::new("/p/gate-1.jpg"));
        assert_eq!(of("../../etc/东门"), Path::new("/p/______etc_东门.jpg"));
    }
}
