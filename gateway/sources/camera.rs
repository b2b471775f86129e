//! `[[camera]]`: what an installer types of a camera or a recorded clip, and its full url when it is opened.

mod onvif;
mod streams;

pub use onvif::Credentials;
pub use streams::{FoundStreams, StreamUrls};

use std::path::{Path, PathBuf};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use url::Url;

use crate::{
    domain::{Datum, HwDecode},
    wire::{address, file_stamp::read_text},
};

/// How the address of a live stream begins.
const STREAMS: &[&str] = &["rtsp", "rtsps"];

/// How RTSP carries its packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    #[default]
    Tcp,
    Udp,
}

impl Transport {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// How fast a recorded clip is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Speed {
    /// As it was recorded; what vision cannot keep up with is skipped, as with a live camera.
    #[default]
    Real,
    /// As fast as vision can look; no picture that is wanted is skipped.
    Max,
}

/// How much of a camera's stream is decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decode {
    /// Key frames now and then; everything, from before it began, once something has changed.
    #[default]
    Adaptive,
    /// Everything, always. For a camera that turns.
    Full,
}

/// `[[camera]]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub id: String,
    /// Name for people. Default: the id.
    #[serde(default)]
    pub name: String,
    /// `rtsp://…` (credentials may stand in it, or come by `${NAME}`), or a video file. Without it,
    /// `onvif` finds both streams.
    #[serde(default)]
    pub url: String,
    /// User name, where it is not in the url.
    #[serde(default)]
    pub username: Option<String>,
    /// File with the password, where it is not in the url; read at each connection.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// `[lon, lat]`, degrees.
    #[serde(default)]
    pub place: Option<[f64; 2]>,
    /// What `place` refers to. Default: as `[site] datum`.
    #[serde(default)]
    pub datum: Option<Datum>,
    /// Code of its grid, where the place is not known.
    #[serde(default)]
    pub grid: Option<String>,
    /// Where it looks, from true north, clockwise, degrees, 0 to 360: the map draws what it sees. Without
    /// it, it is a point there.
    #[serde(default)]
    pub bearing_deg: Option<f64>,
    /// How wide it sees, degrees, 1 to 360. Default 70.
    #[serde(default)]
    pub view_deg: Option<f64>,
    /// How far it is of use, metres, 1 to 2000. Default 40.
    #[serde(default)]
    pub view_m: Option<f64>,
    /// RTSP over `tcp` (default) or `udp`.
    #[serde(default)]
    pub transport: Transport,
    /// For a video file: `real` (default) or `max`, as fast as it can be looked at.
    #[serde(default)]
    pub speed: Speed,
    /// Seconds of clip before a happening began, 0 to 300. Default 5.
    #[serde(default = "five")]
    pub pre_roll_s: u64,
    /// Seconds of clip after it ended, 0 to 300. Default 5.
    #[serde(default = "five")]
    pub post_roll_s: u64,
    /// Longest clip after the beginning, seconds, 1 to 3600. Default 30.
    #[serde(default = "clip_max_s")]
    pub clip_max_s: u64,
    /// Bytes of packets kept for clips, 1 MiB to 4 GiB. Default 64 MiB.
    #[serde(default = "ring_max_bytes")]
    pub ring_max_bytes: usize,
    /// Pictures a second that are looked at. Default 5.
    #[serde(default = "five_fps")]
    pub detect_fps: f64,
    /// `adaptive` (default): asleep on key frames while nothing changes, and what was slept through
    /// is replayed when something has. `full`: everything is decoded, always.
    #[serde(default)]
    pub decode: Decode,
    /// What decodes it: `off` (default, the processor), `auto`, or a device by name. Where it does
    /// not start, does not take the stream or stops, the processor decodes, and that is said
    /// (`gridpost cameras`, heartbeat, `/readyz`, log); tried again every 5 minutes.
    #[serde(default)]
    pub hw_decode: HwDecode,
    /// Which of several devices: `/dev/dri/renderD129` for `vaapi`, a number for `cuda`. Default
    /// the first one.
    #[serde(default)]
    pub hw_device: Option<String>,
    /// Seconds between looks while asleep, at least: at key frames, and of a `detect_url` with key
    /// frames further apart at pictures between them too. Default 2, and with a `detect_url` 1, or 2
    /// while the sizes of its packets tell when something begins. Where they do, it is looked at then.
    #[serde(default)]
    pub look_every_s: Option<f64>,
    /// Seconds without motion after which it falls asleep. Default 1.5.
    #[serde(default = "quiet_s")]
    pub quiet_after_s: f64,
    /// The sub-stream of the same view (smaller, best with key frames 1 s apart): it is looked at, and
    /// what is looked at closely is seen in the pixels of `url`, from which clips come too. Where one
    /// of the two is away or shows another view, the other does it all, and that is said. Beside a
    /// video file, another one.
    #[serde(default)]
    pub detect_url: Option<String>,
    /// Parts of the picture that nobody is shown, polygons `[[[x, y], …]]` in 0..1: black in every snapshot, also in
    /// originals. Vision looks there all the same (`mask` is for that). Clips and live pictures show it: no sink
    /// gets the file of a clip of this camera.
    #[serde(default)]
    pub private: Vec<Vec<[f32; 2]>>,
    /// Where the camera is asked (ONVIF): `http://192.0.2.5/onvif/device_service`, or `https://…`.
    /// Its user is the one in this url, `username`, or the one in `url`. Where `url` is absent, the
    /// camera's streams are found by it, and again when they break off. Its own motion events wake
    /// it while they have proved right; looks go on as without them.
    #[serde(default)]
    pub onvif: Option<String>,
    /// Of a recorder with several channels: the video source whose streams are meant, as
    /// `gridpost discover` prints it. Default: the first one.
    #[serde(default)]
    pub onvif_source: Option<String>,
    /// For `https://…`: authorities that sign the camera's certificate, PEM. Without it any
    /// certificate is taken: nobody reads along, and who answers is not proved.
    #[serde(default)]
    pub onvif_ca_file: Option<PathBuf>,
    /// Cameras near by that wake when this one finds somebody, each pair at most every 30 s.
    #[serde(default)]
    pub wakes: Vec<String>,
    /// Polygons in 0..1 in which nothing counts.
    #[serde(default)]
    pub mask: Vec<Vec<[f32; 2]>>,
    /// Seconds to wait for the camera's answer, 1 to 600. Default 10.
    #[serde(default = "ten")]
    pub connect_timeout_s: u64,
    /// Seconds without a picture, 1 to 600, after which it is connected anew: sound and metadata do not
    /// count. Default 10.
    #[serde(default = "ten")]
    pub stall_timeout_s: u64,
}

