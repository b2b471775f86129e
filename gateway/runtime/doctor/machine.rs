//! The box itself: its disk, its time, and the model on its processor.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    diagnosis::{Diagnosis, Gravity},
    probe::Probe,
};
use crate::{base::RealClock, config::Config, domain::Clock, vision};

/// Blocks that are written and synced one by one, as the journal does it.
const SYNCS: usize = 12;
const BLOCK: [u8; 4096] = [0x5a; 4096];
/// An acknowledgement waits for one sync: beyond this a person notices.
const SYNC_MS_SLOW: f64 = 100.0;
const SYNC_MS_BAD: f64 = 2_000.0;
/// Older than this program: a box whose clock starts at 1970 or at its battery's end.
const YEAR_MIN: i16 = 2025;
const DISK_WITHIN: Duration = Duration::from_secs(40);
const TIME_WITHIN: Duration = Duration::from_secs(10);
const MODEL_WITHIN: Duration = Duration::from_secs(120);

/// Disk, time, and the model where something is looked at.
pub(super) fn probes(config: &Config) -> Vec<Probe> {
    let (data, min_free) = (config.data.path.clone(), config.data.min_free_bytes);
    let mut probes = vec![
        Probe {
            of: ("disk", String::new()),
            within: DISK_WITHIN,
            ask: Box::new(move || vec![disk(&data, min_free)]),
        },
        Probe {
            of: ("time", String::new()),
            within: TIME_WITHIN,
            ask: Box::new(|| vec![time(synchronized())]),
        },
    ];
    if !config.cameras.is_empty() || !config.drones.is_empty() {
        let (model, models) = (config.model.clone(), config.models_dir.clone());
        let library = config.library.clone();
        let ask = move || vec![loaded(&model, &models, library.as_deref())];
        probes.push(Probe {
            of: ("model", String::new()),
            within: MODEL_WITHIN,
            ask: Box::new(ask),
        });
    }
    probes
}

fn disk(data: &Path, min_free: u64) -> Diagnosis {
    const PART: (&str, &str) = ("disk", "");
    let bad = |error: &dyn std::fmt::Display| {
        let zh = format!("数据目录用不了：{}：{error}", data.display());
        let en = format!("the data folder cannot be used: {}: {error}", data.display());
        let bad = Diagnosis::new(PART, Gravity::Bad, zh, en);
        bad.advise(
            "用服务的用户或 root 运行；查挂载和权限",
            "run this as the service's user or as root; check mount and rights",
        )
    };
    // Before the first start there is none; the file system is that of what is there.
    let here = |folder: &Path| match folder.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => folder.to_path_buf(),
    };
    let Some(folder) = data.ancestors().map(here).find(|folder| folder.is_dir()) else {
        return bad(&"no folder above it is there");
    };
    let space = match rustix::fs::statvfs(&folder) {
        Ok(space) => space,
        Err(error) => return bad(&error),
    };
    let kind = match rustix::fs::statfs(&folder) {
        Ok(found) => file_system(found.f_type),
        Err(error) => return bad(&error),
    };
    let syncs = match sync_times(&folder) {
        Ok(times) => times,
        Err(error) => return bad(&error),
    };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    disk_told(free, min_free, kind, &syncs)
}

