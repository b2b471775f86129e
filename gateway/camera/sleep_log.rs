//! Why a camera was not looked at: what its looks came to while it slept, one line a minute and one when it wakes.

use jiff::{SignedDuration, Timestamp};

use crate::vision::Nearness;

/// A line for each look would bury the other explanations. The nearest look is in the line because
/// whoever installs a camera wants to know how near it came to waking.
const LINE_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// Looks that found nothing since the last line.
#[derive(Default)]
pub(super) struct SleepLog {
    since: Option<Timestamp>,
    looks: u32,
    nearest: Option<(Timestamp, Nearness)>,
}

impl SleepLog {
    /// A look that found nothing. Returns the line that is due with it, once a minute.
    pub(super) fn look(&mut self, at: Timestamp, near: Option<Nearness>) -> Option<String> {
        // A clock that stepped back begins the minute anew.
        let since = self.since.map_or(at, |since| since.min(at));
        self.since = Some(since);
        self.looks += 1;
        if let Some(near) = near
            && self.nearest.is_none_or(|(_, before)| near.share > before.share)
        {
            self.nearest = Some((at, near));
        }
        if at.duration_since(since) < LINE_EVERY {
            return None;
        }
        let line = self.line(at);
        *self = Self { since: Some(at), ..Self::default() };
        line
    }

    /// The camera wakes: the line for the time since the last one.
    pub(super) fn wakes(&mut self, at: Timestamp) -> Option<String> {
        let line = self.line(at);
        *self = Self::default();
        line
    }

    fn line(&self, at: Timestamp) -> Option<String> {
        let slept_s = at.duration_since(self.since?).as_secs_f64();
        let (looks, word) = (self.looks, if self.looks == 1 { "look" } else { "looks" });
        if looks == 0 {
            return None;
        }
        let mut line = format!("slept through {slept_s:.0} s: {looks} {word}, nothing differs");
        if let Some((then, Nearness { share, over, place: (x, y) })) = self.nearest {
            let ago = at.duration_since(then).as_secs_f64();
            line += &format!(
                "; nearest {ago:.0} s ago at ({x:.2}, {y:.2}) with {share:.2} of the limit"
            );
            if over > 0 {
                line += &format!(", {over} blocks over it but not three together");
            }
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + s).unwrap()
    }

    fn near(share: f32, over: usize) -> Option<Nearness> {
        Some(Nearness { share, over, place: (0.25, 0.5) })
    }

    #[test]
    fn one_line_a_minute_with_the_nearest_and_one_for_the_rest() {
        let mut log = SleepLog::default();
        assert_eq!(log.wakes(at(0)), None, "it did not sleep");
        let lines: Vec<String> = (0..=75)
            .step_by(2)
            .filter_map(|s| {
                log.look(at(s), near(if s == 20 { 1.5 } else { 0.5 }, s as usize / 20 % 2))
            })
            .collect();
        assert_eq!(
            lines,
            [
                "slept through 60 s: 31 looks, nothing differs; nearest 40 s ago at (0.25, 0.50) with 1.50 of the limit, 1 blocks over it but not three together"
            ]
        );
        let rest = log.wakes(at(76)).unwrap();
        assert!(rest.starts_with("slept through 16 s: 7 looks"), "{rest}");
        assert_eq!(log.wakes(at(77)), None, "reported once");
    }

    #[test]
    fn a_clock_that_steps_back_begins_the_minute_anew() {
        let mut log = SleepLog::default();
        log.look(at(3_600), None);
        log.look(at(0), None);
        assert_eq!(log.look(at(58), None), None);
        assert!(log.look(at(60), None).is_some_and(|line| line.contains("60 s: 4 looks")));
    }
}