/// A url with the user and the password of the file in it, where a user is named. Both are taken as they
/// are: `%41` in a file is no `A`.
pub(super) fn with_credentials(
    url: &str,
    username: Option<&str>,
    password_file: Option<&Path>,
) -> Result<String, String> {
    let Some(username) = username else { return Ok(url.to_owned()) };
    let mut url = Url::parse(url).map_err(|error| format!("url: {error}"))?;
    let coded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let password = password_of(password_file)?.as_deref().map(coded);
    let set = url.set_username(&coded(username)).and(url.set_password(password.as_deref()));
    set.map_err(|()| "url cannot carry a user name".to_owned())?;
    Ok(url.into())
}

/// Of a `password_file`, as it is now: without white space and the mark of an editor (BOM) around it.
pub fn password_of(file: Option<&Path>) -> Result<Option<String>, String> {
    let Some(path) = file else { return Ok(None) };
    let text =
        read_text(path).map_err(|error| format!("password_file {}: {error}", path.display()))?;
    Ok(Some(text.trim_start_matches('\u{feff}').trim().to_owned()))
}

/// Numbers that a camera and a drone share, as (key, value, lowest, highest, unit).
pub(super) fn range_problems(
    numbers: &[(&'static str, u64, u64, u64, &str)],
) -> Vec<(&'static str, String)> {
    let wrong = numbers.iter().filter(|(_, value, low, high, _)| !(low..=high).contains(&value));
    wrong
        .map(|(key, value, low, high, unit)| {
            (*key, format!("{value}: expected {unit}, {low} to {high}"))
        })
        .collect()
}

/// The longest pre-roll and post-roll, and the longest clip: seconds of packets that are in memory.
pub(super) const ROLL_S_MAX: u64 = 300;
pub(super) const CLIP_S_MAX: u64 = 3_600;
/// Bytes of a ring: less than a second of a large picture is none, more is more than a box has.
pub(super) const RING_BYTES_MIN: u64 = 1 << 20;
pub(super) const RING_BYTES_MAX: u64 = 4 << 30;
/// The longest wait for a camera.
pub(super) const TIMEOUT_S_MAX: u64 = 600;

// Defaults that a drone shares.
pub(super) fn five() -> u64 {
    5
}
pub(super) fn ten() -> u64 {
    10
}
pub(super) fn clip_max_s() -> u64 {
    30
}
pub(super) fn ring_max_bytes() -> usize {
    64 << 20
}

fn quiet_s() -> f64 {
    1.5
}
fn five_fps() -> f64 {
    5.0
}

impl Config {
    /// A file rather than a live stream.
    pub fn is_clip(&self) -> bool {
        !self.url.is_empty() && !self.url.contains("://")
    }

    /// Its streams are asked of the camera.
    pub fn finds_streams(&self) -> bool {
        self.url.is_empty() && self.onvif.is_some()
    }

    /// Seconds between looks while asleep, at least.
    pub fn look_every_s(&self) -> f64 {
        self.look_every_s.unwrap_or(if self.detect_url.is_some() { 1.0 } else { 2.0 })
    }

    /// Likewise, while the sizes of a sub-stream's packets would show that something begins: an interval that
    /// somebody has set is kept.
    pub fn watched_every_s(&self) -> f64 {
        self.look_every_s.unwrap_or(2.0)
    }

    /// The url with credentials; read when it is needed, so that a changed password is used.
    pub fn full_url(&self) -> Result<String, String> {
        self.with_credentials(&self.url)
    }

    /// `detect_url` likewise.
    pub fn full_detect_url(&self) -> Option<Result<String, String>> {
        self.detect_url.as_ref().map(|url| self.with_credentials(url))
    }

    /// `url`, or `detect_url` where there is one, as it may be printed.
    pub fn shown_url(&self, looks: bool) -> String {
        let of_looks = self.detect_url.as_deref().filter(|_| looks);
        address::redact(of_looks.unwrap_or(&self.url))
    }

    fn with_credentials(&self, url: &str) -> Result<String, String> {
        with_credentials(url, self.username.as_deref(), self.password_file.as_deref())
    }

    fn detect_url_problem(&self) -> Option<String> {
        let url = self.detect_url.as_ref()?;
        if !self.is_clip() {
            let beside = "beside a url that is a live stream too";
            let problem = address::problem(url, STREAMS);
            return problem.map(|problem| format!("{problem}, {beside}"));
        }
        if url.contains("://") || !Path::new(url).is_file() {
            return Some(format!(
                "{}: expected a video file that exists, beside a url that is one",
                address::redact(url)
            ));
        }
        (self.speed == Speed::Max)
            .then(|| "two files are played side by side, so expected speed = \"real\"".into())
    }

    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.url.is_empty() {
            let hint = "is missing; expected rtsp://… or a video file, or `onvif = \"http://…\"` by which both streams are found";
            problems.extend(self.onvif.is_none().then(|| ("url", hint.into())));
        } else if self.is_clip() && !Path::new(&self.url).is_file() {
            let hint = "expected rtsp://… or a video file that exists";
            problems.push(("url", format!("{}: {hint}", address::redact(&self.url))));
        } else if !self.is_clip() {
            problems.extend(address::problem(&self.url, STREAMS).map(|message| ("url", message)));
        }
        problems.extend(range_problems(&[
            ("pre_roll_s", self.pre_roll_s, 0, ROLL_S_MAX, "seconds"),
            ("post_roll_s", self.post_roll_s, 0, ROLL_S_MAX, "seconds"),
            ("clip_max_s", self.clip_max_s, 1, CLIP_S_MAX, "seconds"),
            ("ring_max_bytes", self.ring_max_bytes as u64, RING_BYTES_MIN, RING_BYTES_MAX, "bytes"),
            ("connect_timeout_s", self.connect_timeout_s, 1, TIMEOUT_S_MAX, "seconds"),
            ("stall_timeout_s", self.stall_timeout_s, 1, TIMEOUT_S_MAX, "seconds"),
        ]));
        if !self.is_clip() && self.speed == Speed::Max {
            problems
                .push(("speed", "a live stream has its own speed; expected a video file".into()));
        }
        for (key, seconds) in
            [("look_every_s", self.look_every_s()), ("quiet_after_s", self.quiet_after_s)]
        {
            if !(0.2..=60.0).contains(&seconds) {
                problems.push((key, format!("{seconds}: expected 0.2 to 60 seconds")));
            }
        }
        problems.extend(self.detect_url_problem().map(|message| ("detect_url", message)));
        if self.hw_device.is_some() && matches!(self.hw_decode, HwDecode::Off | HwDecode::Auto) {
            let message = "a device of which kind? expected hw_decode = \"vaapi\" or another name";
            problems.push(("hw_device", message.into()));
        }
        problems.extend(self.onvif_problem().map(|message| ("onvif", message)));
        if self.onvif_source.is_some() && !self.finds_streams() {
            let message = "of what? expected `onvif = \"http://…\"` beside it, and no `url`";
            problems.push(("onvif_source", message.into()));
        }
        for (key, value, low, high, unit) in [
            ("bearing_deg", self.bearing_deg, 0.0, 360.0, "degrees"),
            ("view_deg", self.view_deg, 1.0, 360.0, "degrees"),
            ("view_m", self.view_m, 1.0, 2_000.0, "metres"),
        ] {
            if let Some(value) = value.filter(|value| !(low..=high).contains(value)) {
                problems.push((key, format!("{value}: expected {low} to {high} {unit}")));
            }
        }
        if self.bearing_deg.is_none() && (self.view_deg.is_some() || self.view_m.is_some()) {
            let message = "is missing; view_deg and view_m say nothing without it";
            problems.push(("bearing_deg", message.into()));
        }
        if !(0.1..=60.0).contains(&self.detect_fps) {
            problems.push(("detect_fps", format!("{}: expected 0.1 to 60", self.detect_fps)));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(keys: &str) -> Vec<String> {
        let keys = format!("id = \"a\"\nurl = \"rtsp://192.0.2.1/a\"\n{keys}");
        let config: Config = toml::from_str(&keys).unwrap();
        config.problems().into_iter().map(|(key, text)| format!("{key}: {text}")).collect()
    }

    #[test]
    fn each_number_has_a_range_and_both_its_ends_belong_to_it() {
        for (key, low, high) in [
            ("pre_roll_s", 0, 300),
            ("post_roll_s", 0, 300),
            ("clip_max_s", 1, 3_600),
            ("ring_max_bytes", 1 << 20, 4i64 << 30),
            ("connect_timeout_s", 1, 600),
            ("stall_timeout_s", 1, 600),
            ("detect_fps", 1, 60),
            ("look_every_s", 1, 60),
            ("quiet_after_s", 1, 60),
        ] {
            for fine in [low, high] {
                assert_eq!(said(&format!("{key} = {fine}")), Vec::<String>::new());
            }
            let below = (low > 1).then_some(low - 1).or((low == 1).then_some(0));
            for wrong in below.into_iter().chain([high + 1, 1_000_000_000_000, i64::MAX]) {
                let said = said(&format!("{key} = {wrong}"));
                assert!(said.len() == 1 && said[0].starts_with(key), "{key} = {wrong}: {said:?}");
                assert!(said[0].contains("expected"), "{said:?}");
            }
        }
        for wrong in ["nan", "inf", "-1.0"] {
            for key in ["detect_fps", "look_every_s", "quiet_after_s"] {
                assert_eq!(said(&format!("{key} = {wrong}")).len(), 1, "{key} = {wrong}");
            }
        }
    }

    #[test]
    fn what_a_camera_sees_on_the_map_has_ranges_too() {
        for (key, low, high) in
            [("bearing_deg", 0, 360), ("view_deg", 1, 360), ("view_m", 1, 2_000)]
        {
            let bearing = if key == "bearing_deg" { "" } else { "bearing_deg = 90\n" };
            for fine in [low, high] {
                assert_eq!(said(&format!("{bearing}{key} = {fine}")), Vec::<String>::new());
            }
            for wrong in [format!("{}", low - 1), format!("{}", high + 1), "nan".into()] {
                let said = said(&format!("{bearing}{key} = {wrong}"));
                assert!(said.len() == 1 && said[0].starts_with(key), "{key} = {wrong}: {said:?}");
            }
        }
        assert!(said("view_m = 30")[0].starts_with("bearing_deg"), "it says nothing by itself");
    }

    #[test]
    fn a_password_file_is_taken_as_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (text, coded) in [
            ("p%41b", "p%2541b"),
            ("12#3/4?5@6:7\r\n", "12%233%2F4%3F5%406%3A7"),
            ("\u{feff}密 码\n", "%E5%AF%86%20%E7%A0%81"),
        ] {
            std::fs::write(file.path(), text).unwrap();
            let url = with_credentials("rtsp://192.0.2.1/a", Some("u%41"), Some(file.path()));
            assert_eq!(url.unwrap(), format!("rtsp://u%2541:{coded}@192.0.2.1/a"));
        }
    }
}
