//! The last part of a link: 38 bytes as 61 letters and digits, and the code over them. Pure.

use std::fmt;

use hmac::{Hmac, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use super::keys::Keys;
use crate::domain::IncidentId;

/// Stands before the code in the address of a link.
pub const LINK_PATH: &str = "/c/";
/// Letters and digits of a code.
pub const CODE_CHARS: usize = 61;
const CODE_BYTES: usize = ID + UNTIL + TAG + MAC;
const ID: usize = 16;
const UNTIL: usize = 4;
const TAG: usize = 6;
/// An address makes a guess a second at the most.
const MAC: usize = 12;
/// Crockford's, in small letters: no sign that a message service or a robot's markdown would take for its
/// own, and none that looks like another.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What a code says of the person: nothing to anybody without the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PersonTag([u8; TAG]);

impl PersonTag {
    pub(super) fn of(keys: &Keys, person: &str) -> Self {
        Self(first(&sign(keys, &[b"gridpost person 1\0", person.as_bytes()])))
    }
}

impl fmt::Display for PersonTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A code as it was written; whether it is one of ours is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) incident: IncidentId,
    pub(super) person: PersonTag,
    /// Since 1970.
    until_min: u32,
    mac: [u8; MAC],
}

impl Code {
    /// `until` is rounded up to a minute.
    pub(super) fn new(keys: &Keys, person: &str, incident: IncidentId, until: Timestamp) -> Self {
        let minutes = (until.as_second().max(0) + 59) / 60;
        let until_min = u32::try_from(minutes).unwrap_or(u32::MAX);
        let mut code =
            Self { incident, person: PersonTag::of(keys, person), until_min, mac: [0; MAC] };
        code.mac = code.signed(keys, person);
        code
    }

    pub(super) fn until(&self) -> Timestamp {
        Timestamp::from_second(i64::from(self.until_min) * 60).unwrap_or(Timestamp::MAX)
    }

    /// Whether it was made here for this person, and not revoked since.
    pub(super) fn is_of(&self, keys: &Keys, person: &str) -> bool {
        subtle::ConstantTimeEq::ct_eq(&self.mac[..], &self.signed(keys, person)[..]).into()
    }

    fn signed(&self, keys: &Keys, person: &str) -> [u8; MAC] {
        first(&sign(
            keys,
            &[
                b"gridpost link 1\0",
                self.incident.0.as_bytes(),
                &self.until_min.to_be_bytes(),
                &keys.revoked(person).to_be_bytes(),
                person.as_bytes(),
            ],
        ))
    }

    pub(super) fn text(&self) -> String {
        let mut bytes = [0; CODE_BYTES];
        bytes[..ID].copy_from_slice(self.incident.0.as_bytes());
        bytes[ID..ID + UNTIL].copy_from_slice(&self.until_min.to_be_bytes());
        bytes[ID + UNTIL..ID + UNTIL + TAG].copy_from_slice(&self.person.0);
        bytes[ID + UNTIL + TAG..].copy_from_slice(&self.mac);
        spell(&bytes)
    }

    /// None: it has not the form of one. Capitals count as small letters: a phone's keyboard makes them.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = read(text)?;
        let incident = IncidentId(uuid::Uuid::from_bytes(first(&bytes[..ID])));
        let until_min = u32::from_be_bytes(first(&bytes[ID..ID + UNTIL]));
        let person = PersonTag(first(&bytes[ID + UNTIL..ID + UNTIL + TAG]));
        Some(Self { incident, person, until_min, mac: first(&bytes[ID + UNTIL + TAG..]) })
    }
}

fn sign(keys: &Keys, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(&keys.key).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// The first bytes of these, zeros behind where there are fewer.
fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.iter_mut().zip(bytes).for_each(|(out, byte)| *out = *byte);
    out
}

/// Five bits a letter, the last one filled up with zeros.
fn spell(bytes: &[u8; CODE_BYTES]) -> String {
    let (mut text, mut held, mut bits) = (String::with_capacity(CODE_CHARS), 0u32, 0);
    for byte in bytes {
        held = (held << 8 | u32::from(*byte)) & 0xfff;
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(LETTERS[(held >> bits & 31) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(LETTERS[(held << (5 - bits) & 31) as usize]));
    }
    text
}

fn read(text: &str) -> Option<[u8; CODE_BYTES]> {
    if text.len() != CODE_CHARS {
        return None;
    }
    let (mut bytes, mut at, mut held, mut bits) = ([0; CODE_BYTES], 0, 0u32, 0);
    for letter in text.bytes() {
        let value = LETTERS.iter().position(|one| *one == letter.to_ascii_lowercase())?;
        held = (held << 5 | u32::try_from(value).ok()?) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            *bytes.get_mut(at)? = u8::try_from(held >> bits & 0xff).ok()?;
            at += 1;
        }
    }
    // What fills up the last letter is zero: no two texts are one link.
    (at == CODE_BYTES && held & ((1 << bits) - 1) == 0).then_some(bytes)
}
