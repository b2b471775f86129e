//! How a stream or recording is opened, and how it says that its pictures are to be shown.

use std::{sync::Arc, time::Duration};

use ffmpeg_next as ffmpeg;
use gridpost_pixels::Turn;

use super::{
    deadline::CallDeadline,
    digest_relay::{Asked, DigestRelay},
    ffmpeg_log::begin_call,
    reason::explain,
};
use crate::domain::StopFlag;

/// What to open, and the time-outs.
#[derive(Clone)]
pub struct SessionRequest {
    /// With credentials; never printed.
    pub url: String,
    /// `tcp` or `udp`, for RTSP.
    pub transport: &'static str,
    /// For connecting and finding the video.
    pub connect_ms: u64,
    /// For one packet.
    pub stall_ms: u64,
    /// Raised: every call returns soon.
    pub stop: StopFlag,
}

#[cfg(test)]
impl SessionRequest {
    /// A recording, as tests read it.
    pub(crate) fn of_clip(path: &std::path::Path) -> Self {
        let url = path.display().to_string();
        let stop = StopFlag::default();
        Self { url, transport: "tcp", connect_ms: 10_000, stall_ms: 10_000, stop }
    }
}

/// Opens the stream; through a relay where FFmpeg does not know what the camera asks for.
pub(super) fn open_input(
    request: &SessionRequest,
    more: &[(&str, &str)],
    deadline: &Arc<CallDeadline>,
) -> Result<(ffmpeg::format::context::Input, Option<DigestRelay>), String> {
    let try_open = |url: &str| {
        begin_call(Some(url));
        let mut options = ffmpeg::Dictionary::new();
        // The frame rate is not used here, and FFmpeg would wait for twenty pictures to find it out.
        options.set("fpsprobesize", "0");
        if request.url.starts_with("rtsp") {
            options.set("rtsp_transport", request.transport);
            options.set("max_delay", "500000");
        }
        more.iter().for_each(|(key, value)| options.set(key, value));
        let (watch, stop) = (deadline.clone(), request.stop.clone());
        let interrupt = move || watch.interrupts(&stop);
        ffmpeg::format::input_with_interrupt_and_dictionary(&url, interrupt, options)
    };
    let why = |error| explain(error, deadline.passed(), request.transport, &request.url);
    let error = match try_open(&request.url) {
        Ok(input) => return Ok((input, None)),
        Err(error) => error,
    };
    if error != ffmpeg::Error::HttpUnauthorized || deadline.passed() {
        return Err(why(error));
    }
    let refused = why(error);
    match DigestRelay::find(&request.url, Duration::from_millis(deadline.left_ms())) {
        Asked::Known => Err(refused),
        Asked::Unknown(algorithm) => Err(format!(
            "401: the camera asks for digest authentication with {algorithm}, which is not known here; set it to SHA-256, MD5 or basic"
        )),
        Asked::Relay(relay) => {
            let input = try_open(&relay.url).map_err(why)?;
            Ok((input, Some(relay)))
        }
    }
}

/// How a recording says that its pictures are to be shown.
pub(super) fn turn_of(video: &ffmpeg::format::stream::Stream<'_>) -> Turn {
    let is_matrix = |kind| kind == ffmpeg::packet::side_data::Type::DisplayMatrix;
    let Some(data) = video.side_data().find(|data| is_matrix(data.kind())) else {
        return Turn::default();
    };
    let mut matrix = [0; 9];
    for (number, bytes) in matrix.iter_mut().zip(data.data().chunks_exact(4)) {
        *number = bytes.try_into().map_or(0, i32::from_ne_bytes);
    }
    Turn::of_matrix(&matrix)
}
