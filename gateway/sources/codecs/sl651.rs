//! SL 651-2014 frames, HEX and ASCII form: found in a stream of bytes, checked, answered. Pure.
//!
//! HEX: `7E7E`, addresses, password, function, direction and length, STX or SYN, body, end, CRC.
//! ASCII: `01` and the same fields as hex digits. CRC-16/MODBUS over all before it, high byte first.

use jiff::{civil::DateTime, tz::TimeZone};

/// The longest body: the length field has 12 bits.
const BODY_BYTES_MAX: usize = 0xFFF;
/// The highest first digit of the length of a packet of several: below 16 KiB.
const LONG_PACKET_NIBBLE_MAX: u16 = 3;
const STX: u8 = 0x02;
const ETX: u8 = 0x03;
const EOT: u8 = 0x04;
const ENQ: u8 = 0x05;
const ACK: u8 = 0x06;
const NAK: u8 = 0x15;
const SYN: u8 = 0x16;
const ETB: u8 = 0x17;
const ESC: u8 = 0x1B;

/// All times of the protocol are Beijing time.
pub const BEIJING_OFFSET_H: i8 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Hex,
    Ascii,
}

/// One of several that make a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub total: u16,
    /// From 1.
    pub number: u16,
}

/// A frame whose check was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StationFrame {
    pub form: Form,
    pub centre: u8,
    /// Ten digits, as it is written on the station.
    pub station: String,
    pub password: u16,
    pub function: u8,
    pub part: Option<Part>,
    /// Serial number, time of sending, and what the function has to say; without the part's own
    /// three bytes.
    pub body: Vec<u8>,
    /// More packets follow.
    pub more: bool,
}

/// What lies at the beginning of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing that can be judged yet.
    Wait,
    Frame(Box<StationFrame>, usize),
    /// So many bytes are no frame, and why. An empty reason: they are the rest of something that
    /// has been told.
    Skip(usize, String),
}

/// What one byte does to the check, for each byte.
const CRC_OF_BYTE: [u16; 256] = {
    let mut table = [0u16; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u16, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xA001 } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// CRC-16/MODBUS.
pub fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc: u16, byte| {
        crc >> 8 ^ CRC_OF_BYTE[usize::from(crc.to_le_bytes()[0] ^ byte)]
    })
}

/// Looks at the beginning of `bytes`. `last`: no more will come, or not in time.
pub fn step(bytes: &[u8], last: bool) -> Step {
    step_counted(bytes, last, &mut 0)
}

/// As [`step`]; `in_vain` grows by the bytes whose check was computed and wrong: who sends such bytes
/// has no right to our time.
pub fn step_counted(bytes: &[u8], last: bool, in_vain: &mut usize) -> Step {
    match bytes {
        [] => Step::Wait,
        [0x7E, 0x7E, ..] | [0x01, ..] => {
            let read = begun(bytes, in_vain);
            let short = matches!(read, FrameRead::Short { .. });
            // Bytes of a modem, or the rest of a frame that was cut off, can look like a beginning: if
            // a whole frame lies behind it already, nothing more of it will come.
            if short && let Some(next) = next_whole(bytes, in_vain) {
                return Step::Skip(next, format!("{next} bytes before a frame: cut off"));
            }
            whole(bytes, last, read)
        }
        [0x7E] if !last => Step::Wait,
        _ => {
            let next = bytes.iter().skip(1).position(|byte| *byte == 0x7E || *byte == 0x01);
            let n = next.map_or(bytes.len(), |at| at + 1);
            Step::Skip(n, format!("{n} bytes that begin no frame; expected 7E 7E or 01"))
        }
    }
}

/// What a form makes of the bytes: a frame and its length, or a reason.
enum FrameRead {
    Short { expected: usize },
    Frame(Box<StationFrame>, usize),
    Wrong(String),
}

fn whole(bytes: &[u8], last: bool, read: FrameRead) -> Step {
    match read {
        FrameRead::Frame(frame, used) => Step::Frame(frame, used),
        FrameRead::Short { .. } if !last => Step::Wait,
        FrameRead::Short { expected } => {
            let n = bytes.len();
            Step::Skip(1, format!("truncated: {n} bytes came, the frame says {expected}"))
        }
        // Body bytes may look like a beginning: the next byte is looked at, not the next frame.
        FrameRead::Wrong(reason) => Step::Skip(1, reason),
    }
}

