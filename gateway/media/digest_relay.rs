//! A camera that asks for digest authentication with SHA-256 (RFC 7616), which FFmpeg 5.1 does not have.
//!
//! FFmpeg then talks to a listener on loopback, for one connection with a word in its path that
//! nobody else knows; from there its requests go to the camera with an answer to the camera's
//! question, and everything that the camera sends comes back as it is. This costs a copy of the
//! stream, so it is used only where FFmpeg's own way was refused with 401 and SHA-256 is offered.
//! Two threads a session: one for each direction. Each message and each wait has a bound.

use std::{
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use http_auth::{ChallengeRef, PasswordClient, PasswordParams, parse_challenges};
use percent_encoding::percent_decode_str;
use url::Url;

/// The head of a message; real ones have some hundred bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// The body of a message: an SDP.
const BODY_BYTES_MAX: usize = 1 << 20;
/// What is read or written at once.
const BUFFER_BYTES: usize = 64 << 10;
/// For a camera to take what is written, and for FFmpeg to connect.
const PATIENCE: Duration = Duration::from_secs(10);
/// For the goodbye to reach the camera.
const GOODBYE: Duration = Duration::from_millis(500);

/// Where a camera is, and who we are to it. No `Debug`: they are never printed (I5).
struct Target {
    /// `rtsp://host:port`, without a user.
    base: String,
    host: String,
    port: u16,
    /// Path and query, as they were written.
    path: String,
    user: String,
    password: String,
}

impl Target {
    fn of(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "rtsp")?;
        let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (user, password) = (plain(url.username()), plain(url.password().unwrap_or_default()));
        let host = url.host_str()?.to_owned();
        let port = url.port().unwrap_or(554);
        let rest = text.split_once("://")?.1;
        let path = rest.find(['/', '?']).map_or("", |at| &rest[at..]).to_owned();
        let base = match url.port() {
            Some(port) => format!("rtsp://{host}:{port}"),
            None => format!("rtsp://{host}"),
        };
        (!user.is_empty()).then_some(Self { base, host, port, path, user, password })
    }

    fn connect(&self, within: Duration) -> io::Result<TcpStream> {
        let name = self.host.trim_matches(['[', ']']);
        let until = Instant::now() + within;
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in (name, self.port).to_socket_addrs()? {
            let left = until.saturating_duration_since(Instant::now());
            match TcpStream::connect_timeout(&address, left.max(Duration::from_millis(1))) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_write_timeout(Some(PATIENCE))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// A relay for one session; it ends with this value.
pub(super) struct DigestRelay {
    /// What FFmpeg opens.
    pub(super) url: String,
    stop: Arc<AtomicBool>,
    over: mpsc::Receiver<()>,
}

/// What a camera that refused with 401 asks for.
pub(super) enum Asked {
    /// SHA-256: this leads to its stream.
    Relay(DigestRelay),
    /// What FFmpeg knows: user or password is wrong.
    Known,
    /// Something that nobody here knows; its name.
    Unknown(String),
}

impl DigestRelay {
    /// Asks the camera what it wants, and sets up the way that it wants.
    pub(super) fn find(url: &str, within: Duration) -> Asked {
        let Some(target) = Target::of(url) else { return Asked::Known };
        let Ok(challenges) = challenges_of(&target, within) else { return Asked::Known };
        let named = algorithms(&challenges);
        if !named.iter().any(|name| is_sha(name)) {
            let unknown = named.into_iter().find(|name| {
                !["", "MD5", "MD5-SESS"].contains(&name.to_ascii_uppercase().as_str())
            });
            return unknown.map_or(Asked::Known, Asked::Unknown);
        }
        match Self::start(target, within) {
            Ok(relay) => Asked::Relay(relay),
            Err(_) => Asked::Unknown("SHA-256".into()),
        }
    }

    fn start(target: Target, within: Duration) -> io::Result<Self> {
        let camera = target.connect(within)?;
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let local = format!("rtsp://127.0.0.1:{port}/{:016x}", rand::random::<u64>());
        let url = format!("{local}{}", target.path);
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, over) = mpsc::sync_channel(1);
        let stops = stop.clone();
        thread::Builder::new().name("rtsp-relay".into()).spawn(move || {
            if let Some(ffmpeg) = accepted(&listener, &stops) {
                drop(listener);
                let _ = Relayed::run(&ffmpeg, camera, target, local);
                let _ = ffmpeg.shutdown(Shutdown::Both);
            }
            let _ = tell.try_send(());
        })?;
        Ok(Self { url, stop, over })
    }
}

impl Drop for DigestRelay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // FFmpeg has closed its end: the goodbye is on its way.
        let _ = self.over.recv_timeout(GOODBYE * 2);
    }
}

