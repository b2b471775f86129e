//! A call to a speaker by SIP over UDP (RFC 3261): it answers by itself, is spoken to, and says that it has heard the end.
//!
//! Acknowledged is what it answered with 200, what was then sent to it, and what it answered to our BYE. A
//! speaker that rings for ever, is busy, hangs up in between or does not confirm the end has not heard it.
//! Only datagrams of the address that was called are looked at.

mod message;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use http_auth::{PasswordClient, PasswordParams};
use tokio::{
    net::UdpSocket,
    time::{Instant, timeout, timeout_at},
};

use super::{
    rtp::{self, Attention, Stop, Stream},
    sound::Sound,
};
use message::{DATAGRAM_BYTES_MAX, SipMessage, StartLine, media_of};

/// A request without an answer is sent again after this, and then after twice as long.
const AGAIN_FIRST: Duration = Duration::from_millis(500);
/// How long a goodbye is waited for.
const GOODBYE: Duration = Duration::from_secs(3);
/// How long a call that is given up may take to say so.
const CANCELLED: Duration = Duration::from_secs(1);
/// Once for each realm that asks who we are, and not for ever.
const CHALLENGES_MAX: usize = 2;

/// Whom to call, and who we are to him. No `Debug`: a password is in it.
pub(super) struct Callee {
    /// What stands in front of `@`; may be empty.
    pub(super) user: String,
    pub(super) address: SocketAddr,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    /// How long it may take to answer.
    pub(super) answer_within: Duration,
}

impl Callee {
    fn uri(&self) -> String {
        match self.user.as_str() {
            "" => format!("sip:{}", self.address),
            user => format!("sip:{user}@{}", self.address),
        }
    }
}

/// Calls, speaks and hangs up. Ok: it was heard, to its end or to the stop. The error is one sentence.
pub(super) async fn speak(
    callee: &Callee,
    sound: &Sound,
    attention: &Attention<'_>,
) -> Result<Option<Stop>, String> {
    let local = IpAddr::from(match callee.address {
        SocketAddr::V4(_) => [0, 0, 0, 0],
        SocketAddr::V6(_) => return Err("expected an IPv4 address".into()),
    });
    let broken = |error: io::Error| explained(callee.address, &error);
    let socket = UdpSocket::bind((local, 0)).await.map_err(broken)?;
    socket.connect(callee.address).await.map_err(broken)?;
    let local = socket.local_addr().map_err(broken)?;
    let (media, control) = rtp::pair(local.ip()).await.map_err(broken)?;
    let media_port = media.local_addr().map_err(broken)?.port();
    let mut call = Call::new(callee, &socket, local);
    let (address, port) = call.invite(media_port).await?;
    let to = SocketAddr::new(address.unwrap_or(callee.address.ip()), port);
    let mut stream = Stream::new(&media, &control, to);
    let played = tokio::select! {
        played = stream.play(sound, attention) => played.map_err(|error| explained(to, &error)),
        why = call.serve() => Err(why),
    };
    match played {
        Ok(stop) => call.bye().await.map(|()| stop),
        Err(why) if call.hung_up => Err(why),
        Err(why) => {
            // What it has heard of it is not known; that we leave it should know all the same.
            drop(call.bye().await);
            Err(why)
        }
    }
}

fn explained(to: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("nobody listens at {to}"),
        _ => format!("{to}: {error}"),
    }
}

/// One call, from INVITE to BYE.
struct Call<'c> {
    callee: &'c Callee,
    socket: &'c UdpSocket,
    local: SocketAddr,
    id: String,
    tag: String,
    /// With its tag, once it has one.
    to: String,
    /// Of the other end once it has answered: where requests of the call go.
    contact: String,
    cseq: u32,
    invited: u32,
    hung_up: bool,
    /// It was answered, and not ended yet.
    open: bool,
}

/// Whoever gives up a call in the middle, at a stop or reload, hangs up all the same.
impl Drop for Call<'_> {
    fn drop(&mut self) {
        if self.open {
            let branch = format!("{:016x}", rand::random::<u64>());
            let bye = self.request("BYE", (self.cseq + 1, &branch), "", "");
            let _ = self.socket.try_send(bye.as_bytes());
        }
    }
}

/// What came in before a time.
enum Heard {
    Message(Box<SipMessage>),
    Nothing,
}

impl<'c> Call<'c> {
    fn new(callee: &'c Callee, socket: &'c UdpSocket, local: SocketAddr) -> Self {
        let uri = callee.uri();
        Self {
            callee,
            socket,
            local,
            id: format!("{:016x}@{}", rand::random::<u64>(), local.ip()),
            tag: format!("{:08x}", rand::random::<u32>()),
            to: format!("<{uri}>"),
            contact: uri,
            cseq: 0,
            invited: 0,
            hung_up: false,
            open: false,
        }
    }

