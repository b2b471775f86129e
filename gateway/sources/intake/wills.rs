//! Room for the wills of those who went without a word, while they wait to be said.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connect::Will;

/// Wills at once.
const WILLS_MAX: usize = 1_000;
/// And their bytes.
const WILL_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How much may still wait.
pub(super) struct Wills {
    count: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// Given back when it is dropped.
pub(super) struct WillPermit {
    _count: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

impl Default for Wills {
    fn default() -> Self {
        let room = |most| Arc::new(Semaphore::new(most));
        Self { count: room(WILLS_MAX), bytes: room(WILL_BYTES_MAX) }
    }
}

impl Wills {
    /// `None`: it must be said at once, by a connection that keeps its place until it is.
    pub(super) fn room_for(&self, will: &Will) -> Option<WillPermit> {
        let bytes = u32::try_from(will.topic.len() + will.payload.len()).ok()?;
        let count = self.count.clone().try_acquire_owned().ok()?;
        let bytes = self.bytes.clone().try_acquire_many_owned(bytes).ok()?;
        Some(WillPermit { _count: count, _bytes: bytes })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn as_many_wait_as_there_is_room_for_and_what_is_said_gives_its_room_back() {
        for (bytes, most) in [(0, WILLS_MAX), (8_388, WILLS_MAX), (8_389, 999), (65_536, 128)] {
            let (topic, payload) = (String::new(), vec![0; bytes]);
            let will = Will { topic, payload, delay: Duration::from_secs(300) };
            let wills = Wills::default();
            let mut rooms: Vec<WillPermit> =
                std::iter::from_fn(|| wills.room_for(&will)).take(2_000).collect();
            assert_eq!(rooms.len(), most, "of {bytes} bytes");
            rooms.pop();
            assert!(wills.room_for(&will).is_some());
        }
    }
}
