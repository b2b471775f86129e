//! Which pictures are looked at: so many a second of stream time, whatever the camera's rate.

use jiff::Timestamp;

/// Decides by the picture's own time: the first picture in each slot of a grid that is the same for
/// everybody, so that replay, and a camera that slept, look at the same pictures as one that did not.
pub(super) struct Rate {
    fps: f64,
    slot: Option<i64>,
}

impl Rate {
    /// `fps`: looks a second.
    pub(super) fn new(fps: f64) -> Self {
        Self { fps, slot: None }
    }

    /// Whether the picture of this time is looked at.
    pub(super) fn wants(&mut self, at: Timestamp) -> bool {
        // A hundredth later: pictures at 40 ms steps must not fall before and after an edge by turns.
        let slot = ((at.as_millisecond() as f64 / 1000.0 + 0.01) * self.fps).floor() as i64;
        // Time that stepped back is wanted too, unless it is only the order of pictures.
        let due = self.slot.is_none_or(|last| slot > last || last - slot > 2);
        if due {
            self.slot = Some(slot);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn looks(fps: f64, stream_fps: i64, ms: &[i64]) -> usize {
        let mut rate = Rate::new(fps);
        let whole: Vec<i64> = (0..stream_fps * 4).map(|n| n * 1000 / stream_fps).collect();
        let times = if ms.is_empty() { &whole } else { ms };
        let at = |ms: i64| Timestamp::UNIX_EPOCH + SignedDuration::from_millis(100_000 + ms);
        times.iter().filter(|ms| rate.wants(at(**ms))).count()
    }

    #[test]
    fn v2_so_many_a_second_and_a_step_back_is_no_blindness() {
        assert_eq!(looks(5.0, 10, &[]), 20);
        assert_eq!(looks(5.0, 25, &[]), 20);
        assert_eq!(looks(10.0, 5, &[]), 20);
        assert_eq!(looks(5.0, 10, &[0, 50, 200, -60_000, -59_800]), 4);
    }
}
