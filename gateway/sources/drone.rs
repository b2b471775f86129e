//! `[[drone]]`: what an installer types of a drone: where its pictures come from or arrive, and how it says where it is.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::camera::{
    self, CLIP_S_MAX, RING_BYTES_MAX, RING_BYTES_MIN, ROLL_S_MAX, TIMEOUT_S_MAX, range_problems,
};
use crate::{
    domain::{Datum, DroneInfo, Errors},
    wire::address,
};

/// Longest wait for a drone that connects to us, seconds; then the port is opened anew. No drone
/// for days is normal.
const LISTEN_S: u64 = 3_600;
/// A drone that we connect to answers within this, seconds.
const PULL_S: u64 = 10;
/// A connection on which nothing is sent is closed after this, seconds.
const MUTE_S: u64 = 10;

/// How the address of a feed that is fetched begins.
const FEEDS: &[&str] = &["rtsp", "rtsps", "rtmp", "srt"];
/// Pictures later than telemetry by more than this belong to nothing any more.
const VIDEO_DELAY_MS_MAX: u64 = 60_000;

/// `[[drone]]`: a camera that comes and goes, and moves. While it is absent nothing is wrong.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub id: String,
    /// Name for people. Default: the id.
    #[serde(default)]
    pub name: String,
    /// Where its pictures are fetched: `rtsp://…`, `rtmp://…`, `srt://…` (credentials may stand in it, or come
    /// by `${NAME}`).
    #[serde(default)]
    pub url: Option<String>,
    /// Where it, or its dock, pushes to us: `srt://0.0.0.0:9710?passphrase=…` (10 to 79 characters:
    /// encrypted, and only who has it gets in), `rtmp://0.0.0.0:1935/live/KEY` or
    /// `udp://0.0.0.0:9711` for MPEG-TS. RTMP and UDP take pictures from anybody who reaches the
    /// port (the key is no lock): for a network of your own. Each needs a port of its own.
    #[serde(default)]
    pub listen: Option<String>,
    /// User name, where it is not in the url.
    #[serde(default)]
    pub username: Option<String>,
    /// File with the password, where it is not in the url; read at each connection.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Serial number by which it reports in DJI Cloud API topics, `thing/product/{serial}/osd`;
    /// an `[[mqtt]]` broker must subscribe to them. KLV (MISB ST 0601) in the video needs no key.
    #[serde(default)]
    pub serial: Option<String>,
    /// `[lon, lat]`, degrees: its dock. It is the place of nothing that it sees.
    #[serde(default)]
    pub place: Option<[f64; 2]>,
    /// What `place` refers to. Default: as `[site] datum`.
    #[serde(default)]
    pub datum: Option<Datum>,
    /// Code of the grid of its dock.
    #[serde(default)]
    pub grid: Option<String>,
    /// Ground of the site above mean sea level, metres, where telemetry does not say it. Without
    /// it, DJI's height above the point of take-off counts.
    #[serde(default)]
    pub ground_m: Option<f64>,
    /// Mean sea level above the WGS 84 ellipsoid here (geoid height), metres: −14 in Wuhan, −10 in
    /// Beijing, 7 in Shanghai. Default 0.
    #[serde(default)]
    pub geoid_m: f64,
    /// Field of view at zoom 1, horizontal and vertical, degrees, where telemetry does not say it.
    /// Default `[66, 40]`.
    #[serde(default = "fov_deg")]
    pub fov_deg: [f64; 2],
    /// Milliseconds by which pictures come later than telemetry by MQTT, 0 to 60000. Default 0; some
    /// 500 to 3000 by RTMP.
    #[serde(default)]
    pub video_delay_ms: u64,
    /// Seconds of silence, of pictures and of telemetry, after which a flight is over. Default 60.
    #[serde(default = "flight_end_s")]
    pub flight_end_s: u64,
    /// Standard deviation of its position, north and east, metres each. Default 2.
    #[serde(default = "position_error_m")]
    pub position_error_m: f64,
    /// Standard deviation of its height above the ground, which is taken to be flat, metres. Default 3.
    #[serde(default = "height_error_m")]
    pub height_error_m: f64,
    /// Standard deviation of where its camera looks, degrees each way. Default 1.
    #[serde(default = "attitude_error_deg")]
    pub attitude_error_deg: f64,
    /// Pictures a second that are looked at. Default 2.
    #[serde(default = "two_fps")]
    pub detect_fps: f64,
    /// Seconds of clip before a happening began, 0 to 300. Default 5.
    #[serde(default = "camera::five")]
    pub pre_roll_s: u64,
    /// Seconds of clip after it ended, 0 to 300. Default 5.
    #[serde(default = "camera::five")]
    pub post_roll_s: u64,
    /// Longest clip after the beginning, seconds, 1 to 3600. Default 30.
    #[serde(default = "camera::clip_max_s")]
    pub clip_max_s: u64,
    /// Bytes of packets kept for clips, 1 MiB to 4 GiB. Default 64 MiB.
    #[serde(default = "camera::ring_max_bytes")]
    pub ring_max_bytes: usize,
    /// Seconds without a picture, 1 to 600, after which its stream is over. Default 10.
    #[serde(default = "camera::ten")]
    pub stall_timeout_s: u64,
}