    /// A request of this call.
    fn request(&self, method: &str, (cseq, branch): (u32, &str), more: &str, body: &str) -> String {
        // Until it has answered, requests go to the name that was called; and so does what belongs to the
        // INVITE.
        let uri = if method == "INVITE" || method == "CANCEL" {
            &self.callee.uri()
        } else {
            &self.contact
        };
        let local = self.local;
        let us = self.callee.username.as_deref().unwrap_or("gridpost");
        let to = if method == "CANCEL" { &format!("<{}>", self.callee.uri()) } else { &self.to };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\nFrom: \"gridpost\" <sip:{us}@{local}>;tag={}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\nContact: <sip:gridpost@{local}>\r\nUser-Agent: gridpost\r\n{more}Content-Length: {}\r\n\r\n{body}",
            self.tag,
            self.id,
            body.len()
        )
    }

    async fn send(&self, text: &str) -> Result<(), String> {
        let sent = self.socket.send(text.as_bytes()).await;
        sent.map(drop).map_err(|error| explained(self.callee.address, &error))
    }

    /// The next message of this call until then.
    async fn hear(&self, until: Instant) -> Result<Heard, String> {
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        loop {
            let Ok(received) = timeout_at(until, self.socket.recv(&mut buffer)).await else {
                return Ok(Heard::Nothing);
            };
            let len = received.map_err(|error| explained(self.callee.address, &error))?;
            let message = SipMessage::read(&buffer[..len]);
            if let Some(one) = message.filter(|one| one.header("Call-ID") == Some(&self.id)) {
                return Ok(Heard::Message(Box::new(one)));
            }
        }
    }

    fn offer(&self, port: u16) -> String {
        let (ip, id) = (self.local.ip(), rand::random::<u32>());
        format!(
            "v=0\r\no=gridpost {id} 1 IN IP4 {ip}\r\ns=gridpost\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=ptime:20\r\na=sendonly\r\n"
        )
    }

    /// Until it has answered; where it wants to be spoken to.
    async fn invite(&mut self, port: u16) -> Result<(Option<IpAddr>, u16), String> {
        let offer = self.offer(port);
        let until = Instant::now() + self.callee.answer_within;
        let mut credentials = String::new();
        for _ in 0..=CHALLENGES_MAX {
            self.cseq += 1;
            self.invited = self.cseq;
            let branch = format!("{:016x}", rand::random::<u64>());
            // Speakers answer by themselves; telephones do if they are asked to.
            let more = format!(
                "{credentials}Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nAnswer-Mode: Auto\r\nCall-Info: <sip:gridpost@{}>;answer-after=0\r\nContent-Type: application/sdp\r\n",
                self.local
            );
            let invite = self.request("INVITE", (self.cseq, &branch), &more, &offer);
            let answer = self.final_answer(&invite, &branch, until).await?;
            let StartLine::Response { code, reason } = &answer.start else { continue };
            self.to = answer.header("To").unwrap_or(&self.to).to_owned();
            if (200..300).contains(code) {
                return self.answered(&answer).await;
            }
            let ack = self.request("ACK", (self.cseq, &branch), "", "");
            self.send(&ack).await?;
            self.to = format!("<{}>", self.callee.uri());
            match code {
                401 | 407 => credentials = self.credentials(&answer)?,
                486 | 600 => return Err(format!("it is busy ({code} {reason})")),
                _ => return Err(format!("it answered {code} {reason}")),
            }
        }
        Err("it asks for a password again and again: username and password_file are not what it knows".into())
    }

    async fn answered(&mut self, answer: &SipMessage) -> Result<(Option<IpAddr>, u16), String> {
        let contact = answer.header("Contact").and_then(uri_of);
        self.contact = contact.unwrap_or_else(|| self.callee.uri());
        self.open = true;
        self.acknowledge().await?;
        let media = media_of(&answer.body);
        if media.is_err() {
            drop(self.bye().await);
        }
        media
    }

    async fn acknowledge(&self) -> Result<(), String> {
        let branch = format!("{:016x}", rand::random::<u64>());
        self.send(&self.request("ACK", (self.invited, &branch), "", "")).await
    }

    /// What the INVITE is answered with in the end.
    async fn final_answer(
        &self,
        invite: &str,
        branch: &str,
        until: Instant,
    ) -> Result<SipMessage, String> {
        let (mut again, mut rings) = (AGAIN_FIRST, false);
        self.send(invite).await?;
        let mut next = Instant::now() + again;
        loop {
            let wait = if rings { until } else { next.min(until) };
            match self.hear(wait).await? {
                Heard::Message(message) if message.cseq() == Some((self.cseq, "INVITE")) => {
                    match message.start {
                        StartLine::Response { code, .. } if code >= 200 => return Ok(*message),
                        StartLine::Response { .. } => rings = true,
                        StartLine::Request { .. } => {}
                    }
                }
                Heard::Message(_) => {}
                Heard::Nothing if Instant::now() < until => {
                    self.send(invite).await?;
                    again *= 2;
                    next = Instant::now() + again;
                }
                Heard::Nothing if rings => {
                    self.cancel(branch).await;
                    let within = self.callee.answer_within;
                    return Err(format!("it rings and does not answer within {within:?}"));
                }
                Heard::Nothing => {
                    let within = self.callee.answer_within;
                    return Err(format!("no answer within {within:?}"));
                }
            }
        }
    }

    /// Gives up a call that rings. If it was answered just then, it is ended.
    async fn cancel(&self, branch: &str) {
        drop(self.send(&self.request("CANCEL", (self.cseq, branch), "", "")).await);
        let until = Instant::now() + CANCELLED;
        while let Ok(Heard::Message(message)) = self.hear(until).await {
            let StartLine::Response { code, .. } = message.start else { continue };
            if message.cseq() != Some((self.cseq, "INVITE")) || code < 200 {
                continue;
            }
            let own = if code < 300 { &format!("{branch}a") } else { branch };
            drop(self.send(&self.request("ACK", (self.cseq, own), "", "")).await);
            if code < 300 {
                let bye = format!("{branch}b");
                drop(self.send(&self.request("BYE", (self.cseq + 1, &bye), "", "")).await);
            }
            return;
        }
    }

    fn credentials(&self, answer: &SipMessage) -> Result<String, String> {
        let (challenge, header) = match answer.header("WWW-Authenticate") {
            Some(challenge) => (Some(challenge), "Authorization"),
            None => (answer.header("Proxy-Authenticate"), "Proxy-Authorization"),
        };
        let challenge = challenge.ok_or("it asks for a password and does not say how")?;
        let (Some(username), Some(password)) = (&self.callee.username, &self.callee.password)
        else {
            return Err("it asks for a password: set username and password_file".into());
        };
        let uri = self.callee.uri();
        let params =
            PasswordParams { username, password, uri: &uri, method: "INVITE", body: Some(&[]) };
        let mut client = PasswordClient::try_from(challenge)
            .map_err(|_| "it asks for a password in a way that is not known; expected Digest")?;
        let answer = client.respond(&params).map_err(|_| "its question cannot be answered")?;
        Ok(format!("{header}: {answer}\r\n"))
    }

    /// Answers what comes in while it is spoken to; returns why that ended, if it does.
    async fn serve(&mut self) -> String {
        loop {
            let until = Instant::now() + Duration::from_secs(3_600);
            match self.hear(until).await {
                Err(why) => return why,
                Ok(Heard::Nothing) => {}
                Ok(Heard::Message(message)) => {
                    if self.reply_to(&message).await {
                        (self.hung_up, self.open) = (true, false);
                        return "it hung up before the end".into();
                    }
                }
            }
        }
    }

    /// True: it hung up.
    async fn reply_to(&self, message: &SipMessage) -> bool {
        match &message.start {
            // Our ACK was lost.
            StartLine::Response { .. } if message.cseq() == Some((self.invited, "INVITE")) => {
                drop(self.acknowledge().await);
                false
            }
            StartLine::Response { .. } => false,
            StartLine::Request { method } => {
                let (code, reason) = match method.as_str() {
                    "ACK" => return false,
                    "BYE" | "OPTIONS" | "INFO" | "NOTIFY" => (200, "OK"),
                    "INVITE" | "UPDATE" => (488, "Not Acceptable Here"),
                    _ => (405, "Method Not Allowed"),
                };
                drop(self.send(&message.answer(code, reason)).await);
                method == "BYE"
            }
        }
    }

    /// Hangs up; Ok when the other end has confirmed it.
    async fn bye(&mut self) -> Result<(), String> {
        self.open = false;
        self.cseq += 1;
        let branch = format!("{:016x}", rand::random::<u64>());
        let bye = self.request("BYE", (self.cseq, &branch), "", "");
        let confirmed = async {
            let mut again = AGAIN_FIRST;
            loop {
                self.send(&bye).await?;
                let next = Instant::now() + again;
                while let Heard::Message(message) = self.hear(next).await? {
                    let is_ours = message.cseq() == Some((self.cseq, "BYE"));
                    match message.start {
                        StartLine::Response { code, .. } if is_ours && code >= 200 => return Ok(()),
                        _ if self.reply_to(&message).await => return Ok(()),
                        _ => {}
                    }
                }
                again *= 2;
            }
        };
        let late = || Err("it does not confirm the end: it may play for ever".to_owned());
        timeout(GOODBYE, confirmed).await.unwrap_or_else(|_| late())
    }
}

/// What stands in `<…>`, or up to the parameters.
fn uri_of(header: &str) -> Option<String> {
    let inside = match header.split_once('<') {
        Some((_, rest)) => rest.split('>').next()?,
        None => header.split(';').next()?,
    };
    inside.trim().starts_with("sip:").then(|| inside.trim().to_owned())
}

#[cfg(test)]
mod tests;
