//! One MQTT connection of a device: v3.1.1 and v5, publications only, acknowledged when stored.

use std::{collections::VecDeque, time::Duration};

use mqtt_protocol_core::mqtt::{
    Connection, Version,
    common::Cursor,
    connection::{Event, TimerKind},
    packet::{GenericPacketTrait, Packet, Qos, v3_1_1, v5_0},
    result_code::{
        ConnectReasonCode, ConnectReturnCode, PubackReasonCode, PubrecReasonCode, SubackReasonCode,
        SubackReturnCode,
    },
    role::Server,
};
use subtle::ConstantTimeEq;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    time::{Instant, timeout},
};

use super::Shared;
use crate::{
    domain::{Answer, Envelope, Receipt},
    sources::{accept::accept, codecs::Message},
    wire::tls::Wire,
};

/// A packet larger than this is no press; the connection is closed.
const PACKET_BYTES_MAX: usize = 256 * 1024;
/// A connection without CONNECT within this time is closed.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Publications of one connection waiting for the disk; more wait in the socket.
const IN_FLIGHT_MAX: usize = 16;

/// A publication that the store has answered for.
struct Answered {
    packet_id: Option<u16>,
    qos: Qos,
    stored: bool,
}

struct DeviceSession<'s> {
    stream: Box<dyn Wire>,
    connection: Connection<Server>,
    shared: &'s Shared,
    connected: bool,
    v5: bool,
    in_flight: usize,
    /// Publications given to the store, and answered by it; it answers in order.
    given: u64,
    settled: u64,
    /// Set aside by the limit: answered after what was given before them (MQTT-4.6.0-2).
    aside: VecDeque<(u64, Answered)>,
    ping_by: Option<Instant>,
    answered: mpsc::Sender<Answered>,
    answers: mpsc::Receiver<Answered>,
}

/// Runs until the device leaves (Ok) or its connection has to be closed (the reason).
pub(super) async fn run(stream: Box<dyn Wire>, shared: &Shared) -> Result<(), String> {
    let (answered, answers) = mpsc::channel(IN_FLIGHT_MAX);
    let mut connection = Connection::new(Version::Undetermined);
    connection.set_auto_ping_response(true);
    let mut session = DeviceSession {
        stream,
        connection,
        shared,
        connected: false,
        v5: false,
        in_flight: 0,
        given: 0,
        settled: 0,
        aside: VecDeque::new(),
        ping_by: None,
        answered,
        answers,
    };
    let mut buffer = vec![0u8; 16 * 1024];
    let mut unfinished = 0usize;
    let started = Instant::now();
    loop {
        let deadline =
            if session.connected { session.ping_by } else { Some(started + CONNECT_WITHIN) };
        let quiet = deadline.unwrap_or_else(|| started + Duration::from_secs(365 * 86_400));
        tokio::select! {
            biased;
            Some(answer) = session.answers.recv() => session.settled(answer).await?,
            read = session.stream.read(&mut buffer), if session.in_flight < IN_FLIGHT_MAX => {
                let n = read.map_err(|error| format!("read: {error}"))?;
                if n == 0 {
                    return Ok(());
                }
                unfinished += n;
                if session.receive(&buffer[..n]).await? {
                    unfinished = 0;
                }
                if unfinished > PACKET_BYTES_MAX {
                    return Err(format!("a packet of more than {PACKET_BYTES_MAX} bytes"));
                }
            }
            () = tokio::time::sleep_until(quiet) => {
                if !session.connected {
                    return Err("no CONNECT within 10 s".into());
                }
                session.connection.notify_timer_fired(TimerKind::PingreqRecv);
                return Err("silent for longer than its keep-alive".into());
            }
        }
    }
}