fn fov_deg() -> [f64; 2] {
    [66.0, 40.0]
}
fn flight_end_s() -> u64 {
    60
}
fn position_error_m() -> f64 {
    2.0
}
fn height_error_m() -> f64 {
    3.0
}
fn attitude_error_deg() -> f64 {
    1.0
}
fn two_fps() -> f64 {
    2.0
}

/// What FFmpeg is to open, and how.
pub struct Feed {
    /// With credentials; never printed.
    pub url: String,
    pub options: Vec<(&'static str, String)>,
    /// Seconds until it must be open.
    pub connect_s: u64,
    /// FFmpeg listens, and the drone connects to it.
    pub listens: bool,
}

impl Config {
    /// False for a drone of which only telemetry is known.
    pub fn has_feed(&self) -> bool {
        self.url.is_some() || self.listen.is_some()
    }

    /// What to open; the error is one sentence.
    pub fn feed(&self) -> Result<Feed, String> {
        let Some(listen) = &self.listen else {
            let url = self.url.as_deref().unwrap_or_default();
            let (user, password) = (self.username.as_deref(), self.password_file.as_deref());
            let url = camera::with_credentials(url, user, password)?;
            let options = only("rtsp,flv,live_flv,mpegts");
            return Ok(Feed { url, options, connect_s: PULL_S, listens: false });
        };
        let mute = (MUTE_S * 1_000_000).to_string();
        // A stranger's bytes are not to be taken for a playlist that names files and addresses.
        let (url, mut options) = match scheme(listen) {
            "rtmp" => {
                let mut options = only("flv,live_flv");
                options.extend([("listen", "1".into()), ("rw_timeout", mute)]);
                (listen.clone(), options)
            }
            "srt" => {
                let mut options = only("mpegts");
                options.extend([("mode", "listener".into()), ("rw_timeout", mute)]);
                (listen.clone(), options)
            }
            _ => {
                let mut options = only("mpegts");
                options.push(("overrun_nonfatal", "1".into()));
                (listen.clone(), options)
            }
        };
        // Two seconds are enough to see what is in it; the default of five is late for a flight.
        options.push(("analyzeduration", "2000000".into()));
        Ok(Feed { url, options, connect_s: LISTEN_S, listens: true })
    }

    /// Where its pictures come from, as it may be printed: the path of RTMP is a key, and what
    /// stands behind `?` may be one.
    pub fn shown(&self) -> String {
        let full = self.listen.as_ref().or(self.url.as_ref()).map_or("", String::as_str);
        match url::Url::parse(full) {
            _ if address::redact(full).ends_with("://…") || !full.contains("://") => {
                address::redact(full)
            }
            Ok(url) => format!(
                "{}://{}{}/…",
                url.scheme(),
                url.host_str().unwrap_or_default(),
                url.port().map(|port| format!(":{port}")).unwrap_or_default()
            ),
            Err(_) => scheme(full).to_owned(),
        }
    }

    /// What the core needs to know of it.
    pub fn info(&self) -> DroneInfo {
        DroneInfo {
            id: self.id.as_str().into(),
            serial: self.serial.clone(),
            fov_deg: self.fov_deg,
            ground_msl_m: self.ground_m,
            geoid_m: self.geoid_m,
            video_delay_ms: self.video_delay_ms,
            flight_end_ms: self.flight_end_s.saturating_mul(1000),
            errors: Errors {
                position_m: self.position_error_m,
                height_m: self.height_error_m,
                attitude_deg: self.attitude_error_deg,
                ..Errors::default()
            },
        }
    }

