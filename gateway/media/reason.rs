//! Why a stream could not be opened, or broke off: one sentence that says what to do, without the address.

use ffmpeg_next as ffmpeg;

use super::ffmpeg_log::refusal;

/// `timed_out`: the call was interrupted because its time was over.
pub(super) fn explain(error: ffmpeg::Error, timed_out: bool, transport: &str, url: &str) -> String {
    let server = url.starts_with("rtsp");
    if timed_out {
        return "timed out".into();
    }
    if let Some((method, status)) = refusal().filter(|_| server) {
        return refused(&method, status, transport);
    }
    match error {
        ffmpeg::Error::HttpUnauthorized => refused("", 401, transport),
        ffmpeg::Error::HttpForbidden => refused("", 403, transport),
        ffmpeg::Error::HttpNotFound => refused("", 404, transport),
        ffmpeg::Error::InvalidData if server => {
            "answers, but not with RTSP that can be read".into()
        }
        ffmpeg::Error::InvalidData => "is not a video that can be read".into(),
        other => other.to_string(),
    }
}

/// What an answer of RTSP (RFC 2326, 7.1.1) means for who installs a camera.
pub(super) fn refused(method: &str, status: u16, transport: &str) -> String {
    let other = if transport == "tcp" { "udp" } else { "tcp" };
    let means = match status {
        400 => "the camera does not understand what is asked; is the path of its url right?".into(),
        401 => "user name or password is wrong or missing".into(),
        403 => "not allowed with this user".into(),
        404 => "the camera has no stream of this path".into(),
        405 | 455 | 501 => "the camera does not do this; is this the address of a live stream?".into(),
        406 | 415 => "the camera has no stream in a form that is known here".into(),
        408 => "the camera waited too long for us".into(),
        // Not Enough Bandwidth, and how some makers say that all places are taken.
        453 | 452 => "the camera has no place for another viewer: close other viewers, or wait until it gives up a session that broke off (a minute or two)".into(),
        454 => "the camera has forgotten the session (it may have started anew)".into(),
        461 => format!("the camera does not send over {transport}; set transport = \"{other}\""),
        462 => "the camera cannot reach us; a firewall, or another network?".into(),
        500 => "a fault inside the camera; start it anew if it stays".into(),
        503 => "the camera is too busy, or still starting".into(),
        505 => "the camera speaks another version of RTSP".into(),
        551 => "the camera lacks something that is asked of it".into(),
        300..=399 => "the camera sends us on to another host, which is not asked; write that address as its url".into(),
        _ => "the camera refuses".into(),
    };
    let at = if method.is_empty() { String::new() } else { format!(" ({method})") };
    format!("{status}: {means}{at}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_said_in_plain_words_with_its_number() {
        for (status, part) in [
            (401, "user name or password"),
            (403, "not allowed"),
            (404, "no stream of this path"),
            (453, "no place for another viewer"),
            (454, "forgotten the session"),
            (461, "set transport = \"udp\""),
            (503, "too busy"),
            (599, "refuses"),
        ] {
            let said = refused("SETUP", status, "tcp");
            assert!(said.starts_with(&format!("{status}: ")) && said.contains(part), "{said}");
            assert!(said.ends_with("(SETUP)"), "{said}");
        }
    }
}
