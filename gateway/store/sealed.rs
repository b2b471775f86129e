//! Bytes that only who has the key can read, and nobody can change: ChaCha20-Poly1305. Pure, but for the nonce.

use std::num::NonZeroU32;

use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    pbkdf2,
};

use super::own_keys::{KEY_BYTES, random};

/// At the start of whatever is sealed: what it is, and how.
const MAGIC: &[u8; 8] = b"GPSEAL1\n";
/// A second or so of a small box a try (OWASP asks for 600,000 with SHA-256).
const ROUNDS: u32 = 600_000;
/// Of a passphrase.
pub(super) const SALT_BYTES: usize = 16;

/// Magic, nonce, what it says under the key, and a tag over that and `about`.
pub(super) fn seal(key: &[u8; KEY_BYTES], about: &[u8], plain: &[u8]) -> Result<Vec<u8>, String> {
    let nonce = random::<NONCE_LEN>()?;
    let mut sealed = plain.to_vec();
    let tagged = cipher(key)?.seal_in_place_append_tag(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(about),
        &mut sealed,
    );
    tagged.map_err(|_| "it is too large to be sealed".to_owned())?;
    Ok([&MAGIC[..], &nonce, &sealed].concat())
}

/// What was sealed; the error is for people.
pub(super) fn unseal(
    key: &[u8; KEY_BYTES],
    about: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, String> {
    let rest = sealed.strip_prefix(&MAGIC[..]).ok_or("it is not sealed as this gridpost does")?;
    let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or("it is cut off")?;
    let nonce: [u8; NONCE_LEN] = nonce.try_into().map_err(|_| "it is cut off")?;
    let mut plain = sealed.to_vec();
    let opened = cipher(key)?.open_in_place(
        Nonce::assume_unique_for_key(nonce),
        Aad::from(about),
        &mut plain,
    );
    let bytes = opened.map_err(|_| "another key, or it was changed".to_owned())?.len();
    plain.truncate(bytes);
    Ok(plain)
}

/// The key that a passphrase stands for.
pub(super) fn key_of(passphrase: &str, salt: &[u8; SALT_BYTES]) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    let rounds = NonZeroU32::new(ROUNDS).unwrap_or(NonZeroU32::MAX);
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, passphrase.as_bytes(), &mut key);
    key
}

fn cipher(key: &[u8; KEY_BYTES]) -> Result<LessSafeKey, String> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, key).map_err(|_| "the key has a wrong length")?;
    Ok(LessSafeKey::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_under_its_key_and_name_alone_and_as_long_as_no_bit_differs() {
        let key = [7; KEY_BYTES];
        let sealed = seal(&key, b"piece 1", b"a face").unwrap();
        assert_eq!(unseal(&key, b"piece 1", &sealed).unwrap(), b"a face");
        assert_ne!(seal(&key, b"piece 1", b"a face").unwrap(), sealed, "never the same nonce");
        assert!(!sealed.windows(4).any(|part| part == b"face"));
        assert!(unseal(&[8; KEY_BYTES], b"piece 1", &sealed).is_err());
        assert!(unseal(&key, b"piece 2", &sealed).is_err(), "the file of another");
        for bit in 0..sealed.len() * 8 {
            let mut bent = sealed.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal(&key, b"piece 1", &bent).is_err(), "bit {bit}");
        }
        for len in 0..sealed.len() {
            assert!(unseal(&key, b"piece 1", &sealed[..len]).is_err(), "cut at {len}");
        }
    }

    #[test]
    fn a_passphrase_is_one_key_with_its_salt() {
        let one = key_of("三个 词 组成", &[1; SALT_BYTES]);
        assert_eq!(key_of("三个 词 组成", &[1; SALT_BYTES]), one);
        assert_ne!(key_of("三个 词 组成 ", &[1; SALT_BYTES]), one);
        assert_ne!(key_of("三个 词 组成", &[2; SALT_BYTES]), one);
    }
}
