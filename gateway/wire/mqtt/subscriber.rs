//! A lasting session at a broker: what came while we were away is sent to us again. Drives the protocol itself.
//!
//! rumqttc's own event loop ends the connection at a packet that is too large, and says nothing of
//! what it subscribed to. Here the packets are cut out by [`Frames`], so that such a message costs
//! itself alone, and the broker's answer to each SUBSCRIBE is handed on. MQTT 3.1.1: with version
//! 5 a broker would drop what is larger than our Maximum Packet Size without a word, and a press
//! that nobody hears of is worse than one that is told as unreadable.

use std::{
    collections::{BTreeMap, HashSet},
    io,
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use rumqttc::{
    ConnAck, Connect, ConnectReturnCode, Login, Packet, PingReq, PubAck, PubComp, PubRec, QoS,
    Subscribe,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::{Broker, KEEP_ALIVE};
use crate::wire::{
    client_tls::explain,
    frames::{Frame, Frames, PublishPacket},
    sockets::keep_alive,
    tls::Wire,
};

/// TCP, TLS and CONNACK within this.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);
/// Other packets than publications are a few bytes.
const PACKET_BYTES_MAX: usize = 64 * 1024;

/// One message of a broker; acknowledge it when it is on disk.
pub type Message = PublishPacket;

/// What a broker says.
#[derive(Debug)]
pub enum Heard {
    /// Perhaps too large to be held ([`PublishPacket::is_cut`]).
    Message(Message),
    /// Its answer to one SUBSCRIBE.
    Subscribed { topic: String, granted: Granted },
}

/// What it allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// Presses are acknowledged (QoS 1 or 2).
    Acknowledged,
    /// QoS 0 only: what comes while we are away is lost.
    AtMostOnce,
    /// Nothing (0x80): its rules do not let us read this topic.
    Refused,
}

/// What a broker keeps for us while we are away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// The session, and in it what comes meanwhile.
    Session,
    /// Nothing: the session ends with the connection, and nothing is asked for that waits (QoS 0).
    Nothing,
}

/// A connection that has been taken in.
pub struct Subscriber {
    read: ReadHalf<Box<dyn Wire>>,
    write: WriteHalf<Box<dyn Wire>>,
    frames: Frames,
    out: BytesMut,
    /// Written, and perhaps still in the buffer of TLS.
    unflushed: bool,
    /// SUBSCRIBEs that are not answered yet.
    asked: BTreeMap<u16, String>,
    last_id: u16,
    qos: QoS,
    /// Packet ids of QoS 2 that were handed on and not released yet.
    released_later: HashSet<u16>,
    ping_at: Instant,
    /// Bytes came since the last PINGREQ, or nobody wanted any.
    lives: bool,
}

impl Subscriber {
    /// Reads the files of this moment. The error is one sentence for people.
    pub async fn connect(
        broker: &Broker,
        topics: &[String],
        keeping: Keeping,
    ) -> Result<Self, String> {
        let connected = timeout(CONNECT_WITHIN, Self::connect_now(broker, topics, keeping)).await;
        connected.unwrap_or_else(|_| Err(format!("no answer within {CONNECT_WITHIN:?}")))
    }

    async fn connect_now(
        broker: &Broker,
        topics: &[String],
        keeping: Keeping,
    ) -> Result<Self, String> {
        let login = broker.login()?.map(|(name, password)| Login::new(name, password));
        Self::over(open(broker).await?, (&broker.client_id, login), topics, keeping).await
    }

