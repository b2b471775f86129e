//! What a camera offers (GetProfiles of either version), and which of it is taken. Pure.
//!
//! Clips come from the largest picture. It is looked at on the smallest stream of the same view
//! that is at least 320 wide: below that, who is far away has no pixels left.

use std::{cmp::Reverse, collections::BTreeMap, fmt};

use roxmltree::{Document, Node};
use serde::Serialize;

use super::read::{all, attribute, first, words};

/// Profiles of one answer: a recorder with 64 channels has 128 to 192.
const PROFILES_MAX: usize = 512;
/// Of a picture's side; what is larger is a mistake.
const SIDE_MAX: u32 = 16_384;
/// A stream that is looked at has at least this width.
const LOOKS_WIDTH_MIN: u32 = 320;
/// Shapes differ by less than this where both are the same: 16:9 as 704×396, 640×352.
const SHAPE_TOLERANCE: f64 = 0.05;

/// How a stream is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    H264,
    H265,
    Jpeg,
    Mpeg4,
    /// One that we do not know.
    Other,
}

impl VideoCodec {
    fn read(name: &str) -> Self {
        // `H264`, `H.264`, `video/H265`, `HEVC`.
        let plain = name.rsplit('/').next().unwrap_or_default().replace(['.', '-', '_'], "");
        match plain.to_ascii_uppercase().as_str() {
            "H264" | "AVC" => Self::H264,
            "H265" | "HEVC" => Self::H265,
            "JPEG" | "MJPEG" | "JPG" => Self::Jpeg,
            "MPEG4" | "MPV4ES" | "MP4VES" => Self::Mpeg4,
            _ => Self::Other,
        }
    }

    fn is_read(self) -> bool {
        matches!(self, Self::H264 | Self::H265)
    }
}

impl fmt::Display for VideoCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
            Self::Jpeg => "JPEG",
            Self::Mpeg4 => "MPEG-4",
            Self::Other => "an unknown codec",
        })
    }
}

/// How a profile's pictures are coded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VideoFormat {
    pub codec: VideoCodec,
    pub width: u32,
    pub height: u32,
    /// Pictures a second, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Pictures from one key frame to the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gop: Option<u32>,
}

impl VideoFormat {
    fn area(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    fn has_shape_of(&self, other: &Self) -> bool {
        let shape = |one: &Self| f64::from(one.width) / f64::from(one.height);
        (shape(self) / shape(other) - 1.0).abs() < SHAPE_TOLERANCE
    }
}

impl fmt::Display for VideoFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}×{}", self.codec, self.width, self.height)?;
        if let Some(fps) = self.fps {
            write!(f, ", {fps} fps")?;
        }
        match (self.gop, self.fps) {
            (Some(gop), Some(fps)) if fps > 0.0 => {
                write!(f, ", key frames {:.1} s apart", f64::from(gop) / fps)
            }
            (Some(gop), _) => write!(f, ", key frames {gop} pictures apart"),
            _ => Ok(()),
        }
    }
}

/// One stream that a camera offers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// The camera's name for it, in requests.
    pub token: String,
    /// For people.
    pub name: String,
    /// Which lens or channel it shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Which part of it: where a source is cut into several views, each has one of its own.
    #[serde(skip)]
    view: Option<String>,
    /// Profiles with the same encoder are the same stream.
    #[serde(skip)]
    encoder: Option<String>,
    /// Absent where the camera does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<VideoFormat>,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.name.is_empty() { &self.token } else { &self.name };
        match &self.video {
            Some(video) => write!(f, "{name} ({video})"),
            None => write!(f, "{name}"),
        }
    }
}

/// All profiles of GetProfiles that may have pictures.
pub(super) fn profiles(answer: &Document<'_>) -> Vec<Profile> {
    all(answer.root(), "Profiles").take(PROFILES_MAX).filter_map(profile).collect()
}

fn profile(node: Node<'_, '_>) -> Option<Profile> {
    let token = attribute(node, "token");
    let part = |names: [&str; 2]| names.iter().find_map(|name| first(node, name));
    let encoder = part(["VideoEncoderConfiguration", "VideoEncoder"]);
    let view = part(["VideoSourceConfiguration", "VideoSource"]);
    let source = view.and_then(|one| first(one, "SourceToken")).map(words);
    let token_of = |node: Option<Node<'_, '_>>| {
        node.map(|one| attribute(one, "token")).filter(|token| !token.is_empty())
    };
    (!token.is_empty()).then(|| Profile {
        token,
        name: first(node, "Name").map(words).unwrap_or_default(),
        source: source.filter(|source| !source.is_empty()),
        view: token_of(view),
        encoder: token_of(encoder),
        video: encoder.and_then(format),
    })
}

/// Of GetVideoEncoderConfigurations, for cameras whose profiles only name their encoder.
pub(super) fn fill_in(profiles: &mut [Profile], answer: &Document<'_>) {
    let configurations = all(answer.root(), "Configurations").take(PROFILES_MAX);
    let formats: BTreeMap<String, VideoFormat> =
        configurations.filter_map(|one| Some((attribute(one, "token"), format(one)?))).collect();
    for profile in profiles.iter_mut().filter(|profile| profile.video.is_none()) {
        let format = profile.encoder.as_ref().and_then(|encoder| formats.get(encoder));
        profile.video = format.cloned();
    }
}

