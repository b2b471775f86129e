//! How long the reader of a sleeping camera may let packets wait in the socket: waking for each costs more than reading it.
//!
//! Asleep, nobody needs a packet between two key frames at once. So the reader rests for a few
//! pictures at a time and takes what has come in one go, and is there when the next key frame is
//! due. Pure, on stream time.

use std::time::Duration;

/// A rest, at most: what waits is that much older when something else wakes the camera.
const REST_MS_MAX: i64 = 200;
/// Up again so long before the next key frame: cameras are not exact.
const EARLY_MS: i64 = 80;
/// Bytes that may come in a rest, at most: half of what a socket holds before it has grown.
const REST_BYTES_MAX: i64 = 64 << 10;
/// Shorter rests save nothing.
const REST_MS_MIN: i64 = 40;
/// A packet that took longer to come had to be waited for: the socket was empty.
const WAITED: Duration = Duration::from_millis(2);

/// What is before_ms of a stream's key frames and sizes.
#[derive(Debug, Default)]
pub(super) struct ReadPacer {
    key_ms: Option<i64>,
    gop_ms: Option<i64>,
    /// Since the key frame, without it.
    bytes: i64,
}

impl ReadPacer {
    /// A packet was read: its time in the stream, its size, and how long it took to come. Returns
    /// how long the next ones may wait in the socket.
    pub(super) fn read(
        &mut self,
        stream_ms: i64,
        key: bool,
        bytes: usize,
        took: Duration,
    ) -> Duration {
        if key {
            let gop_ms = self.key_ms.replace(stream_ms).map(|key_ms| stream_ms - key_ms);
            // The shorter of the latest two distances, so that a single late key frame does not make
            // the reader late for the next.
            let before_ms = self.gop_ms.unwrap_or(i64::MAX);
            self.gop_ms =
                gop_ms.map(|gop| if gop < before_ms { gop } else { before_ms / 2 + gop / 2 });
            self.bytes = 0;
            return Duration::ZERO;
        }
        self.bytes += i64::try_from(bytes).unwrap_or(REST_BYTES_MAX);
        let (Some(key_ms), Some(gop_ms)) = (self.key_ms, self.gop_ms) else {
            return Duration::ZERO;
        };
        let since = stream_ms - key_ms;
        if took < WAITED || since <= 0 {
            return Duration::ZERO;
        }
        let fits_ms = REST_BYTES_MAX * since / self.bytes.max(1);
        let rest = (gop_ms - since - EARLY_MS).min(REST_MS_MAX).min(fits_ms);
        if rest < REST_MS_MIN {
            return Duration::ZERO;
        }
        Duration::from_millis(u64::try_from(rest).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_millis(30);

    /// Rests in a GOP of `gop_ms` with a packet of `bytes` each 40 ms, each waited for.
    fn rests(
        pacer: &mut ReadPacer,
        from_ms: i64,
        gop_ms: i64,
        bytes: usize,
    ) -> Vec<(i64, Duration)> {
        assert_eq!(pacer.read(from_ms, true, 200_000, LONG), Duration::ZERO);
        let packets = (1..gop_ms / 40).map(|n| from_ms + n * 40);
        packets.map(|at| (at, pacer.read(at, false, bytes, LONG))).collect()
    }

    #[test]
    fn it_rests_between_key_frames_and_is_up_when_one_is_due() {
        let mut pacer = ReadPacer::default();
        let first = rests(&mut pacer, 0, 2_000, 5_000);
        assert!(first.iter().all(|(_, rest)| rest.is_zero()), "when the next is due is not known");
        for (at, rest) in rests(&mut pacer, 2_000, 2_000, 5_000) {
            let until = at + rest.as_millis() as i64;
            assert!(rest.is_zero() || until <= 4_000 - EARLY_MS, "{at} until {until}");
            assert_eq!(rest.is_zero(), at > 4_000 - EARLY_MS - REST_MS_MIN, "{at}");
            assert!(rest.as_millis() as i64 <= REST_MS_MAX);
        }
    }

    #[test]
    fn what_is_there_is_taken_first_and_a_socket_never_fills() {
        let mut pacer = ReadPacer::default();
        rests(&mut pacer, 0, 2_000, 5_000);
        pacer.read(2_000, true, 200_000, LONG);
        assert!(pacer.read(2_040, false, 5_000, Duration::ZERO).is_zero(), "more is there");
        assert!(!pacer.read(2_080, false, 5_000, LONG).is_zero());
        for (_, rest) in rests(&mut pacer, 4_000, 2_000, 100_000) {
            assert!(rest.is_zero(), "100 kB each 40 ms fill it in 26 ms");
        }
        for (_, rest) in rests(&mut pacer, 6_000, 2_000, 25_000) {
            assert!(rest.as_millis() as i64 * 25_000 / 40 <= REST_BYTES_MAX, "{rest:?}");
        }
    }

    #[test]
    fn time_that_steps_back_and_key_frames_that_come_early_do_no_harm() {
        let mut pacer = ReadPacer::default();
        rests(&mut pacer, 0, 10_000, 5_000);
        rests(&mut pacer, 10_000, 2_000, 5_000);
        for (at, rest) in rests(&mut pacer, 12_000, 2_000, 5_000) {
            assert!(at + rest.as_millis() as i64 <= 14_000, "the shorter one is believed");
        }
        assert!(pacer.read(5_000, false, 5_000, LONG).is_zero(), "before its key frame");
    }
}