/// The one connection, which comes from this machine.
fn accepted(listener: &TcpListener, stop: &AtomicBool) -> Option<TcpStream> {
    let until = Instant::now() + PATIENCE;
    while !stop.load(Ordering::Relaxed) && Instant::now() < until {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).ok()?;
                stream.set_nodelay(true).ok()?;
                return Some(stream);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(_) => return None,
        }
    }
    None
}

/// What both directions share.
struct Relayed {
    target: Target,
    /// How FFmpeg's addresses begin.
    local: String,
    to_camera: TcpStream,
    /// How the camera's question is answered, and the algorithm that it named.
    auth: Option<(PasswordClient, String)>,
    /// The latest request, as FFmpeg wrote it, until it is answered: method, address, message.
    pending: Option<(String, String, RtspMessage)>,
    /// Its answer was refused once already.
    again: bool,
    session: Option<String>,
    goodbye_said: bool,
    cseq: u32,
}

impl Relayed {
    fn run(ffmpeg: &TcpStream, camera: TcpStream, target: Target, local: String) -> io::Result<()> {
        let to_camera = camera.try_clone()?;
        let relayed = Arc::new(Mutex::new(Self {
            target,
            local,
            to_camera,
            auth: None,
            pending: None,
            again: false,
            session: None,
            goodbye_said: false,
            cseq: 0,
        }));
        let (shared, back) = (relayed.clone(), ffmpeg.try_clone()?);
        let closes = back.try_clone()?;
        let answers = thread::Builder::new().name("rtsp-answers".into()).spawn({
            let camera = camera.try_clone()?;
            move || {
                let _ = answers(&camera, &back, &shared);
                // FFmpeg sees the end of the stream.
                let _ = closes.shutdown(Shutdown::Both);
            }
        })?;
        let mut from = BufReader::with_capacity(BUFFER_BYTES, ffmpeg);
        while let Ok(Some(message)) = RtspMessage::read(&mut from) {
            if lock(&relayed).request(message).is_err() {
                break;
            }
        }
        lock(&relayed).say_goodbye();
        // What is still on its way is read, or the camera would see a reset in place of a goodbye.
        let _ = camera.shutdown(Shutdown::Write);
        let _ = camera.set_read_timeout(Some(GOODBYE));
        let until = Instant::now() + GOODBYE;
        while !answers.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
        let _ = camera.shutdown(Shutdown::Both);
        let _ = answers.join();
        Ok(())
    }