fn disk_told(free: u64, min_free: u64, kind: FileSystem, syncs_ms: &[f64]) -> Diagnosis {
    let median = syncs_ms.get(syncs_ms.len() / 2).copied().unwrap_or_default();
    let worst = syncs_ms.last().copied().unwrap_or_default();
    let gb = free as f64 / 1e9;
    let name = kind.name;
    let zh = format!("{name}，空闲 {gb:.1} GB，一次落盘 {median:.1} 毫秒（最慢 {worst:.1}）");
    let en = format!("{name}, {gb:.1} GB free, one sync takes {median:.1} ms (slowest {worst:.1})");
    let (health, advice) = if !kind.lasts {
        (
            Gravity::Bad,
            Some((
                "这不是真的磁盘，断电就没了：[data] path 指到固态硬盘",
                "this is no disk, and gone with the power: put [data] path on an SSD",
            )),
        )
    } else if free < min_free {
        (
            Gravity::Bad,
            Some((
                "空间不够：腾出空间，或减小 [data] evidence_max_bytes",
                "too little room: make some, or lower [data] evidence_max_bytes",
            )),
        )
    } else if median > SYNC_MS_BAD {
        (
            Gravity::Bad,
            Some((
                "磁盘快坏了或接触不良：dmesg、smartctl，换盘",
                "the disk is failing or badly connected: dmesg, smartctl, replace it",
            )),
        )
    } else if median > SYNC_MS_SLOW {
        (
            Gravity::Note,
            Some((
                "每次按钮确认都要等落盘：换固态硬盘，别用存储卡",
                "each acknowledgement waits for it: an SSD, and no memory card",
            )),
        )
    } else if kind.remote {
        (
            Gravity::Note,
            Some((
                "网络盘断了就不能确认：数据放本机",
                "nothing is acknowledged while the network is away: keep the data on this box",
            )),
        )
    } else if free < min_free.saturating_mul(2) {
        (
            Gravity::Note,
            Some(("空间快到下限了", "near the limit below which pictures are no longer kept")),
        )
    } else {
        (Gravity::Fine, None)
    };
    let told = Diagnosis::new(("disk", ""), health, zh, en)
        .fact("file_system", name)
        .fact("free_bytes", free)
        .fact("sync_ms", (median * 100.0).round() / 100.0)
        .fact("sync_ms_max", (worst * 100.0).round() / 100.0);
    match advice {
        Some((zh, en)) => told.advise(zh, en),
        None => told,
    }
}