    /// The session over a stream that is there.
    async fn over(
        stream: Box<dyn Wire>,
        (client, login): (&str, Option<Login>),
        topics: &[String],
        keeping: Keeping,
    ) -> Result<Self, String> {
        let (read, write) = tokio::io::split(stream);
        let mut session = Self {
            read,
            write,
            frames: Frames::default(),
            out: BytesMut::new(),
            unflushed: false,
            asked: BTreeMap::new(),
            last_id: 0,
            qos: match keeping {
                Keeping::Session => QoS::AtLeastOnce,
                Keeping::Nothing => QoS::AtMostOnce,
            },
            released_later: HashSet::new(),
            ping_at: Instant::now() + KEEP_ALIVE,
            lives: true,
        };
        let mut connect = Connect::new(client);
        connect.keep_alive = u16::try_from(KEEP_ALIVE.as_secs()).unwrap_or(u16::MAX);
        connect.clean_session = keeping == Keeping::Nothing;
        connect.login = login;
        session.put(&Packet::Connect(connect))?;
        while !session.out.is_empty() || session.unflushed {
            session.send().await?;
        }
        let frame = loop {
            match session.frames.next_frame()? {
                Some(Frame::Whole(frame)) => break frame,
                Some(Frame::TooLarge(_)) => return Err("a publication before its CONNACK".into()),
                None => session.receive().await?,
            }
        };
        match Packet::read(&mut BytesMut::from(&frame[..]), PACKET_BYTES_MAX) {
            Ok(Packet::ConnAck(ConnAck { code: ConnectReturnCode::Success, .. })) => {}
            Ok(Packet::ConnAck(ConnAck { code, .. })) => return Err(refusal(code)),
            _ => return Err("it does not answer in MQTT 3.1.1".into()),
        }
        for topic in topics {
            session.subscribe(topic)?;
        }
        Ok(session)
    }

    /// Asks for a topic, once more perhaps; the answer is [`Heard::Subscribed`].
    pub fn subscribe(&mut self, topic: &str) -> Result<(), String> {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        let mut subscribe = Subscribe::new(topic, self.qos);
        subscribe.pkid = self.last_id;
        self.asked.insert(self.last_id, topic.to_owned());
        self.put(&Packet::Subscribe(subscribe))
    }

    /// SUBSCRIBEs that were not answered yet.
    pub fn unanswered(&self) -> usize {
        self.asked.len()
    }

    /// The next thing that the broker says; nothing is lost where this is cancelled. With `reading`
    /// false, what was asked for is sent and the connection is kept, and no more is read. An error
    /// ends this connection.
    pub async fn next(&mut self, reading: bool) -> Result<Heard, String> {
        loop {
            if reading {
                while let Some(frame) = self.frames.next_frame()? {
                    if let Some(heard) = self.take(frame)? {
                        return Ok(heard);
                    }
                }
            }
            let Self { read, write, frames, out, unflushed, ping_at, .. } = self;
            let sending = !out.is_empty() || *unflushed;
            tokio::select! {
                sent = send_some(write, out, unflushed), if sending => sent.map_err(broke)?,
                got = read.read_buf(frames.room()), if reading => {
                    if got.map_err(broke)? == 0 {
                        return Err("the broker closed the connection".into());
                    }
                    self.lives = true;
                }
                () = tokio::time::sleep_until(*ping_at) => self.ping(reading)?,
            }
        }
    }

    /// What was read is not to lie in the buffers until something else is.
    pub fn forget(&mut self) {
        self.frames.forget();
    }

    /// Takes effect with the next call of [`Self::next`].
    pub fn acknowledge(&mut self, message: &Message) -> Result<(), String> {
        match (message.packet, message.qos) {
            (None, _) | (_, 0) => Ok(()),
            (Some(id), 1) => self.put(&Packet::PubAck(PubAck::new(id))),
            (Some(id), _) => self.put(&Packet::PubRec(PubRec::new(id))),
        }
    }

    fn take(&mut self, frame: Frame) -> Result<Option<Heard>, String> {
        let frame = match frame {
            Frame::TooLarge(publication) => return Ok(self.publication(publication)),
            Frame::Whole(frame) => frame,
        };
        match frame[0] >> 4 {
            3 => {
                let publication = PublishPacket::read(&frame)?;
                Ok(self.publication(publication))
            }
            6 => {
                let id = packet_id(&frame)?;
                self.released_later.remove(&id);
                self.put(&Packet::PubComp(PubComp::new(id)))?;
                Ok(None)
            }
            9 => Ok(self.subscribed(&frame)?),
            _ => Ok(None),
        }
    }

    /// A message of QoS 2 counts once until it is released.
    fn publication(&mut self, publication: PublishPacket) -> Option<Heard> {
        let again = publication.qos == 2
            && publication.packet.is_some_and(|id| !self.released_later.insert(id));
        (!again).then_some(Heard::Message(publication))
    }

