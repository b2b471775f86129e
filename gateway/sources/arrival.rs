//! What a message is called by the way it came, put onto the presses in it.

use sha2::{Digest, Sha256};

use crate::domain::{Arrival, Body, Observation};

/// Of topic and payload.
pub(super) fn digest(topic: &str, payload: &[u8]) -> String {
    short_digest(&[&(topic.len() as u64).to_be_bytes(), topic.as_bytes(), payload])
}

/// Of these parts as one, the first 16 hexadecimal digits of SHA-256.
pub(super) fn short_digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Marks every press among these.
pub(super) fn mark(observations: &mut [Observation], arrival: &Arrival) {
    for observation in observations {
        if let Body::Press(press) = &mut observation.body {
            press.arrival = Some(arrival.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_topic_and_payload_and_of_where_one_ends() {
        assert_eq!(digest("a", b"b"), digest("a", b"b"));
        let others = [digest("a", b"b"), digest("ab", b""), digest("", b"ab"), digest("a", b"c")];
        let apart: std::collections::BTreeSet<_> = others.iter().collect();
        assert_eq!(apart.len(), 4);
        assert!(others.iter().all(|digest| digest.len() == 16));
    }
}