fn begun(bytes: &[u8], in_vain: &mut usize) -> FrameRead {
    match bytes {
        [0x01, ..] => ascii(bytes, in_vain),
        _ => hex(bytes, in_vain),
    }
}

/// Where behind the first byte a whole frame begins.
fn next_whole(bytes: &[u8], in_vain: &mut usize) -> Option<usize> {
    let begins = |at: &usize| matches!(bytes[*at..], [0x7E, 0x7E, ..] | [0x01, ..]);
    (1..bytes.len())
        .filter(begins)
        .find(|&at| matches!(begun(&bytes[at..], in_vain), FrameRead::Frame(..)))
}

fn hex(bytes: &[u8], in_vain: &mut usize) -> FrameRead {
    // 7E7E, addresses 6, password 2, function 1, direction and length 2, start 1.
    const HEAD: usize = 14;
    if bytes.len() < HEAD {
        return FrameRead::Short { expected: HEAD + 3 };
    }
    let length_field = u16::from_be_bytes([bytes[11], bytes[12]]);
    // A packet of several may be longer: there the standard gives all 16 bits to the length.
    let is_long = bytes[13] == SYN && (1..=LONG_PACKET_NIBBLE_MAX).contains(&(length_field >> 12));
    let mask = if is_long { u16::MAX } else { 0x0FFF };
    let direction = if is_long { 0 } else { length_field >> 12 };
    let length = usize::from(length_field & mask);
    if direction == 8 {
        return FrameRead::Wrong(
            "a downlink frame (direction 8); a station sends direction 0".into(),
        );
    }
    if direction != 0 {
        let swapped = u16::from_le_bytes([bytes[11], bytes[12]]);
        let hint = if swapped >> 12 == 0 { "; its two bytes look swapped" } else { "" };
        return FrameRead::Wrong(format!(
            "direction and length {length_field:04X}: expected 0 and the length of the body{hint}"
        ));
    }
    if !matches!(bytes[13], STX | SYN) {
        let start = bytes[13];
        return FrameRead::Wrong(format!("start {start:02X}: expected 02 (STX) or 16 (SYN)"));
    }
    let end_at = HEAD + length;
    if bytes.len() < end_at + 3 {
        return FrameRead::Short { expected: end_at + 3 };
    }
    if let Some(reason) = wrong_end(bytes[end_at]) {
        return FrameRead::Wrong(reason);
    }
    let said = u16::from_be_bytes([bytes[end_at + 1], bytes[end_at + 2]]);
    if let Some(reason) = wrong_crc(&bytes[..=end_at], said) {
        *in_vain += end_at;
        return FrameRead::Wrong(reason);
    }
    let station = station_of(&bytes[3..8]);
    let (part, body) = match (bytes[13], &bytes[HEAD..end_at]) {
        (STX, body) => (None, body),
        (SYN, [a, b, c, body @ ..]) => (
            Some(Part {
                total: u16::from(*a) << 4 | u16::from(*b) >> 4,
                number: u16::from(*b & 0x0F) << 8 | u16::from(*c),
            }),
            body,
        ),
        _ => return FrameRead::Wrong("a packet of several without its three numbers".into()),
    };
    let more = bytes[end_at] == ETB;
    let frame = StationFrame {
        form: Form::Hex,
        centre: bytes[2],
        station,
        password: u16::from_be_bytes([bytes[8], bytes[9]]),
        function: bytes[10],
        part,
        body: body.to_vec(),
        more,
    };
    FrameRead::Frame(Box::new(frame), end_at + 3)
}

/// Cheaper than the check, and asked before it.
fn wrong_end(end: u8) -> Option<String> {
    let wrong = !matches!(end, ETX | ETB);
    wrong.then(|| format!("end {end:02X}: expected 03 (ETX) or 17 (ETB)"))
}