    fn subscribed(&mut self, frame: &Bytes) -> Result<Option<Heard>, String> {
        let Some(topic) = self.asked.remove(&packet_id(frame)?) else { return Ok(None) };
        let granted = match frame.last().filter(|_| frame.len() > 4) {
            Some(1 | 2) => Granted::Acknowledged,
            Some(0) => Granted::AtMostOnce,
            _ => Granted::Refused,
        };
        Ok(Some(Heard::Subscribed { topic, granted }))
    }

    fn ping(&mut self, reading: bool) -> Result<(), String> {
        if !self.lives {
            return Err(format!("the broker is silent for {KEEP_ALIVE:?}"));
        }
        // Who does not read cannot tell.
        self.lives = !reading;
        self.ping_at = Instant::now() + KEEP_ALIVE;
        let mut bytes = BytesMut::new();
        PingReq.write(&mut bytes).map_err(|error| error.to_string())?;
        self.out.extend_from_slice(&bytes);
        Ok(())
    }

    fn put(&mut self, packet: &Packet) -> Result<(), String> {
        let put = packet.write(&mut self.out, PACKET_BYTES_MAX);
        put.map(drop).map_err(|error| error.to_string())
    }

    async fn send(&mut self) -> Result<(), String> {
        send_some(&mut self.write, &mut self.out, &mut self.unflushed).await.map_err(broke)
    }

    async fn receive(&mut self) -> Result<(), String> {
        match self.read.read_buf(self.frames.room()).await.map_err(broke)? {
            0 => Err("the broker closed the connection without an answer".into()),
            _ => Ok(()),
        }
    }
}

/// One session with a broker that says anything, for the fuzzer: each message is acknowledged.
#[doc(hidden)]
pub async fn fuzz_broker(stream: impl Wire + 'static) -> Result<(), String> {
    let topics = ["a/+".to_owned(), "b".to_owned()];
    let own = ("fuzz", None);
    let mut session = Subscriber::over(Box::new(stream), own, &topics, Keeping::Session).await?;
    loop {
        if let Heard::Message(message) = session.next(true).await? {
            session.acknowledge(&message)?;
        }
    }
}

/// Cancelling it loses nothing: what is not written stays in `out`.
async fn send_some(
    write: &mut WriteHalf<Box<dyn Wire>>,
    out: &mut BytesMut,
    unflushed: &mut bool,
) -> io::Result<()> {
    if !out.is_empty() {
        *unflushed = true;
        write.write_buf(out).await?;
    }
    if out.is_empty() {
        write.flush().await?;
        *unflushed = false;
    }
    Ok(())
}

async fn open(broker: &Broker) -> Result<Box<dyn Wire>, String> {
    let address = broker.address()?;
    let stream = TcpStream::connect((address.host.trim_matches(['[', ']']), address.port)).await;
    let stream = stream.map_err(|error| format!("I/O: {error}"))?;
    // An acknowledgement is a few bytes that the broker waits for.
    let _ = stream.set_nodelay(true);
    keep_alive(&stream);
    let Some(config) = address.tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(address.host.trim_matches(['[', ']']).to_owned())
        .map_err(|_| "the url's host is no name that a certificate can have".to_owned())?;
    let stream = TlsConnector::from(config).connect(name, stream).await;
    Ok(Box::new(stream.map_err(|error| explain(format!("TLS: {error}")))?))
}

fn packet_id(frame: &Bytes) -> Result<u16, String> {
    // Fixed header of one and one byte: these packets are short.
    let id = frame.get(2..4).and_then(|id| id.first_chunk::<2>());
    id.map(|id| u16::from_be_bytes(*id)).ok_or_else(|| "a packet without its id".to_owned())
}

fn broke(error: io::Error) -> String {
    explain(format!("I/O: {error}"))
}

fn refusal(code: ConnectReturnCode) -> String {
    let why = match code {
        ConnectReturnCode::BadUserNamePassword => "user name or password is wrong",
        ConnectReturnCode::NotAuthorized => "we may not connect; user name or password is wrong",
        ConnectReturnCode::BadClientId => "it does not take our client id",
        ConnectReturnCode::RefusedProtocolVersion => "it does not speak MQTT 3.1.1",
        _ => "it is not available",
    };
    format!("the broker refuses us: {why}")
}
