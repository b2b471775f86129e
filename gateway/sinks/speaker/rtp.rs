//! Sound on its way as RTP (RFC 3550): G.711 A-law, 20 ms a packet, sender reports beside it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    net::UdpSocket,
    time::{Instant, sleep_until},
};

use super::{
    floor::{Floor, FloorTurn},
    sound::Sound,
};
use crate::domain::IncidentId;

/// G.711 A-law at 8 kHz, by its number in RFC 3551.
pub(super) const PCMA: u8 = 8;
const FRAME: Duration = Duration::from_millis(20);
const FRAME_SAMPLES: usize = 160;
/// Between two sender reports.
const REPORT_FRAMES: usize = 250;
/// Between two looks at whether the cause goes on.
const CAUSE_FRAMES: usize = 10;
/// Seconds from 1900 to 1970.
const NTP_OFFSET_S: i64 = 2_208_988_800;

/// Why speaking ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Something more urgent has to be said.
    Interrupted,
    /// What it was said for is over.
    CauseOver,
}

/// What is listened to while something is spoken.
pub(super) struct Attention<'t> {
    pub(super) floor: &'t Arc<Floor>,
    pub(super) turn: &'t FloorTurn,
    pub(super) cause: IncidentId,
}

impl Attention<'_> {
    /// Whether to stop, at this frame.
    pub(super) fn stop(&self, frame: usize) -> Option<Stop> {
        if self.turn.must_yield() {
            return Some(Stop::Interrupted);
        }
        let looks = frame.is_multiple_of(CAUSE_FRAMES);
        (looks && !self.floor.causes.goes_on(self.cause)).then_some(Stop::CauseOver)
    }
}

/// One stream of packets to one address.
pub(super) struct Stream<'s> {
    pub(super) media: &'s UdpSocket,
    pub(super) to: SocketAddr,
    /// The port beside it, for reports.
    pub(super) control: &'s UdpSocket,
    pub(super) source: u32,
    sequence: u16,
    time: u32,
    packets: u32,
    bytes: u32,
}

impl<'s> Stream<'s> {
    pub(super) fn new(media: &'s UdpSocket, control: &'s UdpSocket, to: SocketAddr) -> Self {
        let (source, sequence, time) = (rand::random(), rand::random(), rand::random());
        Self { media, to, control, source, sequence, time, packets: 0, bytes: 0 }
    }

    /// Speaks at the pace of the sound. The stop is why the rest was not spoken.
    pub(super) async fn play(
        &mut self,
        sound: &Sound,
        attention: &Attention<'_>,
    ) -> io::Result<Option<Stop>> {
        let coded = sound.a_law();
        let begun = Instant::now();
        for (frame, data) in coded.chunks(FRAME_SAMPLES).enumerate() {
            let at = begun + FRAME * u32::try_from(frame).unwrap_or(u32::MAX);
            sleep_until(at).await;
            if let Some(stop) = attention.stop(frame) {
                return Ok(Some(stop));
            }
            if frame.is_multiple_of(REPORT_FRAMES) {
                self.report(attention.floor.causes.now(), false).await;
            }
            let packet = self.packet(data, frame == 0);
            self.media.send_to(&packet, self.to).await?;
        }
        // The last packet is heard before the line is closed.
        sleep_until(Instant::now() + FRAME).await;
        self.report(attention.floor.causes.now(), true).await;
        Ok(None)
    }

    fn packet(&mut self, data: &[u8], first: bool) -> Vec<u8> {
        let mut packet = vec![0x80, PCMA | if first { 0x80 } else { 0 }];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(self.time.to_be_bytes());
        packet.extend(self.source.to_be_bytes());
        packet.extend(data);
        // The last one is filled up with silence: devices expect whole frames.
        packet.resize(12 + FRAME_SAMPLES, 0xd5);
        self.sequence = self.sequence.wrapping_add(1);
        self.time = self.time.wrapping_add(FRAME_SAMPLES as u32);
        (self.packets, self.bytes) =
            (self.packets.wrapping_add(1), self.bytes.wrapping_add(FRAME_SAMPLES as u32));
        packet
    }

    /// A sender report with our name; `last`: and that we leave. Nobody need hear it.
    async fn report(&self, now: Timestamp, last: bool) {
        let mut to = self.to;
        let Some(port) = to.port().checked_add(1) else { return };
        to.set_port(port);
        drop(self.control.send_to(&self.control_packet(now, last), to).await);
    }

    fn control_packet(&self, now: Timestamp, last: bool) -> Vec<u8> {
        let mut packet = vec![0x80, 200, 0, 6];
        packet.extend(self.source.to_be_bytes());
        let seconds = u32::try_from((now.as_second() + NTP_OFFSET_S) & 0xffff_ffff).unwrap_or(0);
        packet.extend(seconds.to_be_bytes());
        let part = (i64::from(now.subsec_nanosecond()).max(0) << 32) / 1_000_000_000;
        packet.extend(u32::try_from(part).unwrap_or(0).to_be_bytes());
        packet.extend(self.time.to_be_bytes());
        packet.extend(self.packets.to_be_bytes());
        packet.extend(self.bytes.to_be_bytes());
        // SDES: CNAME, an end mark and nothing more: 16 bytes behind the head.
        packet.extend([0x81, 202, 0, 4]);
        packet.extend(self.source.to_be_bytes());
        packet.extend(b"\x01\x08gridpost\0\0");
        if last {
            packet.extend([0x81, 203, 0, 1]);
            packet.extend(self.source.to_be_bytes());
        }
        packet
    }
}

/// Two sockets, one port beside the other, the first with an even number as RTP has it.
pub(super) async fn pair(local: std::net::IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..20 {
        let media = UdpSocket::bind((local, 0)).await?;
        let port = media.local_addr()?.port();
        if !port.is_multiple_of(2) {
            continue;
        }
        match UdpSocket::bind((local, port + 1)).await {
            Ok(control) => return Ok((media, control)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn packets_and_reports_are_those_of_rfc_3550() {
        let (media, control) = pair([127, 0, 0, 1].into()).await.unwrap();
        assert_eq!(media.local_addr().unwrap().port() + 1, control.local_addr().unwrap().port());
        let mut stream = Stream::new(&media, &control, "127.0.0.1:9".parse().unwrap());
        (stream.sequence, stream.time, stream.source) = (65_535, u32::MAX - 159, 7);
        let (first, second) = (stream.packet(&[1; 160], true), stream.packet(&[2; 80], false));
        assert_eq!(first[..12], [0x80, 0x88, 255, 255, 255, 255, 255, 96, 0, 0, 0, 7]);
        assert_eq!(second[..12], [0x80, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7], "both wrap");
        assert_eq!((second.len(), second[91], second[92]), (172, 2, 0xd5));
        let report = stream.control_packet("1970-01-01T00:00:00.5Z".parse().unwrap(), true);
        assert_eq!(report.len(), 28 + 20 + 8);
        assert_eq!(report[8..16], [0x83, 0xaa, 0x7e, 0x80, 0x80, 0, 0, 0]);
        assert_eq!(report[20..28], [0, 0, 0, 2, 0, 0, 1, 64]);
        assert_eq!(report[48..50], [0x81, 203]);
    }
}
