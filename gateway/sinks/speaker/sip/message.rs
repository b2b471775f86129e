//! SIP messages (RFC 3261) as far as a call to a speaker has them: read from a datagram, and answered.

/// A datagram of SIP; a longer one is none for us.
pub(super) const DATAGRAM_BYTES_MAX: usize = 8 << 10;
const HEADERS_MAX: usize = 100;

/// What the first line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StartLine {
    Request { method: String },
    Response { code: u16, reason: String },
}

/// One message.
#[derive(Clone, Debug)]
pub(super) struct SipMessage {
    pub(super) start: StartLine,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl SipMessage {
    /// None: it is no SIP.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes.get(..DATAGRAM_BYTES_MAX).unwrap_or(bytes));
        let (head, body) = text.split_once("\r\n\r\n").or_else(|| text.split_once("\n\n"))?;
        let mut lines = head.lines();
        let first = lines.next()?;
        let start = match first.strip_prefix("SIP/2.0 ") {
            Some(rest) => {
                let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
                StartLine::Response { code: code.parse().ok()?, reason: reason.trim().to_owned() }
            }
            None => {
                let mut words = first.split(' ');
                let method = words.next()?.to_owned();
                (words.count() == 2 && first.ends_with("SIP/2.0")).then_some(())?;
                StartLine::Request { method }
            }
        };
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines.take(HEADERS_MAX) {
            match line.split_once(':') {
                // A line that begins with a space goes on with the one before.
                _ if line.starts_with([' ', '\t']) => {
                    let last = headers.last_mut()?;
                    last.1 = format!("{} {}", last.1, line.trim());
                }
                Some((name, value)) => {
                    headers.push((long(name.trim()), value.trim().to_owned()));
                }
                None => {}
            }
        }
        Some(Self { start, headers, body: body.to_owned() })
    }

    /// The first of this name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = move |one: &&(String, String)| one.0.eq_ignore_ascii_case(name);
        self.headers.iter().filter(named).map(|(_, value)| value.as_str())
    }

    /// Number and method of its transaction.
    pub(super) fn cseq(&self) -> Option<(u32, &str)> {
        let (number, method) = self.header("CSeq")?.split_once(' ')?;
        Some((number.parse().ok()?, method.trim()))
    }

    /// An answer to this request.
    pub(super) fn answer(&self, code: u16, reason: &str) -> String {
        let mut text = format!("SIP/2.0 {code} {reason}\r\n");
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            self.all(name).for_each(|value| text.push_str(&format!("{name}: {value}\r\n")));
        }
        text.push_str("Content-Length: 0\r\n\r\n");
        text
    }
}

/// The name of a header whose short form it is.
fn long(name: &str) -> String {
    let known = match name {
        "v" | "V" => "Via",
        "f" | "F" => "From",
        "t" | "T" => "To",
        "i" | "I" => "Call-ID",
        "m" | "M" => "Contact",
        "l" | "L" => "Content-Length",
        "c" | "C" => "Content-Type",
        other => other,
    };
    known.to_owned()
}

/// Where an answered call is to be spoken to: address and port of its SDP (RFC 4566). The error says what it
/// cannot take.
pub(super) fn media_of(sdp: &str) -> Result<(Option<std::net::IpAddr>, u16), String> {
    let mut address = None;
    let mut audio = None;
    for line in sdp.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix("c=IN IP4 ").or(line.strip_prefix("c=IN IP6 ")) {
            // That of the medium comes after that of all, and counts before it.
            if audio.is_none() || address.is_none() {
                address = rest.split(['/', ' ']).next().and_then(|text| text.parse().ok());
            }
        }
        if let Some(rest) = line.strip_prefix("m=audio ").filter(|_| audio.is_none()) {
            let mut words = rest.split(' ');
            let port = words.next().and_then(|port| port.split('/').next()?.parse::<u16>().ok());
            let formats: Vec<&str> = words.skip(1).collect();
            audio = Some((port.unwrap_or(0), formats.contains(&"8")));
        }
    }
    match audio {
        None => Err("its answer names no audio".into()),
        Some((0, _)) => Err("it does not take the audio that was offered".into()),
        Some((_, false)) => Err("it does not take G.711 A-law".into()),
        Some((port, true)) => {
            Ok((address.filter(|one: &std::net::IpAddr| !one.is_unspecified()), port))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &str = "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP 10.0.0.1:5;branch=z9hG4bKa\r\nTo: <sip:x@h>;tag=b\r\ni: c\r\nCSeq: 2 INVITE\r\nm: <sip:x@10.0.0.2:5062>\r\nX-Long: one\r\n two\r\n\r\nv=0\r\n";

    #[test]
    fn an_answer_is_read_short_names_and_folded_lines_too() {
        let message = SipMessage::read(OK.as_bytes()).unwrap();
        assert_eq!(message.start, StartLine::Response { code: 200, reason: "OK".into() });
        assert_eq!(message.header("call-id"), Some("c"));
        assert_eq!(message.header("Contact"), Some("<sip:x@10.0.0.2:5062>"));
        assert_eq!(message.header("X-Long"), Some("one two"));
        assert_eq!((message.cseq(), message.body.as_str()), (Some((2, "INVITE")), "v=0\r\n"));
    }

    #[test]
    fn a_request_is_answered_with_what_it_brought() {
        let bye = "BYE sip:g@h SIP/2.0\r\nVia: a\r\nVia: b\r\nFrom: f\r\nTo: t\r\nCall-ID: c\r\nCSeq: 1 BYE\r\n\r\n";
        let message = SipMessage::read(bye.as_bytes()).unwrap();
        assert_eq!(
            message.answer(200, "OK"),
            "SIP/2.0 200 OK\r\nVia: a\r\nVia: b\r\nFrom: f\r\nTo: t\r\nCall-ID: c\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn what_is_no_sip_is_none_and_no_bytes_panic() {
        for text in
            ["", "\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "SIP/2.0 abc\r\n\r\n", "SIP/2.0 200 OK"]
        {
            assert!(SipMessage::read(text.as_bytes()).is_none(), "{text:?}");
        }
        for end in 0..OK.len() {
            let _ = SipMessage::read(&OK.as_bytes()[..end]);
            let mut changed = OK.as_bytes().to_vec();
            changed[end] = changed[end].wrapping_add(128);
            let _ = SipMessage::read(&changed);
        }
        let _ = SipMessage::read(&vec![b'a'; 100_000]);
    }

    #[test]
    fn where_to_speak_to() {
        let of = |sdp: &str| media_of(sdp);
        let ip = |text: &str| Some(text.parse().unwrap());
        assert_eq!(of("c=IN IP4 10.0.0.9\r\nm=audio 4000 RTP/AVP 8 0"), Ok((ip("10.0.0.9"), 4000)));
        let own = "c=IN IP4 0.0.0.0\r\nm=audio 4000/2 RTP/AVP 0 8\r\n";
        assert_eq!(of(own), Ok((None, 4000)));
        assert_eq!(
            of("m=audio 0 RTP/AVP 8").unwrap_err(),
            "it does not take the audio that was offered"
        );
        assert_eq!(of("m=audio 4000 RTP/AVP 0").unwrap_err(), "it does not take G.711 A-law");
        assert_eq!(of("m=video 4000 RTP/AVP 8").unwrap_err(), "its answer names no audio");
        assert!(of("m=audio 99999 RTP/AVP 8").is_err());
    }
}
