//! MQTT packets cut out of a stream of bytes: what is too large costs itself and not its connection. Pure.
//!
//! A publication whose payload is beyond [`PAYLOAD_BYTES_MAX`] is never held: its topic, its packet
//! id and the beginning of its payload are kept, the rest is thrown away as it comes, and it is
//! handed on as [`Frame::TooLarge`], so that it can be told and acknowledged in its turn. To end the
//! connection instead would bring the same message again, for ever.

use bytes::{Buf, Bytes, BytesMut};

/// A press is a few hundred bytes, a list of a hundred devices 200 KB.
pub const PAYLOAD_BYTES_MAX: usize = 256 * 1024;
/// Of a payload that is too large, so much is kept for people.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The longest that the protocol allows for topic, packet id and their lengths.
const HEADER_BYTES_MAX: usize = 2 + 65_535 + 2;

/// One packet of the stream.
#[derive(Debug, PartialEq)]
pub enum Frame {
    /// All of it, with its fixed header.
    Whole(Bytes),
    /// A publication that is too large.
    TooLarge(PublishPacket),
}

/// A PUBLISH as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishPacket {
    /// What is no UTF-8 in it is replaced.
    pub topic: String,
    /// Packet id; none with QoS 0.
    pub packet: Option<u16>,
    /// 0, 1 or 2.
    pub qos: u8,
    pub dup: bool,
    pub retained: bool,
    /// All of it, or its beginning where it is too large.
    pub payload: Bytes,
    /// What the payload is or would have been, bytes.
    pub bytes: usize,
}

/// Why a message of so many bytes was not read.
pub fn too_large(bytes: usize) -> String {
    format!("{bytes} bytes; a message has at most {PAYLOAD_BYTES_MAX}")
}

impl PublishPacket {
    /// Whether it was too large to be held.
    pub fn is_cut(&self) -> bool {
        self.bytes > self.payload.len()
    }

    /// A frame that [`Frame::Whole`] gave, of the PUBLISH type, in MQTT 3.1.1. The error says what
    /// is wrong with it.
    pub fn read(frame: &Bytes) -> Result<Self, String> {
        let (header, body) = fixed_header(frame)?.ok_or("a packet that ends too early")?;
        let head = Head::read(frame[0], &frame[header..], body)?;
        let head = head.ok_or("a publication that ends before its payload begins")?;
        let payload = frame.slice(header + head.bytes..);
        Ok(head.with(payload, body))
    }
}

/// What stands before the payload.
struct Head {
    topic: String,
    packet: Option<u16>,
    first: u8,
    /// Its length.
    bytes: usize,
}

impl Head {
    /// `None`: there is not enough of it yet. `body` is the remaining length of the packet.
    fn read(first: u8, bytes: &[u8], body: usize) -> Result<Option<Self>, String> {
        let Some(length) = bytes.first_chunk::<2>() else { return Ok(None) };
        let topic = usize::from(u16::from_be_bytes(*length));
        let with_id = first & 0b0110 != 0;
        let length = 2 + topic + if with_id { 2 } else { 0 };
        if length > body {
            return Err("a publication whose topic is longer than the packet".into());
        }
        if bytes.len() < length {
            return Ok(None);
        }
        let id = bytes[2 + topic..length].first_chunk::<2>();
        Ok(Some(Self {
            topic: String::from_utf8_lossy(&bytes[2..2 + topic]).into_owned(),
            packet: id.map(|id| u16::from_be_bytes(*id)),
            first,
            bytes: length,
        }))
    }

    fn with(self, payload: Bytes, body: usize) -> PublishPacket {
        PublishPacket {
            topic: self.topic,
            packet: self.packet,
            qos: self.first >> 1 & 0b11,
            dup: self.first & 0b1000 != 0,
            retained: self.first & 1 != 0,
            payload,
            bytes: body - self.bytes,
        }
    }
}

/// A publication whose bytes are thrown away as they come.
struct Dropping {
    head: Head,
    body: usize,
    kept: BytesMut,
    /// Bytes that are still to come.
    left: usize,
}

/// The stream of one connection.
#[derive(Default)]
pub struct Frames {
    buffer: BytesMut,
    dropping: Option<Dropping>,
    /// Packets larger than this are no MQTT of ours; 0: none are.
    other_bytes_max: usize,
    /// What was read is not to stay behind.
    forgets: bool,
}

impl Frames {
    /// Until told otherwise ([`Self::allow`]), nothing larger than so many bytes is taken.
    pub fn at_most(bytes: usize) -> Self {
        Self { other_bytes_max: bytes, ..Self::default() }
    }

    /// From now on publications up to the bound are taken.
    pub fn allow(&mut self) {
        self.other_bytes_max = 0;
    }

    /// What was handed on of this buffer is not to lie in it until something else is read: the next read has another
    /// one, and this one is given back to the heap with its last frame.
    pub fn forget(&mut self) {
        self.forgets = true;
    }

    /// Where what is read goes.
    pub fn room(&mut self) -> &mut BytesMut {
        if std::mem::take(&mut self.forgets) {
            self.buffer = BytesMut::from(&self.buffer[..]);
        }
        self.buffer.reserve(8 * 1024);
        &mut self.buffer
    }

