//! One MQTT connection of a device: v3.1, v3.1.1 and v5, publications only, acknowledged when stored.

mod packets;

use std::{
    collections::{HashSet, VecDeque},
    net::IpAddr,
    time::Duration,
};

use mqtt_protocol_core::mqtt::{
    Connection, Version,
    common::Cursor,
    connection::{ConnectionOptions, Event, TimerKind},
    packet::{GenericPacketTrait, Packet, Qos},
    role::Server,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    time::{Instant, timeout},
};

use super::{
    Shared,
    connect::{self, First, Hello, SILENT_MAX, Will},
};
use crate::{
    domain::{Arrival, Envelope, Metric, Observation, Receipt, SourceId},
    sources::{
        accept::{Sender, accept, cannot_be_read, of_a_sensor},
        arrival,
        codecs::Message,
        presence, refused,
    },
    wire::{
        frames::{self, Frame, Frames, PAYLOAD_BYTES_MAX, PublishPacket},
        guests::{Guest, Leave},
        tls::Wire,
    },
};

/// Before it has said who it is, a device sends nothing larger than a CONNECT with a will.
const CONNECT_BYTES_MAX: usize = 64 * 1024;
/// No packet is larger: a payload within its bound, and what stands before it.
const PACKET_BYTES_MAX: u32 = PAYLOAD_BYTES_MAX as u32 + 128 * 1024;
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

/// How a connection ended, where that is no fault of the device.
enum Parting {
    /// It said goodbye.
    Left,
    /// It hung up without a word.
    Gone,
    /// It was sent away.
    Sent(Leave),
}

struct DeviceSession<'s> {
    stream: Box<dyn Wire>,
    frames: Frames,
    connection: Connection<Server>,
    shared: &'s Shared,
    from: IpAddr,
    /// What it said of itself; `None` before that.
    hello: Option<Hello>,
    /// See `Hello::origins`.
    origins: Vec<String>,
    /// The device that it spoke for last, and whether that shows that it is a listed one.
    spoke_for: Option<(SourceId, bool)>,
    guest: &'s mut Guest,
    left: bool,
    /// The store could not take what it said: that is our fault, and no word of its own.
    unstored: bool,
    in_flight: usize,
    /// Publications given to the store, and answered by it; it answers in order.
    given: u64,
    settled: u64,
    /// Set aside by the limit: answered after what was given before them (MQTT-4.6.0-2).
    aside: VecDeque<(u64, Answered)>,
    /// Of QoS 2, and not on disk yet: the protocol's own answer to a second copy would come too early.
    unsettled: HashSet<u16>,
    ping_by: Option<Instant>,
    heard_at: Instant,
    answered: mpsc::Sender<Answered>,
    answers: mpsc::Receiver<Answered>,
}

/// What remains of a connection: why it was closed, if that is worth a line, and the will of one
/// that went without a word.
pub(super) struct Remains {
    pub(super) reason: Option<String>,
    pub(super) will: Option<(Hello, Will)>,
}

/// Runs until the device leaves or its connection has to be closed.
pub(super) async fn run(
    stream: Box<dyn Wire>,
    shared: &Shared,
    from: IpAddr,
    guest: &mut Guest,
) -> Remains {
    let (answered, answers) = mpsc::channel(IN_FLIGHT_MAX);
    let options = ConnectionOptions::new().maximum_packet_size_recv(PACKET_BYTES_MAX);
    let mut connection = Connection::with_options(Version::Undetermined, options);
    connection.set_auto_ping_response(true);
    let mut session = DeviceSession {
        stream,
        frames: Frames::at_most(CONNECT_BYTES_MAX),
        connection,
        shared,
        from,
        hello: None,
        origins: Vec::new(),
        spoke_for: None,
        guest,
        left: false,
        unstored: false,
        in_flight: 0,
        given: 0,
        settled: 0,
        aside: VecDeque::new(),
        unsettled: HashSet::new(),
        ping_by: None,
        heard_at: Instant::now(),
        answered,
        answers,
    };
    let end = session.talk().await;
    let unstored = session.unstored;
    let hello = session.hello.take();
    let silent = !matches!(end, Ok(Parting::Left | Parting::Sent(_)));
    let will = hello.filter(|_| silent && !unstored).and_then(|mut hello| {
        let will = hello.will.take()?;
        Some((hello, will))
    });
    let reason = match end {
        Ok(Parting::Left | Parting::Gone | Parting::Sent(Leave::TakenOver)) => None,
        Ok(Parting::Sent(Leave::Room)) => Some("its place was needed".to_owned()),
        Err(reason) => Some(reason),
    };
    Remains { reason, will }
}

