//! Random secrets, and what is kept of them: their sha256.

use rand::{TryRngCore, rngs::OsRng};
use sha2::{Digest, Sha256};

/// Of a secret: what opens nothing, and finds it again.
pub(crate) type SecretHash = [u8; 32];

/// Letters and digits that nobody mistakes for each other, also when they are read out.
const CODE_LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// So many random bytes as lower-case hex.
pub(crate) fn random_hex(bytes: usize) -> Result<String, String> {
    Ok(hex(&random(bytes)?))
}

/// A code for people to type: so many letters, in groups of four.
pub(super) fn random_code(letters: usize) -> Result<String, String> {
    let random = random(letters)?;
    let letters: Vec<char> =
        random.iter().map(|byte| char::from(CODE_LETTERS[usize::from(byte % 32)])).collect();
    let groups: Vec<String> = letters.chunks(4).map(|four| four.iter().collect()).collect();
    Ok(groups.join("-"))
}

/// A code as it was typed: without groups, spaces and small letters.
pub(super) fn plain_code(typed: &str) -> String {
    typed.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase()
}

pub(super) fn random(bytes: usize) -> Result<Vec<u8>, String> {
    let mut random = vec![0u8; bytes];
    OsRng.try_fill_bytes(&mut random).map_err(|error| format!("no random bytes: {error}"))?;
    Ok(random)
}

pub(crate) fn hash(secret: &str) -> SecretHash {
    Sha256::digest(secret.as_bytes()).into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A hash as it stands in a file; `None`: it is none.
pub(crate) fn parse_hash(text: &str) -> Option<SecretHash> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let code = random_code(12).unwrap();
        assert_eq!((code.len(), code.matches('-').count()), (14, 2), "{code}");
        assert_eq!(plain_code(&code.to_lowercase().replace('-', " ")), plain_code(&code));
        assert_eq!(plain_code(&code).len(), 12);
        assert_ne!(code, random_code(12).unwrap());
    }

    #[test]
    fn a_hash_is_read_as_it_was_written_and_nothing_else_is_one() {
        let text = hex(&hash("x"));
        assert_eq!(parse_hash(&text), Some(hash("x")));
        for wrong in ["", &text[1..], &format!("{text}0"), &"g".repeat(64), &"哨".repeat(22)] {
            assert_eq!(parse_hash(wrong), None, "{wrong}");
        }
    }
}