/// Whether this could have been filled in.
pub(super) fn is_vague(profile: &Profile) -> bool {
    profile.video.is_none() && profile.encoder.is_some()
}

fn format(encoder: Node<'_, '_>) -> Option<VideoFormat> {
    let resolution = first(encoder, "Resolution")?;
    let side = |name: &str| {
        let side = words(first(resolution, name)?).parse::<u32>().ok()?;
        (1..=SIDE_MAX).contains(&side).then_some(side)
    };
    let fps = first(encoder, "FrameRateLimit").and_then(|one| words(one).parse::<f64>().ok());
    let gop = first(encoder, "GovLength").map(words);
    let gop = gop.unwrap_or_else(|| attribute(encoder, "GovLength")).parse::<u32>().ok();
    Some(VideoFormat {
        codec: VideoCodec::read(&first(encoder, "Encoding").map(words).unwrap_or_default()),
        width: side("Width")?,
        height: side("Height")?,
        fps: fps.filter(|fps| fps.is_finite() && *fps > 0.0),
        gop: gop.filter(|gop| *gop > 0),
    })
}

/// What is taken, and why.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choice {
    pub(super) main: Profile,
    pub(super) sub: Option<Profile>,
    /// For people.
    pub(super) why: String,
}

impl Choice {
    /// Where another stream is looked at, as the configuration says.
    pub(super) fn without_sub(self) -> Self {
        let why = format!("clips: {}, the largest; looked at: detect_url", self.main);
        Self { sub: None, why, ..self }
    }
}

/// Of one source: the one named, or the first. The error is one sentence.
pub(super) fn choose(profiles: &[Profile], source: Option<&str>) -> Result<Choice, String> {
    let sources = sources(profiles);
    let shown = || sources.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", ");
    if let Some(source) = source.filter(|source| !sources.contains(source)) {
        return Err(format!("it has no video source `{source}`; expected one of {}", shown()));
    }
    let source = source.or_else(|| sources.first().copied());
    let mut here: Vec<&Profile> = profiles
        .iter()
        .filter(|one| one.source.is_none() || one.source.as_deref() == source)
        .collect();
    if here.is_empty() {
        return Err("it has no profile; expected at least one in GetProfiles".into());
    }
    if here.iter().all(|one| one.video.is_none()) {
        // The first is the main stream with all makers.
        let main = here.swap_remove(0).clone();
        let why =
            format!("clips and looks: {main}, the first that it lists; it says nothing of sizes");
        return Ok(Choice { main, sub: None, why });
    }
    let of = |one: &Profile| one.video.clone().filter(|video| video.codec.is_read());
    let best = here.iter().enumerate().filter_map(|(n, one)| Some((n, of(one)?)));
    let best = best.max_by_key(|(n, video)| (video.area(), Reverse(*n)));
    let Some((at, video)) = best else {
        let codecs: Vec<String> =
            here.iter().filter_map(|one| Some(one.video.as_ref()?.codec.to_string())).collect();
        let expected = "expected H.264 or H.265 (set one of its streams to it)";
        return Err(format!("its streams are {}; {expected}", codecs.join(", ")));
    };
    let main = here[at].clone();
    let sub = sub_of(&here, &main, &video).cloned();
    let looks = match &sub {
        Some(sub) => format!(
            "looked at: {sub}, the smallest of the same view at least {LOOKS_WIDTH_MIN} wide"
        ),
        None => format!(
            "looked at too: it has no smaller stream of the same view in H.264 or H.265, at least {LOOKS_WIDTH_MIN} wide"
        ),
    };
    let others = sources.len().saturating_sub(1);
    let more = match source {
        Some(source) if others > 0 => {
            format!("; of source `{source}`, {others} more: onvif_source")
        }
        _ => String::new(),
    };
    Ok(Choice { why: format!("clips: {main}, the largest; {looks}{more}"), main, sub })
}

fn sub_of<'p>(here: &[&'p Profile], main: &Profile, large: &VideoFormat) -> Option<&'p Profile> {
    let small = |one: &&Profile| {
        let video = one.video.as_ref()?;
        let same = one.encoder.is_some() && one.encoder == main.encoder;
        let fits = video.codec.is_read()
            && video.area() < large.area()
            && video.width >= LOOKS_WIDTH_MIN
            && !same;
        fits.then(|| (one.view != main.view, !video.has_shape_of(large), video.area()))
    };
    let best = here.iter().filter_map(|one| Some((small(one)?, *one)));
    best.min_by_key(|(order, _)| *order).map(|(_, one)| one)
}

/// The video sources that profiles show, in their order.
pub(super) fn sources(profiles: &[Profile]) -> Vec<&str> {
    let mut sources: Vec<&str> = Vec::new();
    for source in profiles.iter().filter_map(|one| one.source.as_deref()) {
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    sources
}

#[cfg(test)]
#[path = "tests_profiles.rs"]
mod tests;
