//! Look-up numbers: 80 random bits in Crockford's base 32, a check character, grouped for reading. Pure.

use sha2::{Digest, Sha256};

/// Without I, L, O and U, which are taken for others.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of 80 bits; one that checks them follows.
const CHARS: usize = 16;
/// Characters of what is typed, at most: a group a word, and some to spare.
const TYPED_CHARS_MAX: usize = 60;

/// A number that is whole: its check character fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number(String);

impl Number {
    /// Of what a resident sends, by the random nonce of the form: the same form with the same content is
    /// the same report, and another content another one, whatever a cache or a "back" has repeated.
    pub(super) fn of(nonce: &[u8; 16], content: &[&[u8]]) -> Self {
        let mut hash = Sha256::new_with_prefix(b"gridpost report number");
        hash.update(nonce);
        for part in content {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        let hash = hash.finalize();
        let mut values: Vec<u8> = (0..CHARS).map(|at| five_bits(&hash, at)).collect();
        values.push(check(&values));
        Self(values.iter().map(|value| char::from(ALPHABET[usize::from(*value)])).collect())
    }

    /// As somebody types it: small letters, spaces, dashes, full-width characters, O for 0, I and L for 1.
    pub(super) fn read(typed: &str) -> Option<Self> {
        if typed.chars().count() > TYPED_CHARS_MAX {
            return None;
        }
        let mut values = Vec::new();
        for c in typed.chars().map(half_width).filter(|c| !matches!(c, ' ' | '-' | '\u{3000}')) {
            let c = match c.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let value = ALPHABET.iter().position(|known| char::from(*known) == c)?;
            values.push(u8::try_from(value).ok()?);
        }
        let (last, first) = values.split_last()?;
        let whole = first.len() == CHARS && check(first) == *last;
        let text = || values.iter().map(|value| char::from(ALPHABET[usize::from(*value)]));
        whole.then(|| Self(text().collect()))
    }

    /// In groups of four, the last of five.
    pub(super) fn grouped(&self) -> String {
        let text = &self.0;
        [&text[..4], &text[4..8], &text[8..12], &text[12..]].join("-")
    }

    /// What the journal has of it: lower-case hex.
    pub(super) fn sha256(&self) -> String {
        let hash = Sha256::new_with_prefix(b"gridpost report ").chain_update(&self.0).finalize();
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn five_bits(bytes: &[u8], at: usize) -> u8 {
    (0..5).fold(0, |value, bit| {
        let place = at * 5 + bit;
        value << 1 | (bytes[place / 8] >> (7 - place % 8) & 1)
    })
}

/// A sum over the field of 32 elements: one wrong character, or two that changed places, are seen.
fn check(values: &[u8]) -> u8 {
    let times_two = |value: u8| (value << 1 ^ if value & 16 == 0 { 0 } else { 0b10_0101 }) & 31;
    values.iter().fold(0, |sum, value| times_two(sum ^ value))
}

/// As a Chinese keyboard may write it.
fn half_width(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '—' | '–' | '‐' => '-',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_as_people_write_it() {
        let number = Number::of(&[7; 16], &[b"text"]);
        let shown = number.grouped();
        assert_eq!((shown.len(), shown.matches('-').count()), (20, 3));
        let same = |typed: &str| assert_eq!(Number::read(typed).as_ref(), Some(&number), "{typed}");
        same(&shown);
        same(&shown.to_lowercase());
        same(&shown.replace('-', " "));
        same(&shown.replace('0', "O").replace('1', "l"));
        let wide = |c: char| char::from_u32(u32::from(c) + 0xfee0).unwrap();
        same(&shown.chars().map(wide).collect::<String>());
        for wrong in ["", "-", "0", "张", "U", &shown[1..], &format!("{shown}0"), &"0".repeat(99)]
        {
            assert_eq!(Number::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_slip_of_a_finger_is_seen() {
        for seed in 0..20u8 {
            let plain = Number::of(&[seed; 16], &[]).0;
            for at in 0..plain.len() {
                for other in ALPHABET {
                    let mut typed = plain.clone().into_bytes();
                    typed[at] = *other;
                    let read = Number::read(std::str::from_utf8(&typed).unwrap());
                    assert_eq!(read.is_some(), typed == plain.as_bytes());
                }
                let mut typed = plain.clone().into_bytes();
                if at > 0 && typed[at] != typed[at - 1] {
                    typed.swap(at, at - 1);
                    assert_eq!(Number::read(std::str::from_utf8(&typed).unwrap()), None);
                }
            }
        }
    }

    #[test]
    fn another_form_or_another_word_is_another_number() {
        let number = |nonce: u8, parts: &[&[u8]]| Number::of(&[nonce; 16], parts);
        assert_eq!(number(1, &[b"ab", b"c"]), number(1, &[b"ab", b"c"]));
        assert_ne!(number(1, &[b"ab", b"c"]), number(1, &[b"a", b"bc"]));
        assert_ne!(number(1, &[b"ab"]), number(2, &[b"ab"]));
        assert_ne!(number(1, &[]).sha256(), number(2, &[]).sha256());
    }
}