/// Milliseconds, the fastest first. The file goes again.
fn sync_times(folder: &Path) -> std::io::Result<Vec<f64>> {
    let path = folder.join(format!(".gridpost-doctor-{}", std::process::id()));
    let _remove = Removed(path.clone());
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct FileSystem {
    name: &'static str,
    /// What is synced is there after a power cut.
    lasts: bool,
    remote: bool,
}

/// By the number that Linux has for it (statfs(2)).
fn file_system(number: i64) -> FileSystem {
    let local = |name| FileSystem { name, lasts: true, remote: false };
    let memory = |name| FileSystem { name, lasts: false, remote: false };
    let remote = |name| FileSystem { name, lasts: true, remote: true };
    match number & 0xffff_ffff {
        0x0102_1994 => memory("tmpfs"),
        0x8584_58f6 => memory("ramfs"),
        0xef53 => local("ext4"),
        0x5846_5342 => local("xfs"),
        0x9123_683e => local("btrfs"),
        0xf2f5_2010 => local("f2fs"),
        0x2fc1_2fc1 => local("zfs"),
        0x794c_7630 => local("overlayfs"),
        0x4d44 => local("vfat"),
        0x6969 => remote("nfs"),
        0xff53_4d42 | 0xfe53_4d42 => remote("smb"),
        0x6573_5546 => remote("fuse"),
        _ => local("?"),
    }
}

/// Whether somebody keeps the clock right; None: nobody here can say.
fn synchronized() -> Option<bool> {
    let asked = Command::new("timedatectl")
        .args(["show", "--property=NTPSynchronized", "--value"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    let said = asked.ok().filter(|asked| asked.status.success());
    match said.as_ref().map(|said| said.stdout.trim_ascii()) {
        Some(b"yes") => return Some(true),
        Some(b"no") => return Some(false),
        _ => {}
    }
    Path::new("/run/systemd/timesync/synchronized").exists().then_some(true)
}

fn time(synchronized: Option<bool>) -> Diagnosis {
    let now = RealClock::start().now().wall;
    let zoned = now.to_zoned(jiff::tz::TimeZone::system());
    let (at, year) = (zoned.strftime("%Y-%m-%d %H:%M:%S %:z").to_string(), zoned.year());
    time_told(&at, year, synchronized)
}

fn time_told(at: &str, year: i16, synchronized: Option<bool>) -> Diagnosis {
    let (health, zh, en) = match (year < YEAR_MIN, synchronized) {
        (true, _) => (Gravity::Bad, "时间不对", "the time is wrong"),
        (_, Some(true)) => (Gravity::Fine, "已与时间服务器同步", "kept right by a time server"),
        (_, Some(false)) => {
            (Gravity::Bad, "没有与时间服务器同步", "not kept right by any time server")
        }
        (_, None) => {
            (Gravity::Note, "查不到是否校时", "whether a time server keeps it is not known here")
        }
    };
    let told = Diagnosis::new(("time", ""), health, format!("{at}：{zh}"), format!("{at}: {en}"));
    let told = match synchronized {
        Some(yes) => told.fact("synchronized", yes),
        None => told,
    };
    match health {
        Gravity::Fine => told,
        _ => told.advise(
            "开校时：timedatectl set-ntp true（装 systemd-timesyncd 或 chrony）；没有外网就指向本地时间服务器",
            "timedatectl set-ntp true (package systemd-timesyncd or chrony); without the Internet, name a local time server",
        ),
    }
}

fn loaded(config: &vision::Config, models: &Path, library: Option<&Path>) -> Diagnosis {
    const PART: (&str, &str) = ("model", "");
    let run = || -> Result<(String, String, f64), String> {
        let mut detector = vision::load(config, models, library)?;
        let (model, provider) = (detector.model(), detector.provider().name().to_owned());
        let fastest = vision::fastest_ms(std::slice::from_mut(&mut detector));
        Ok((model, provider, fastest.map_err(|error| error.to_string())?[0]))
    };
    match run() {
        Ok((model, provider, ms)) => Diagnosis::new(
            PART,
            Gravity::Fine,
            format!("{model} 能加载，看一眼 {ms:.1} 毫秒（{provider}）"),
            format!("{model} loads, one look takes {ms:.1} ms ({provider})"),
        )
        .fact("model", model)
        .fact("provider", provider)
        .fact("look_ms", ms),
        Err(reason) => Diagnosis::new(
            PART,
            Gravity::Bad,
            format!("模型不能用，摄像头认不出人：{reason}"),
            format!("no model, so cameras recognise nothing: {reason}"),
        )
        .advise(
            "gridpost models fetch，或用 GRIDPOST_MODELS 指出模型在哪个目录",
            "gridpost models fetch, or name the folder of the models with GRIDPOST_MODELS",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXT4: i64 = 0xef53;

    #[test]
    fn a_disk_is_judged_by_room_speed_and_whether_it_is_one() {
        let health = |free, kind, ms| disk_told(free, 1_000, file_system(kind), &[ms; 3]).health;
        assert_eq!(health(2_000, EXT4, 1.0), Gravity::Fine);
        assert_eq!(health(1_999, EXT4, 1.0), Gravity::Note);
        assert_eq!(health(999, EXT4, 1.0), Gravity::Bad);
        assert_eq!(
            [100.0, 100.1, 2_000.0, 2_000.1].map(|ms| health(9_999, EXT4, ms)),
            [Gravity::Fine, Gravity::Note, Gravity::Note, Gravity::Bad]
        );
        assert_eq!(health(9_999, 0x0102_1994, 0.01), Gravity::Bad, "memory");
        assert_eq!(health(9_999, 0x6969, 1.0), Gravity::Note, "nfs");
        assert_eq!(health(9_999, 77, 1.0), Gravity::Fine, "one that is not known");
    }

    #[test]
    fn a_sync_is_timed_on_the_disk_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("not/yet");
        let told = disk(&data, 1);
        assert!(told.facts["sync_ms_max"].as_f64() > Some(0.0), "{told:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let relative = disk(Path::new("a-folder-that-is-not-there"), 1);
        assert!(relative.facts.contains_key("sync_ms"), "{relative:?}");
        // What stands there is a file: the folder above it is what is measured.
        assert_ne!(disk(&file, u64::MAX).health, Gravity::Fine);
    }

    #[test]
    fn a_time_of_which_nobody_knows_is_not_called_right() {
        let health = |year, synchronized| time_told("t", year, synchronized).health;
        assert_eq!(health(2026, Some(true)), Gravity::Fine);
        assert_eq!(health(2026, Some(false)), Gravity::Bad);
        assert_eq!(health(2026, None), Gravity::Note);
        assert_eq!(health(2025, Some(true)), Gravity::Fine);
        assert_eq!(health(2024, Some(true)), Gravity::Bad);
        assert_eq!(health(1970, None), Gravity::Bad);
    }
}