    /// A message of FFmpeg goes to the camera, with an answer to its question if that is known.
    fn request(&mut self, mut message: RtspMessage) -> io::Result<()> {
        if message.head.is_empty() {
            return self.to_camera.write_all(&message.body);
        }
        let line = message.head.lines().next().unwrap_or_default().to_owned();
        let mut words = line.split(' ');
        let (method, address) =
            (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let to = match address.strip_prefix(&self.local) {
            Some(path) => format!("{}{path}", self.target.base),
            // An absolute address out of the camera's own description.
            None if self.session.is_some() || self.pending.is_some() || self.cseq > 0 => {
                address.to_owned()
            }
            // Somebody else on this machine, who does not know the word.
            None => return Err(io::Error::from(io::ErrorKind::PermissionDenied)),
        };
        let line_now = format!("{method} {to} RTSP/1.0");
        message.head = message.head.replacen(&line, &line_now, 1);
        self.cseq = message.field("CSeq").and_then(|n| n.parse().ok()).unwrap_or(self.cseq + 1);
        self.goodbye_said |= method == "TEARDOWN";
        let method = method.to_owned();
        self.again = false;
        let answered = self.answered(&method, &to, &message);
        self.pending = Some((method, to, message));
        self.to_camera.write_all(&answered)
    }

    /// The message with our answer in it.
    fn answered(&mut self, method: &str, to: &str, message: &RtspMessage) -> Vec<u8> {
        let answer = self.auth.as_mut().and_then(|(auth, algorithm)| {
            // No body: `auth-int` is not asked for, which few cameras have right.
            let params = PasswordParams {
                username: &self.target.user,
                password: &self.target.password,
                uri: to,
                method,
                body: None,
            };
            let answer = auth.respond(&params).ok()?;
            // Left out where the camera names no `qop`, though its answer depends on it.
            let named = algorithm.is_empty() || answer.contains("algorithm=");
            Some(if named { answer } else { format!("{answer}, algorithm={algorithm}") })
        });
        let mut head = message.head.trim_end().to_owned();
        for line in answer.iter() {
            head.push_str("\r\nAuthorization: ");
            head.push_str(line);
        }
        head.push_str("\r\n\r\n");
        [head.as_bytes(), &message.body].concat()
    }

    /// An answer of the camera; false: it was a question, and the request goes again.
    fn is_final(&mut self, answer: &RtspMessage) -> io::Result<bool> {
        if let Some(session) = answer.field("Session") {
            self.session = Some(session.split(';').next().unwrap_or_default().trim().to_owned());
        }
        if answer.status() != Some(401) || self.again {
            self.pending = None;
            return Ok(true);
        }
        let Some((method, to, message)) = self.pending.take() else { return Ok(true) };
        self.auth = client(&answer.fields("WWW-Authenticate"));
        if self.auth.is_none() {
            return Ok(true);
        }
        self.again = true;
        let answered = self.answered(&method, &to, &message);
        self.pending = Some((method, to, message));
        self.to_camera.write_all(&answered)?;
        Ok(false)
    }

    /// FFmpeg went without a word: the camera is told all the same.
    fn say_goodbye(&mut self) {
        let Some(session) = self.session.clone().filter(|_| !self.goodbye_said) else { return };
        let to = format!("{}{}", self.target.base, self.target.path);
        let cseq = self.cseq + 1;
        let head = format!("TEARDOWN {to} RTSP/1.0\r\nCSeq: {cseq}\r\nSession: {session}");
        let message = RtspMessage { head, body: Vec::new() };
        let answered = self.answered("TEARDOWN", &to, &message);
        let _ = self.to_camera.write_all(&answered);
        self.goodbye_said = true;
    }
}

/// From the camera to FFmpeg, but for the questions.
fn answers(camera: &TcpStream, back: &TcpStream, relayed: &Mutex<Relayed>) -> io::Result<()> {
    let mut from = BufReader::with_capacity(BUFFER_BYTES, camera);
    let mut to = BufWriter::with_capacity(BUFFER_BYTES, back);
    while let Some(message) = RtspMessage::read(&mut from)? {
        let media = message.head.is_empty();
        if media || lock(relayed).is_final(&message)? {
            to.write_all(message.head.as_bytes())?;
            to.write_all(&message.body)?;
        }
        if from.buffer().is_empty() {
            to.flush()?;
        }
    }
    to.flush()
}

fn lock(relayed: &Mutex<Relayed>) -> MutexGuard<'_, Relayed> {
    relayed.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request or an answer; or, without a head, media between them.
struct RtspMessage {
    /// With the empty line at its end.
    head: String,
    body: Vec<u8>,
}

impl RtspMessage {
    /// `None` at the end.
    fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        loop {
            match from.fill_buf()?.first() {
                None => return Ok(None),
                // Lines between messages.
                Some(b'\r' | b'\n') => from.consume(1),
                Some(b'$') => {
                    let mut body = vec![0; 4];
                    from.read_exact(&mut body)?;
                    let bytes = usize::from(u16::from_be_bytes([body[2], body[3]]));
                    body.resize(4 + bytes, 0);
                    from.read_exact(&mut body[4..])?;
                    return Ok(Some(Self { head: String::new(), body }));
                }
                Some(_) => break,
            }
        }
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
            let left = (HEAD_BYTES_MAX - head.len()) as u64;
            let read = from.by_ref().take(left).read_until(b'\n', &mut head)?;
            if read == 0 {
                return Err(io::Error::from(io::ErrorKind::InvalidData));
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut message = Self { head, body: Vec::new() };
        let bytes = message.field("Content-Length").and_then(|n| n.parse().ok()).unwrap_or(0);
        if bytes > BODY_BYTES_MAX {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        message.body.resize(bytes, 0);
        from.read_exact(&mut message.body)?;
        Ok(Some(message))
    }

    fn status(&self) -> Option<u16> {
        let line = self.head.lines().next().filter(|line| line.starts_with("RTSP/"))?;
        line.split(' ').nth(1)?.parse().ok()
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields(name).first().copied()
    }

    fn fields(&self, name: &str) -> Vec<&str> {
        let of_name = |line: &'_ str| {
            line.split_once(':').is_some_and(|(key, _)| key.trim().eq_ignore_ascii_case(name))
        };
        let lines = self.head.lines().skip(1).filter(|line| of_name(line));
        lines.filter_map(|line| Some(line.split_once(':')?.1.trim())).collect()
    }
}

/// What the camera asks for; an error where it does not ask.
fn challenges_of(target: &Target, within: Duration) -> io::Result<Vec<String>> {
    let mut camera = target.connect(within)?;
    camera.set_read_timeout(Some(within))?;
    let address = format!("{}{}", target.base, target.path);
    let ask = format!("DESCRIBE {address} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n");
    camera.write_all(ask.as_bytes())?;
    let answer = RtspMessage::read(&mut BufReader::new(&camera))?;
    let answer = answer.filter(|answer| answer.status() == Some(401));
    let answer = answer.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(answer.fields("WWW-Authenticate").into_iter().map(str::to_owned).collect())
}

/// The algorithms of all digest challenges; empty for one that names none.
fn algorithms(challenges: &[String]) -> Vec<String> {
    let parsed = challenges.iter().filter_map(|text| parse_challenges(text).ok());
    parsed.flat_map(|all| all.iter().filter_map(algorithm).collect::<Vec<_>>()).collect()
}

/// One of RFC 7616 that FFmpeg does not have.
fn is_sha(algorithm: &str) -> bool {
    let name = algorithm.to_ascii_uppercase();
    ["SHA-256", "SHA-256-SESS", "SHA-512-256", "SHA-512-256-SESS"].contains(&name.as_str())
}

/// Of a digest challenge; empty where it names none.
fn algorithm(challenge: &ChallengeRef<'_>) -> Option<String> {
    let named = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case("algorithm"));
    let digest = challenge.scheme.eq_ignore_ascii_case("Digest");
    digest.then(|| named.map(|(_, value)| value.to_unescaped()).unwrap_or_default())
}