    /// The port it listens at, with its transport: no two drones can have the same.
    pub fn port(&self) -> Option<(&'static str, u16)> {
        let url = url::Url::parse(self.listen.as_ref()?).ok()?;
        let transport = if url.scheme() == "rtmp" { "tcp" } else { "udp" };
        Some((transport, url.port()?))
    }

    /// Warnings as (key, message): what works and may be regretted.
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        let listened = self.listen.as_ref().and_then(|listen| url::Url::parse(listen).ok());
        let open = listened.filter(|url| {
            let here = ["127.0.0.1", "localhost", "[::1]"].contains(&url.host_str().unwrap_or(""));
            !here && !url.query_pairs().any(|(key, _)| key == "passphrase")
        });
        let message = "anybody who reaches this port can send pictures as this drone; srt with ?passphrase= lets in only who has it";
        open.map(|_| ("listen", message.to_owned())).into_iter().collect()
    }

    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        match (&self.url, &self.listen) {
            (Some(_), Some(_)) => {
                problems.push(("listen", "there is `url` too; give the one or the other".into()));
            }
            (None, None) if self.serial.is_none() => {
                let message = "expected `url`, `listen` or `serial`: where does it come from?";
                problems.push(("url", message.into()));
            }
            (Some(url), None) => {
                problems.extend(address::problem(url, FEEDS).map(|message| ("url", message)));
            }
            (None, Some(listen)) => problems.extend(listen_problem(listen)),
            _ => {}
        }
        let serial = self.serial.as_deref().unwrap_or("x");
        if serial.is_empty() || serial.contains(['/', '+', '#']) {
            problems.push(("serial", "expected a serial number; it is part of a topic".into()));
        }
        for (key, value, low, high) in [
            ("fov_deg", self.fov_deg[0], 0.1, 170.0),
            ("fov_deg", self.fov_deg[1], 0.1, 170.0),
            ("ground_m", self.ground_m.unwrap_or(0.0), -500.0, 9_000.0),
            ("geoid_m", self.geoid_m, -120.0, 120.0),
            ("position_error_m", self.position_error_m, 0.0, 100.0),
            ("height_error_m", self.height_error_m, 0.0, 100.0),
            ("attitude_error_deg", self.attitude_error_deg, 0.0, 20.0),
            ("detect_fps", self.detect_fps, 0.1, 60.0),
        ] {
            if !(low..=high).contains(&value) {
                problems.push((key, format!("{value}: expected {low} to {high}")));
            }
        }
        problems.extend(range_problems(&[
            ("flight_end_s", self.flight_end_s, 5, 86_400, "seconds"),
            ("video_delay_ms", self.video_delay_ms, 0, VIDEO_DELAY_MS_MAX, "milliseconds"),
            ("pre_roll_s", self.pre_roll_s, 0, ROLL_S_MAX, "seconds"),
            ("post_roll_s", self.post_roll_s, 0, ROLL_S_MAX, "seconds"),
            ("clip_max_s", self.clip_max_s, 1, CLIP_S_MAX, "seconds"),
            ("ring_max_bytes", self.ring_max_bytes as u64, RING_BYTES_MIN, RING_BYTES_MAX, "bytes"),
            ("stall_timeout_s", self.stall_timeout_s, 1, TIMEOUT_S_MAX, "seconds"),
        ]));
        problems
    }
}

fn scheme(url: &str) -> &str {
    url.split("://").next().unwrap_or_default()
}

fn only(formats: &str) -> Vec<(&'static str, String)> {
    vec![("format_whitelist", formats.into())]
}