/// A will is said as if the device itself had said it; nobody waits for an acknowledgement.
pub(super) async fn say_will(shared: &Shared, hello: &Hello, will: &Will) {
    let said = (will.topic.as_str(), will.payload.as_slice());
    if let Some(of_a_sensor) = heard_of_a_sensor(shared, hello.user.as_deref(), said, false) {
        for observation in of_a_sensor {
            let _ = shared.envelopes.send(Envelope::unacknowledged(observation)).await;
        }
        return;
    }
    let message =
        Message { topic: &will.topic, payload: &will.payload, retained: false, via: "intake" };
    let now = shared.clock.now();
    let digest = arrival::digest(&will.topic, &will.payload);
    let (way, client) = (hello.way(), hello.client.clone());
    let speaker = shared.speaker(hello.user.as_deref());
    // One a connection: the quota is for what may come again and again.
    let sender = Sender { speaker, way: &way, origins: &[] };
    let judged = accept(&shared.dialects, &shared.limiter, (&message, sender), now, &*shared.meter);
    shared.say_not_theirs(judged.why);
    let mut said = judged.observations;
    arrival::mark(&mut said, &Arrival { way, client, packet: None, dup: false, digest });
    for observation in said {
        let _ = shared.envelopes.send(Envelope::unacknowledged(observation)).await;
    }
}

/// What a message of a Wi-Fi sensor leads to; `None`: it is none.
fn heard_of_a_sensor(
    shared: &Shared,
    user: Option<&str>,
    (topic, payload): (&str, &[u8]),
    cut: bool,
) -> Option<Vec<Observation>> {
    // Retained at the intake means nothing: it comes live from the device itself.
    let heard = presence::SensorWord { topic, payload, retained: false, cut, via: "intake", user };
    of_a_sensor(&shared.dialects, &heard, shared.clock.now(), &*shared.meter)
}