fn wrong_crc(covered: &[u8], said: u16) -> Option<String> {
    let right = crc(covered);
    if said == right {
        None
    } else if said == right.swap_bytes() {
        Some(format!("CRC {said:04X}: right but low byte first; expected {right:04X}"))
    } else {
        Some(format!("CRC {said:04X}: expected {right:04X} (CRC-16/MODBUS, high byte first)"))
    }
}

/// Ten digits: area as BCD and the rest as a number, or, for a hydrological station (first byte
/// 00), BCD throughout. What is no digit stays a hex digit, so that no two stations are one.
pub(super) fn station_of(address: &[u8]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
    match address {
        [0, ..] => hex(address),
        [area @ .., a, b] => format!("{}{:04}", hex(area), u16::from_be_bytes([*a, *b])),
        _ => hex(address),
    }
}

fn ascii(bytes: &[u8], in_vain: &mut usize) -> FrameRead {
    // 01, centre 2, station 10, password 4, function 2, direction 1, length 3, start 1.
    const HEAD: usize = 24;
    let digits = |from: usize, to: usize| -> Option<&str> {
        let text = std::str::from_utf8(bytes.get(from..to)?).ok()?;
        text.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(text)
    };
    let number = |from, to| digits(from, to).and_then(|text| u16::from_str_radix(text, 16).ok());
    if bytes.len() < HEAD {
        let hopeless = bytes[1..].iter().take(HEAD - 2).any(|byte| !byte.is_ascii_hexdigit());
        return match hopeless {
            true => {
                FrameRead::Wrong("01 is not followed by the hex digits of an ASCII frame".into())
            }
            false => FrameRead::Short { expected: HEAD + 5 },
        };
    }
    let (Some(centre), Some(station), Some(password), Some(function), Some(length)) =
        (number(1, 3), digits(3, 13), number(13, 17), number(17, 19), number(20, 23))
    else {
        return FrameRead::Wrong("01 is not followed by the hex digits of an ASCII frame".into());
    };
    match bytes[19] {
        b'0' => {}
        b'8' => return FrameRead::Wrong("a downlink frame (direction 8)".into()),
        other => return FrameRead::Wrong(format!("direction {other:02X}: expected '0'")),
    }
    if !matches!(bytes[23], STX | SYN) {
        return FrameRead::Wrong(format!("start {:02X}: expected 02 or 16", bytes[23]));
    }
    let end_at = HEAD + usize::from(length).min(BODY_BYTES_MAX);
    if bytes.len() < end_at + 5 {
        return FrameRead::Short { expected: end_at + 5 };
    }
    if let Some(reason) = wrong_end(bytes[end_at]) {
        return FrameRead::Wrong(reason);
    }
    let Some(said) = number(end_at + 1, end_at + 5) else {
        return FrameRead::Wrong("the CRC is not four hex digits".into());
    };
    if let Some(reason) = wrong_crc(&bytes[..=end_at], said) {
        *in_vain += end_at;
        return FrameRead::Wrong(reason);
    }
    let (part, body_at) = match bytes[23] {
        STX => (None, HEAD),
        SYN if end_at >= HEAD + 6 => match (number(HEAD, HEAD + 3), number(HEAD + 3, HEAD + 6)) {
            (Some(total), Some(number)) => (Some(Part { total, number }), HEAD + 6),
            _ => return FrameRead::Wrong("the packet numbers are not hex digits".into()),
        },
        _ => return FrameRead::Wrong("a packet of several without its two numbers".into()),
    };
    let more = bytes[end_at] == ETB;
    let frame = StationFrame {
        form: Form::Ascii,
        centre: u8::try_from(centre).unwrap_or(0),
        station: station.to_ascii_uppercase(),
        password,
        function: u8::try_from(function).unwrap_or(0),
        part,
        body: bytes[body_at..end_at].to_vec(),
        more,
    };
    FrameRead::Frame(Box::new(frame), end_at + 5)
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Received; the station may leave.
    MayLeave,
    /// Received; it stays on line, something follows.
    Stay,
    /// Received; the next packet may come.
    More,
    /// The packet of this number was wrong or is missing: once more.
    Again(Part),
}