fn listen_problem(listen: &str) -> Option<(&'static str, String)> {
    let expected =
        "expected rtmp://0.0.0.0:PORT/live/KEY, srt://0.0.0.0:PORT or udp://0.0.0.0:PORT";
    let Ok(url) = url::Url::parse(listen) else {
        return Some(("listen", expected.into()));
    };
    if !["rtmp", "srt", "udp"].contains(&url.scheme()) || url.port().is_none() {
        return Some(("listen", expected.into()));
    }
    let path = url.path_segments().map_or(0, |parts| parts.filter(|one| !one.is_empty()).count());
    if url.scheme() == "rtmp" && path < 2 {
        return Some(("listen", format!("no application and key in it; {expected}")));
    }
    let passphrase = url.query_pairs().find(|(key, _)| key == "passphrase");
    match passphrase {
        Some((_, phrase)) if !(10..=79).contains(&phrase.len()) => {
            Some(("listen", "its passphrase has not 10 to 79 characters".into()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(keys: &str) -> Vec<String> {
        let config: Config = toml::from_str(&format!("id = \"uav\"\n{keys}")).unwrap();
        config.problems().into_iter().map(|(key, message)| format!("{key}: {message}")).collect()
    }

    #[test]
    fn what_cannot_work_is_told() {
        assert!(check("listen = \"srt://0.0.0.0:9710?passphrase=0123456789\"").is_empty());
        assert!(check("serial = \"1581F5\"").is_empty());
        let warned = |listen: &str| {
            let text = format!("id = \"uav\"\nlisten = \"{listen}\"");
            toml::from_str::<Config>(&text).unwrap().warnings().len()
        };
        assert_eq!(warned("udp://127.0.0.1:1"), 0);
        assert_eq!(warned("srt://0.0.0.0:1?passphrase=0123456789"), 0);
        assert_eq!(warned("srt://0.0.0.0:1"), 1);
        assert_eq!(warned("rtmp://0.0.0.0:1935/live/key"), 1);
        for (keys, part) in [
            ("", "url: expected `url`, `listen` or `serial`"),
            ("url = \"rtsp://h/1\"\nlisten = \"udp://0.0.0.0:1\"", "listen: there is `url` too"),
            ("url = \"http://h/1\"", "url: expected rtsp://"),
            ("listen = \"udp://0.0.0.0\"", "listen: expected rtmp://"),
            ("listen = \"rtmp://0.0.0.0:1935/live\"", "listen: no application and key"),
            ("listen = \"srt://0.0.0.0:1?passphrase=short\"", "its passphrase has not"),
            (
                "listen = \"udp://0.0.0.0:1\"\nfov_deg = [66, 400]",
                "fov_deg: 400: expected 0.1 to 170",
            ),
            ("serial = \"a/b\"", "serial: expected a serial number"),
            ("serial = \"a\"\nflight_end_s = 0", "flight_end_s: 0: expected seconds"),
            ("serial = \"a\"\nvideo_delay_ms = 60001", "video_delay_ms: 60001: expected"),
            ("serial = \"a\"\nclip_max_s = 9223372036854775807", "expected seconds, 1 to 3600"),
            (
                "serial = \"a\"\nstall_timeout_s = 0",
                "stall_timeout_s: 0: expected seconds, 1 to 600",
            ),
            ("serial = \"a\"\nring_max_bytes = 1048575", "expected bytes, 1048576 to 4294967296"),
        ] {
            let told = check(keys);
            assert!(told.iter().any(|line| line.contains(part)), "{part} not in {told:?}");
        }
    }

    #[test]
    fn no_key_is_shown_and_a_stranger_cannot_send_a_playlist() {
        let config: Config =
            toml::from_str("id = \"uav\"\nlisten = \"rtmp://0.0.0.0:1935/live/s3cret\"").unwrap();
        assert_eq!(config.shown(), "rtmp://0.0.0.0:1935/…");
        let feed = config.feed().unwrap();
        assert!(feed.options.contains(&("format_whitelist", "flv,live_flv".into())));
        let config: Config =
            toml::from_str("id = \"uav\"\nlisten = \"srt://0.0.0.0:9?passphrase=s3cret7890\"")
                .unwrap();
        assert!(!config.shown().contains("s3cret"));
        for hidden in ["rtsp://admin:s3cret#x@192.0.2.1/a", "admin:s3cret@192.0.2.1/a"] {
            let config: Config =
                toml::from_str(&format!("id = \"uav\"\nurl = {hidden:?}")).unwrap();
            assert!(!config.shown().contains("s3cret"), "{}", config.shown());
            let told: Vec<_> = config.problems();
            assert!(!told.is_empty() && !format!("{told:?}").contains("s3cret"), "{told:?}");
        }
        assert_eq!(config.port(), Some(("udp", 9)));
    }
}
