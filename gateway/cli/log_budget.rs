//! How many lines of the log one place in the code may write: a flood of messages is no flood of lines.
//!
//! Whoever sends what cannot be read, or connects and breaks, makes one line each time; a disk full of
//! these keeps no press. Each place has a budget that fills up again, and its next line says how many
//! it left out: nothing is left out without a trace, and figures (`/metrics`) count all of them.

use std::{
    collections::HashMap,
    hash::Hash,
    io::{self, Write},
    sync::{Mutex, PoisonError},
    time::Instant,
};

use tracing::{Level, Metadata, callsite::Identifier};
use tracing_subscriber::fmt::MakeWriter;

use super::OneLine;
use crate::base::Bucket;

/// Lines of one place at once: every device of a large site once, at a start.
const LINES_AT_ONCE: f64 = 400.0;
/// And a second after that: at most some 20 MB a day and place.
const LINES_A_SECOND: f64 = 1.0;

struct Place {
    lines: Bucket,
    left_out: u64,
}

/// The budget of each place. What is asked for in detail (`debug`, `trace`) has none.
struct Budgets<K> {
    started: Instant,
    places: Mutex<HashMap<K, Place>>,
}

impl<K: Eq + Hash> Budgets<K> {
    fn new() -> Self {
        Self { started: Instant::now(), places: Mutex::new(HashMap::new()) }
    }

    /// Whether this place may write a line now; with it, how many it left out before.
    fn spend(&self, place: K, now: Instant) -> Option<u64> {
        // What a panic leaves behind is a table like any other. Places are few: lines of code.
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(self.started);
        let now_ms = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        let lines = || Bucket::full(LINES_AT_ONCE, LINES_A_SECOND, now_ms);
        let place = places.entry(place).or_insert_with(|| Place { lines: lines(), left_out: 0 });
        if !place.lines.spend(1.0, now_ms) {
            place.left_out += 1;
            return None;
        }
        Some(std::mem::take(&mut place.left_out))
    }
}

/// Where lines go, as long as their place has a budget. It is kept here and not in a filter of
/// `tracing_subscriber`: one of those that says no to an event is stuck in its no.
pub(super) struct BudgetedLines<F> {
    budgets: Budgets<Identifier>,
    /// Opens what is written to.
    to: F,
    coloured: bool,
}

impl<F> BudgetedLines<F> {
    /// `to`: opens what is written to; `coloured`: the lines hold colours.
    pub(super) fn new(to: F, coloured: bool) -> Self {
        Self { budgets: Budgets::new(), to, coloured }
    }
}

impl<'a, W: Write, F: Fn() -> W + 'a> MakeWriter<'a> for BudgetedLines<F> {
    type Writer = Line<W>;

    fn make_writer(&'a self) -> Line<W> {
        Line(Some(OneLine { to: (self.to)(), coloured: self.coloured, left_out: 0 }))
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Line<W> {
        let left_out = match *about.level() > Level::INFO {
            true => Some(0),
            false => self.budgets.spend(about.callsite(), Instant::now()),
        };
        Line(left_out.map(|left_out| OneLine {
            to: (self.to)(),
            coloured: self.coloured,
            left_out,
        }))
    }
}

/// One line, or none where the budget of its place is spent.
pub(super) struct Line<W>(Option<OneLine<W>>);

impl<W: Write> Write for Line<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Some(line) => line.write(bytes),
            None => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.as_mut().map_or(Ok(()), Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn p11_a_flood_of_one_kind_of_line_is_bounded_and_hides_no_other() {
        let kept = Kept::default();
        let to = kept.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(BudgetedLines::new(move || to.clone(), false))
            .with_ansi(false);
        let subscriber = tracing_subscriber::registry().with(lines);
        tracing::subscriber::with_default(subscriber, || {
            for n in 0..20_000 {
                tracing::warn!(n, "a message that nobody can read");
            }
            tracing::warn!("another place");
            for n in 0..500 {
                tracing::debug!(n, "asked for in detail");
            }
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let flood = text.lines().filter(|line| line.contains("nobody can read")).count();
        // A slow machine gives some seconds of budget.
        assert!((400..1_000).contains(&flood), "{flood}");
        let other: Vec<&str> = text.lines().filter(|line| line.contains("another place")).collect();
        assert!(other.len() == 1 && !other[0].contains("left out"), "{other:?}");
        assert_eq!(text.lines().filter(|line| line.contains("in detail")).count(), 500);
    }

    #[test]
    fn what_was_left_out_is_counted_in_the_next_line() {
        let (budgets, start) = (Budgets::new(), Instant::now());
        let spend = |ms: u64| budgets.spend("place", start + Duration::from_millis(ms));
        let said: Vec<u64> = (0..1_000).filter_map(|_| spend(0)).collect();
        assert_eq!(said, vec![0; 400]);
        assert_eq!(spend(999), None);
        assert_eq!(spend(1_100), Some(601), "and it is told");
        assert_eq!(spend(1_100), None);
        // A quiet hour fills it up, and no more than that.
        let later = (0..1_000).filter(|_| spend(3_600_000).is_some()).count();
        assert_eq!(later, 400);
    }
}