impl DeviceSession<'_> {
    /// True if at least one whole packet was in it.
    async fn receive(&mut self, bytes: &[u8]) -> Result<bool, String> {
        let mut whole = false;
        let mut cursor = Cursor::new(bytes);
        while (cursor.position() as usize) < bytes.len() {
            let events = self.connection.recv(&mut cursor);
            if events.is_empty() {
                break;
            }
            whole |= events.iter().any(|event| matches!(event, Event::NotifyPacketReceived(_)));
            self.handle(events).await?;
        }
        Ok(whole)
    }

    async fn handle(&mut self, events: Vec<Event>) -> Result<(), String> {
        for event in events {
            match event {
                Event::NotifyPacketReceived(packet) => Box::pin(self.packet(packet)).await?,
                Event::RequestSendPacket { packet, .. } => {
                    let bytes = packet.to_continuous_buffer();
                    let send = async {
                        self.stream.write_all(&bytes).await?;
                        self.stream.flush().await
                    };
                    let sent = timeout(CONNECT_WITHIN, send).await;
                    sent.map_err(|_| "does not read its answers".to_owned())?
                        .map_err(|error| format!("write: {error}"))?;
                }
                Event::RequestTimerReset { kind: TimerKind::PingreqRecv, duration_ms } => {
                    self.ping_by = Some(Instant::now() + Duration::from_millis(duration_ms));
                }
                Event::NotifyError(error) => return Err(format!("not MQTT: {error:?}")),
                Event::RequestClose => return Err("closed by protocol".into()),
                _ => {}
            }
        }
        Ok(())
    }

    async fn packet(&mut self, packet: Packet) -> Result<(), String> {
        match packet {
            Packet::V3_1_1Connect(connect) => {
                let welcome = self.welcome(connect.user_name(), connect.password());
                let code = if welcome {
                    ConnectReturnCode::Accepted
                } else {
                    ConnectReturnCode::NotAuthorized
                };
                let connack = v3_1_1::Connack::builder().session_present(false).return_code(code);
                self.send(connack.build().map(Into::into)).await?;
                self.connected(welcome, connect.client_id())
            }
            Packet::V5_0Connect(connect) => {
                self.v5 = true;
                let welcome = self.welcome(connect.user_name(), connect.password());
                let code = if welcome {
                    ConnectReasonCode::Success
                } else {
                    ConnectReasonCode::NotAuthorized
                };
                let connack = v5_0::Connack::builder().session_present(false).reason_code(code);
                self.send(connack.build().map(Into::into)).await?;
                self.connected(welcome, connect.client_id())
            }
            Packet::V3_1_1Publish(publish) => {
                let (topic, payload) = (publish.topic_name(), publish.payload().as_slice());
                self.publication(topic, payload, publish.packet_id(), publish.qos()).await
            }
            Packet::V5_0Publish(publish) => {
                let (topic, payload) = (publish.topic_name(), publish.payload().as_slice());
                self.publication(topic, payload, publish.packet_id(), publish.qos()).await
            }
            Packet::V3_1_1Pubrel(pubrel) => {
                let done = v3_1_1::Pubcomp::builder().packet_id(pubrel.packet_id()).build();
                self.send(done.map(Into::into)).await
            }
            Packet::V5_0Pubrel(pubrel) => {
                let done = v5_0::Pubcomp::builder().packet_id(pubrel.packet_id()).build();
                self.send(done.map(Into::into)).await
            }
            Packet::V3_1_1Subscribe(subscribe) => {
                let codes = vec![SubackReturnCode::Failure; subscribe.entries().len()];
                let no =
                    v3_1_1::Suback::builder().packet_id(subscribe.packet_id()).return_codes(codes);
                self.send(no.build().map(Into::into)).await
            }
            Packet::V5_0Subscribe(subscribe) => {
                let codes = vec![SubackReasonCode::NotAuthorized; subscribe.entries().len()];
                let no =
                    v5_0::Suback::builder().packet_id(subscribe.packet_id()).reason_codes(codes);
                self.send(no.build().map(Into::into)).await
            }
            _ => Ok(()),
        }
    }

    fn welcome(&self, name: Option<&str>, password: Option<&[u8]>) -> bool {
        match name {
            None => self.shared.anonymous,
            Some(name) if self.shared.users.is_empty() => {
                // Devices that insist on a name are let in where nobody needs one.
                let _ = name;
                self.shared.anonymous
            }
            Some(name) => {
                self.shared.users.get(name).is_some_and(|known| {
                    known.as_bytes().ct_eq(password.unwrap_or_default()).into()
                })
            }
        }
    }

    fn connected(&mut self, welcome: bool, client: &str) -> Result<(), String> {
        self.connected = welcome;
        if welcome { Ok(()) } else { Err(format!("client {client:?}: wrong name or password")) }
    }

    async fn publication(
        &mut self,
        topic: &str,
        payload: &[u8],
        packet_id: Option<u16>,
        qos: Qos,
    ) -> Result<(), String> {
        // One read may hold hundreds of them: the rest waits here, and more waits in the socket.
        while self.in_flight >= IN_FLIGHT_MAX {
            let Some(answer) = self.answers.recv().await else { break };
            self.settled(answer).await?;
        }
        // Retained at the intake means nothing: it comes live from the device itself.
        let message = Message { topic, payload, retained: false, via: "intake" };
        let (shared, now) = (self.shared, self.shared.clock.now());
        let mut observations =
            accept(&shared.dialects, &shared.limiter, &message, now, &*shared.meter);
        self.in_flight += 1;
        let Some(last) = observations.pop() else {
            let answer = Answered { packet_id, qos, stored: true };
            self.aside.push_back((self.given, answer));
            return self.answer_aside().await;
        };
        let answered = self.answered.clone();
        // The channel holds as many as may be in flight, so this never finds it full.
        let receipt = Receipt::new(move |answer| {
            let stored = !matches!(answer, Answer::Lost);
            let _ = answered.try_send(Answered { packet_id, qos, stored });
        });
        self.given += 1;
        let before = observations.into_iter().map(|one| (one, Receipt::none()));
        for (observation, receipt) in before.chain([(last, receipt)]) {
            let sent = shared.envelopes.send(Envelope { observation, receipt }).await;
            sent.map_err(|_| "the gateway is stopping".to_owned())?;
        }
        Ok(())
    }

    async fn settled(&mut self, answer: Answered) -> Result<(), String> {
        self.settled += 1;
        self.acknowledge(&answer).await?;
        self.answer_aside().await
    }

    async fn answer_aside(&mut self) -> Result<(), String> {
        while self.aside.front().is_some_and(|(after, _)| *after <= self.settled) {
            let Some((_, answer)) = self.aside.pop_front() else { break };
            self.acknowledge(&answer).await?;
        }
        Ok(())
    }

    async fn acknowledge(&mut self, answer: &Answered) -> Result<(), String> {
        self.in_flight -= 1;
        if !answer.stored {
            return Err("not stored; the device must send again".into());
        }
        let Some(id) = answer.packet_id else { return Ok(()) };
        let packet = match (answer.qos, self.v5) {
            (Qos::AtMostOnce, _) => return Ok(()),
            (Qos::AtLeastOnce, false) => {
                v3_1_1::Puback::builder().packet_id(id).build().map(Into::into)
            }
            (Qos::AtLeastOnce, true) => v5_0::Puback::builder()
                .packet_id(id)
                .reason_code(PubackReasonCode::Success)
                .build()
                .map(Into::into),
            (Qos::ExactlyOnce, false) => {
                v3_1_1::Pubrec::builder().packet_id(id).build().map(Into::into)
            }
            (Qos::ExactlyOnce, true) => v5_0::Pubrec::builder()
                .packet_id(id)
                .reason_code(PubrecReasonCode::Success)
                .build()
                .map(Into::into),
        };
        self.send(packet).await
    }

    async fn send<E: std::fmt::Debug>(&mut self, packet: Result<Packet, E>) -> Result<(), String> {
        let packet = packet.map_err(|error| format!("an answer could not be made: {error:?}"))?;
        let events = self.connection.send(packet);
        self.handle(events).await
    }
}