    /// The next packet, if all of it is there. An error: this is no MQTT, or nothing that we take.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, String> {
        if self.dropping.is_some() {
            return Ok(self.drop_on());
        }
        let Some((header, body)) = fixed_header(&self.buffer)? else { return Ok(None) };
        if self.other_bytes_max > 0 && header + body > self.other_bytes_max {
            return Err(format!("a first packet of {body} bytes"));
        }
        let first = self.buffer[0];
        if body > PAYLOAD_BYTES_MAX {
            if first >> 4 != 3 {
                return Err(format!("a packet of {body} bytes that is no publication"));
            }
            let Some(head) = Head::read(first, &self.buffer[header..], body)? else {
                return Ok(None);
            };
            if body - head.bytes > PAYLOAD_BYTES_MAX {
                self.buffer.advance(header + head.bytes);
                let left = body - head.bytes;
                self.dropping = Some(Dropping { head, body, kept: BytesMut::new(), left });
                return Ok(self.drop_on());
            }
        }
        debug_assert!(body <= PAYLOAD_BYTES_MAX + HEADER_BYTES_MAX);
        if self.buffer.len() < header + body {
            return Ok(None);
        }
        Ok(Some(Frame::Whole(self.buffer.split_to(header + body).freeze())))
    }

    fn drop_on(&mut self) -> Option<Frame> {
        let dropping = self.dropping.as_mut()?;
        let here = dropping.left.min(self.buffer.len());
        let keep = here.min(HEAD_BYTES_MAX - dropping.kept.len());
        dropping.kept.extend_from_slice(&self.buffer[..keep]);
        self.buffer.advance(here);
        dropping.left -= here;
        if dropping.left > 0 {
            return None;
        }
        let Dropping { head, body, kept, .. } = self.dropping.take()?;
        Some(Frame::TooLarge(head.with(kept.freeze(), body)))
    }
}

/// Lengths of the fixed header and of what follows it; `None`: it is not all there yet.
fn fixed_header(bytes: &[u8]) -> Result<Option<(usize, usize)>, String> {
    let mut length = 0usize;
    for (at, byte) in bytes.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((2 + at, length)));
        }
        if at == 3 {
            return Err("a packet whose length is longer than four bytes".into());
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(first: u8, topic: &str, payload: usize) -> Vec<u8> {
        let id = if first & 0b0110 != 0 { &[0u8, 9][..] } else { &[] };
        let mut left = 2 + topic.len() + id.len() + payload;
        let mut bytes = vec![first];
        loop {
            let more = left > 127;
            bytes.push((left % 128) as u8 | if more { 0x80 } else { 0 });
            left /= 128;
            if !more {
                break;
            }
        }
        bytes.extend((topic.len() as u16).to_be_bytes());
        bytes.extend(topic.as_bytes());
        bytes.extend(id);
        bytes.extend(std::iter::repeat_n(b'x', payload));
        bytes
    }

    fn all(frames: &mut Frames, bytes: &[u8], step: usize) -> Vec<Frame> {
        let mut found = Vec::new();
        for part in bytes.chunks(step) {
            frames.room().extend_from_slice(part);
            while let Some(frame) = frames.next_frame().unwrap() {
                found.push(frame);
            }
        }
        found
    }

    #[test]
    fn i8_a_bound_ends_the_message_and_not_what_follows_it() {
        const PING: [u8; 2] = [0xd0, 0];
        for (first, qos) in [(0x30, 0), (0x32, 1), (0x3d, 2)] {
            for payload in [0, 1, PAYLOAD_BYTES_MAX - 1, PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MAX + 1] {
                for step in [1, 7, 4096, usize::MAX] {
                    let bytes = [&publish(first, "a/b", payload), &PING[..]].concat();
                    let mut frames = Frames::default();
                    let found = all(&mut frames, &bytes, step);
                    assert_eq!(found.len(), 2, "{first:x} {payload} {step}");
                    assert_eq!(found[1], Frame::Whole(Bytes::from_static(&PING)));
                    let read = match &found[0] {
                        Frame::Whole(frame) => PublishPacket::read(frame).unwrap(),
                        Frame::TooLarge(publication) => publication.clone(),
                    };
                    assert_eq!(read.is_cut(), payload > PAYLOAD_BYTES_MAX);
                    assert_eq!((read.topic.as_str(), read.bytes, read.qos), ("a/b", payload, qos));
                    assert_eq!(read.packet, (qos > 0).then_some(9));
                    assert_eq!((read.dup, read.retained), (first & 8 != 0, first & 1 != 0));
                    let kept = if read.is_cut() { HEAD_BYTES_MAX } else { payload };
                    assert_eq!(read.payload.len(), kept);
                }
            }
        }
    }

    #[test]
    fn nothing_is_reserved_for_what_was_only_promised() {
        let mut frames = Frames::default();
        frames.room().extend_from_slice(&[0x32, 0xff, 0xff, 0xff, 0x7f, 0, 1, b'a', 0, 5]);
        assert_eq!(frames.next_frame(), Ok(None));
        for _ in 0..100 {
            frames.room().extend_from_slice(&[b'x'; 8 * 1024]);
            assert_eq!(frames.next_frame(), Ok(None));
        }
        assert!(frames.buffer.capacity() < 64 * 1024, "{}", frames.buffer.capacity());
    }

    #[test]
    fn what_is_no_mqtt_ends_the_connection() {
        let refused = |mut frames: Frames, bytes: &[u8]| {
            frames.room().extend_from_slice(bytes);
            frames.next_frame().unwrap_err()
        };
        let long = [0x30, 0xff, 0xff, 0xff, 0xff, 1];
        assert!(refused(Frames::default(), &long).contains("four bytes"));
        let connect = [0x10, 0xff, 0xff, 0xff, 0x7f];
        assert!(refused(Frames::default(), &connect).contains("no publication"));
        assert!(refused(Frames::at_most(100), &[0x10, 99]).contains("99 bytes"));
        let topic = [0x30, 0xff, 0xff, 0x7f, 0xff, 0xff];
        let mut frames = Frames::default();
        frames.room().extend_from_slice(&topic);
        assert_eq!(frames.next_frame(), Ok(None), "a long topic may still come");
    }
}