impl DeviceSession<'_> {
    async fn talk(&mut self) -> Result<Parting, String> {
        let started = Instant::now();
        loop {
            if self.left {
                return Ok(Parting::Left);
            }
            let quiet = match self.hello {
                None => started + CONNECT_WITHIN,
                Some(_) => self.ping_by.unwrap_or(self.heard_at + SILENT_MAX),
            };
            tokio::select! {
                biased;
                Some(answer) = self.answers.recv() => self.settled(answer).await?,
                why = self.guest.told_to_leave() => {
                    self.settle_what_is_given().await;
                    return Ok(Parting::Sent(why));
                }
                read = self.stream.read_buf(self.frames.room()), if self.in_flight < IN_FLIGHT_MAX => {
                    if read.map_err(|error| format!("read: {error}"))? == 0 {
                        self.settle_what_is_given().await;
                        return Ok(Parting::Gone);
                    }
                    self.heard_at = Instant::now();
                    self.receive().await?;
                }
                () = tokio::time::sleep_until(quiet) => {
                    if self.hello.is_none() {
                        return Err("no CONNECT within 10 s".into());
                    }
                    self.connection.notify_timer_fired(TimerKind::PingreqRecv);
                    return Err("silent for longer than its keep-alive".into());
                }
            }
        }
    }

    /// What the store has already answered is acknowledged, where somebody still reads it.
    async fn settle_what_is_given(&mut self) {
        while let Ok(answer) = self.answers.try_recv() {
            if self.settled(answer).await.is_err() {
                return;
            }
        }
    }

    async fn receive(&mut self) -> Result<(), String> {
        while let Some(frame) = self.frames.next_frame()? {
            if self.left {
                // What comes after a DISCONNECT is nothing that anybody said (MQTT-3.14.4-1).
                return Ok(());
            }
            match frame {
                Frame::TooLarge(publication) => self.too_large(publication).await?,
                Frame::Whole(frame) if self.hello.is_some() => self.feed(&frame).await?,
                Frame::Whole(frame) => match connect::first(&frame) {
                    First::Connect(frame) => self.feed(&frame).await?,
                    First::Unserved(level) => {
                        // CONNACK with code 1, as every version before 5 has it.
                        self.write(&[0x20, 2, 0, 1]).await?;
                        return Err(format!("MQTT of level {level} is not served"));
                    }
                },
            }
        }
        Ok(())
    }

    async fn feed(&mut self, frame: &[u8]) -> Result<(), String> {
        let mut cursor = Cursor::new(frame);
        while (cursor.position() as usize) < frame.len() {
            let events = self.connection.recv(&mut cursor);
            if events.is_empty() {
                break;
            }
            self.handle(events).await?;
        }
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let send = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        let sent = timeout(CONNECT_WITHIN, send).await;
        sent.map_err(|_| "does not read its answers".to_owned())?
            .map_err(|error| format!("write: {error}"))
    }

    async fn handle(&mut self, events: Vec<Event>) -> Result<(), String> {
        for event in events {
            match event {
                Event::NotifyPacketReceived(packet) => Box::pin(self.packet(packet)).await?,
                Event::RequestSendPacket { packet, .. } if self.is_too_early(&packet) => {}
                Event::RequestSendPacket { packet, .. } => {
                    self.write(&packet.to_continuous_buffer()).await?;
                }
                Event::RequestTimerReset { kind: TimerKind::PingreqRecv, duration_ms } => {
                    self.ping_by = Some(Instant::now() + Duration::from_millis(duration_ms));
                }
                Event::NotifyError(error) => return Err(format!("not MQTT: {error:?}")),
                Event::RequestClose if self.left => {}
                Event::RequestClose => return Err("closed by protocol".into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// The protocol answers a second copy of a message of QoS 2 by itself; before the first one is
    /// on disk that would be a promise too many.
    fn is_too_early(&self, packet: &Packet) -> bool {
        let id = match packet {
            Packet::V3_1_1Pubrec(pubrec) => pubrec.packet_id(),
            Packet::V5_0Pubrec(pubrec) => pubrec.packet_id(),
            _ => return false,
        };
        self.unsettled.contains(&id)
    }

    /// Counted and told, and acknowledged like what can be read.
    async fn too_large(&mut self, publication: PublishPacket) -> Result<(), String> {
        let (topic, bytes) = (&publication.topic, publication.bytes);
        let qos = match publication.qos {
            0 => Qos::AtMostOnce,
            1 => Qos::AtLeastOnce,
            _ => Qos::ExactlyOnce,
        };
        let said = (topic.as_str(), &publication.payload[..]);
        if let Some(of_a_sensor) = heard_of_a_sensor(self.shared, self.user(), said, true) {
            self.wait_for_room().await?;
            return self.give_of_a_sensor(of_a_sensor, publication.packet, qos).await;
        }
        self.shared.meter.add(Metric::SignalsTooLarge, "intake", 1);
        self.shared.say_too_large(topic, bytes);
        let message =
            Message { topic, payload: &publication.payload, retained: false, via: "intake" };
        let (shared, now) = (self.shared, self.shared.clock.now());
        let reason = frames::too_large(bytes);
        let speaker = shared.speaker(self.user());
        let judged =
            cannot_be_read(&shared.dialects, (&message, speaker), &reason, now, &*shared.meter);
        shared.say_not_theirs(judged.why);
        let mut observations = judged.observations;
        let (packet, dup) = (publication.packet, publication.dup);
        arrival::mark(&mut observations, &self.arrival(topic, &publication.payload, packet, dup));
        self.wait_for_room().await?;
        self.give(observations, &message, publication.packet, qos).await
    }

    /// One read may hold hundreds of them: the rest waits here, and more waits in the socket.
    async fn wait_for_room(&mut self) -> Result<(), String> {
        while self.in_flight >= IN_FLIGHT_MAX {
            let Some(answer) = self.answers.recv().await else { break };
            self.settled(answer).await?;
        }
        Ok(())
    }

    async fn publication(
        &mut self,
        topic: &str,
        payload: &[u8],
        (packet, qos, dup): (Option<u16>, Qos, bool),
    ) -> Result<(), String> {
        self.wait_for_room().await?;
        let said = (topic, payload);
        if let Some(of_a_sensor) = heard_of_a_sensor(self.shared, self.user(), said, false) {
            return self.give_of_a_sensor(of_a_sensor, packet, qos).await;
        }
        // Retained at the intake means nothing: it comes live from the device itself.
        let message = Message { topic, payload, retained: false, via: "intake" };
        let (shared, now) = (self.shared, self.shared.clock.now());
        let arrival = self.arrival(topic, payload, packet, dup);
        let speaker = shared.speaker(self.user());
        let sender = Sender { speaker, way: &arrival.way, origins: &self.origins };
        let judged =
            accept(&shared.dialects, &shared.limiter, (&message, sender), now, &*shared.meter);
        shared.say_not_theirs(judged.why);
        let mut observations = judged.observations;
        arrival::mark(&mut observations, &arrival);
        if let Some(one) = observations.first() {
            self.speaks_for(&one.source);
        }
        self.give(observations, &message, packet, qos).await
    }

    /// It said something for this device: where it may, it is listed, and who did so before is not.
    fn speaks_for(&mut self, source: &SourceId) {
        let known = self.spoke_for.as_ref().filter(|(last, _)| last == source);
        let shows = known.map(|(_, shows)| *shows).unwrap_or_else(|| {
            let codecs = self.shared.dialects.borrow().clone();
            self.shared.shows(&codecs, self.user(), source.as_str())
        });
        if shows {
            self.guest.speaks_for(source.as_str());
        }
        self.spoke_for = Some((source.clone(), shows));
    }

    fn user(&self) -> Option<&str> {
        self.hello.as_ref()?.user.as_deref()
    }

    fn arrival(&self, topic: &str, payload: &[u8], packet: Option<u16>, dup: bool) -> Arrival {
        let hello = self.hello.as_ref();
        Arrival {
            way: hello.map_or("intake".into(), Hello::way),
            client: hello.map(|hello| hello.client.clone()).unwrap_or_default(),
            packet,
            dup,
            digest: arrival::digest(topic, payload),
        }
    }

    /// Nobody waits for the disk: nothing of it goes there. Answered after what came before it, and forgotten.
    async fn give_of_a_sensor(
        &mut self,
        observations: Vec<Observation>,
        packet: Option<u16>,
        qos: Qos,
    ) -> Result<(), String> {
        self.frames.forget();
        for observation in observations {
            let sent = self.shared.envelopes.send(Envelope::unacknowledged(observation)).await;
            sent.map_err(|_| "the gateway is stopping".to_owned())?;
        }
        self.set_aside(packet, qos).await
    }

    /// Answered after what was given before it.
    async fn set_aside(&mut self, packet_id: Option<u16>, qos: Qos) -> Result<(), String> {
        self.in_flight += 1;
        if qos == Qos::ExactlyOnce {
            self.unsettled.extend(packet_id);
        }
        let answer = Answered { packet_id, qos, stored: true };
        self.aside.push_back((self.given, answer));
        self.answer_aside().await
    }

    /// To the junction; what came of it is answered in its turn.
    async fn give(
        &mut self,
        mut observations: Vec<Observation>,
        message: &Message<'_>,
        packet_id: Option<u16>,
        qos: Qos,
    ) -> Result<(), String> {
        let Some(last) = observations.pop() else {
            return self.set_aside(packet_id, qos).await;
        };
        self.in_flight += 1;
        if qos == Qos::ExactlyOnce {
            self.unsettled.extend(packet_id);
        }
        let answered = self.answered.clone();
        // The channel holds as many as may be in flight, so this never finds it full.
        let stored = move |stored| {
            let _ = answered.try_send(Answered { packet_id, qos, stored });
        };
        let (now, envelopes, meter) =
            (self.shared.clock.now(), &self.shared.envelopes, &self.shared.meter);
        let receipt = refused::receipt(&last, message, now, envelopes, meter, stored);
        self.given += 1;
        let before = observations.into_iter().map(|one| (one, Receipt::none()));
        for (observation, receipt) in before.chain([(last, receipt)]) {
            let sent = self.shared.envelopes.send(Envelope { observation, receipt }).await;
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
}