impl StationFrame {
    /// Big-endian serial number; `None` in a body too short for one.
    pub fn serial(&self) -> Option<u16> {
        match self.form {
            Form::Hex => Some(u16::from_be_bytes(self.body.get(..2)?.try_into().ok()?)),
            Form::Ascii => {
                u16::from_str_radix(std::str::from_utf8(self.body.get(..4)?).ok()?, 16).ok()
            }
        }
    }

    /// The answer of the centre: the report's own serial number and the centre's time.
    pub fn answer(&self, end: End, now: jiff::Timestamp) -> Vec<u8> {
        let (part, end) = match end {
            End::MayLeave => (self.part, EOT),
            End::Stay => (self.part, ESC),
            End::More => (self.part, ACK),
            End::Again(part) => (Some(part), NAK),
        };
        self.downlink(self.function, part, self.serial().unwrap_or(0), end, now)
    }

    /// Function 4A: set your clock to the time of sending.
    pub fn set_clock(&self, serial: u16, now: jiff::Timestamp) -> Vec<u8> {
        self.downlink(0x4A, None, serial, ENQ, now)
    }

    fn downlink(
        &self,
        function: u8,
        part: Option<Part>,
        serial: u16,
        end: u8,
        now: jiff::Timestamp,
    ) -> Vec<u8> {
        let time = beijing(now);
        let digits = format!(
            "{:02}{:02}{:02}{:02}{:02}{:02}",
            time.year().rem_euclid(100),
            time.month(),
            time.day(),
            time.hour(),
            time.minute(),
            time.second()
        );
        let start = if part.is_some() { SYN } else { STX };
        let numbers =
            part.map(|part| format!("{:03X}{:03X}", part.total & 0xFFF, part.number & 0xFFF));
        let body = format!("{}{serial:04X}{digits}", numbers.unwrap_or_default());
        match self.form {
            Form::Ascii => {
                let mut out = vec![0x01];
                let head = format!(
                    "{}{:02X}{:04X}{function:02X}8{:03X}",
                    self.station,
                    self.centre,
                    self.password,
                    body.len()
                );
                out.extend(head.bytes());
                out.push(start);
                out.extend(body.bytes());
                out.push(end);
                let check = format!("{:04X}", crc(&out));
                out.extend(check.bytes());
                out
            }
            Form::Hex => {
                let body = packed(&body);
                let mut out = vec![0x7E, 0x7E];
                out.extend(address_of(&self.station));
                out.push(self.centre);
                out.extend(self.password.to_be_bytes());
                out.push(function);
                let length = u16::try_from(body.len()).unwrap_or(0);
                out.extend((0x8000 | length).to_be_bytes());
                out.push(start);
                out.extend(body);
                out.push(end);
                let check = crc(&out).to_be_bytes();
                out.extend(check);
                out
            }
        }
    }
}

fn packed(digits: &str) -> Vec<u8> {
    let nibble = |c: u8| char::from(c).to_digit(16).map_or(0, |d| d.to_le_bytes()[0]);
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [a, b] => nibble(*a) << 4 | nibble(*b),
            _ => 0,
        })
        .collect()
}

/// [`station_of`], back.
fn address_of(station: &str) -> Vec<u8> {
    let (area, rest) = station.split_at(station.len().min(6));
    match rest.parse::<u16>() {
        Ok(number) if !station.starts_with("00") => {
            let mut address = packed(area);
            address.extend(number.to_be_bytes());
            address
        }
        _ => packed(station),
    }
}

/// Civil time of the protocol.
pub(super) fn beijing(at: jiff::Timestamp) -> DateTime {
    TimeZone::fixed(jiff::tz::offset(BEIJING_OFFSET_H)).to_datetime(at)
}

/// A civil time of the protocol as an instant; `None` for one that no calendar has.
pub(super) fn instant(time: DateTime) -> Option<jiff::Timestamp> {
    TimeZone::fixed(jiff::tz::offset(BEIJING_OFFSET_H)).to_timestamp(time).ok()
}

#[cfg(test)]
#[path = "sl651_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "sl651_field_tests.rs"]
mod field_tests;