/// How the strongest of these questions is answered, and its algorithm.
fn client(challenges: &[&str]) -> Option<(PasswordClient, String)> {
    let parsed = challenges.iter().filter_map(|text| parse_challenges(text).ok()).flatten();
    let mut digests: Vec<(ChallengeRef<'_>, String)> = parsed
        .filter_map(|challenge| algorithm(&challenge).map(|name| (challenge, name)))
        .collect();
    digests.sort_by_key(|(_, name)| !is_sha(name));
    digests.into_iter().find_map(|(challenge, name)| {
        let client = PasswordClient::builder().challenge(&challenge).build().ok()?;
        Some((client, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_question_is_answered_and_its_algorithm_named() {
        let sha = "Digest realm=\"cam\", nonce=\"42\", algorithm=SHA-256";
        let md5 = "Digest realm=\"cam\", nonce=\"42\"";
        let unknown = "Digest realm=\"cam\", nonce=\"42\", algorithm=SHA3-9";
        assert_eq!(client(&[md5, sha]).unwrap().1, "SHA-256");
        assert_eq!(client(&[sha, md5]).unwrap().1, "SHA-256");
        assert_eq!(client(&[md5]).unwrap().1, "");
        assert_eq!(client(&[md5, &sha.replace("256", "512-256")]).unwrap().1, "SHA-512-256");
        assert!(client(&[unknown]).is_none() && client(&["Basic realm=\"cam\""]).is_none());
        let named =
            |all: &[&str]| algorithms(&all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        assert_eq!(named(&["Basic realm=\"x\"", unknown, md5]), ["SHA3-9", ""]);
    }

    #[test]
    fn messages_are_read_whole_with_media_between_them_and_within_their_bounds() {
        let bytes = b"\r\nRTSP/1.0 401 Unauthorized\r\nwww-authenticate: Digest a=b\r\nCSeq: 2\r\n\r\n$\x00\x00\x02abRTSP/1.0 200 OK\r\nContent-length: 3\r\n\r\nsdp$";
        let mut from = BufReader::with_capacity(7, &bytes[..]);
        let refused = RtspMessage::read(&mut from).unwrap().unwrap();
        assert_eq!(
            (refused.status(), refused.field("WWW-Authenticate")),
            (Some(401), Some("Digest a=b"))
        );
        let media = RtspMessage::read(&mut from).unwrap().unwrap();
        assert_eq!((media.head.as_str(), media.body.as_slice()), ("", &b"$\0\0\x02ab"[..]));
        assert_eq!(RtspMessage::read(&mut from).unwrap().unwrap().body, b"sdp");
        assert!(RtspMessage::read(&mut from).is_err(), "cut off in the midst of media");
        let long = [b"OPTIONS * RTSP/1.0\r\nA: ".as_slice(), &vec![b'x'; HEAD_BYTES_MAX]].concat();
        assert!(RtspMessage::read(&mut &long[..]).is_err());
        let large = format!("RTSP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", BODY_BYTES_MAX + 1);
        assert!(RtspMessage::read(&mut large.as_bytes()).is_err());
        assert!(RtspMessage::read(&mut &b""[..]).unwrap().is_none());
    }
}
