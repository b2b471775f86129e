//! How many lines of the log one place in the code may write: a flood of messages is no flood of lines.
//!
//! Whoever sends what cannot be read, or connects and breaks, makes one line each time; a disk full of
//! these keeps no press. Each place has a budget that fills up again, and its next line says how many
//! it left out: nothing is left out without a trace, and figures (`/metrics`) count all of them.

use std::{
    cell::Cell,
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use tracing::{Event, Level, Metadata, callsite::Identifier, subscriber::Interest};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    layer::{Context, Filter},
};

/// Lines of one place at once: every device of a large site once, at a start.
const LINES_AT_ONCE: f64 = 400.0;
/// And a second after that: at most some 20 MB a day and place.
const LINES_A_SECOND: f64 = 1.0;

thread_local! {
    /// Lines that were left out before the one that this thread writes now.
    static LEFT_OUT: Cell<u64> = const { Cell::new(0) };
}

/// How many were left out before the line that is being written; asking forgets it.
pub(super) fn left_out() -> u64 {
    LEFT_OUT.take()
}

struct Place {
    lines: f64,
    at: Instant,
    left_out: u64,
}

/// The budget of each place. What is asked for in detail (`debug`, `trace`) has none.
struct Budgets<K>(Mutex<HashMap<K, Place>>);

impl<K: Eq + Hash> Budgets<K> {
    fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// Whether this place may write a line now; with it, how many it left out before.
    fn spend(&self, place: K, now: Instant) -> Option<u64> {
        // What a panic leaves behind is a table like any other. Places are few: lines of code.
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Place { lines: LINES_AT_ONCE, at: now, left_out: 0 };
        let place = places.entry(place).or_insert_with(fresh);
        let passed = now.saturating_duration_since(place.at).as_secs_f64();
        place.lines = (place.lines + passed * LINES_A_SECOND).min(LINES_AT_ONCE);
        place.at = now;
        if place.lines < 1.0 {
            place.left_out += 1;
            return None;
        }
        place.lines -= 1.0;
        Some(std::mem::take(&mut place.left_out))
    }
}

/// Which lines are written: those of the wanted targets and levels, within their budgets.
pub(super) struct LogFilter {
    targets: Targets,
    budgets: Budgets<Identifier>,
}

impl LogFilter {
    pub(super) fn new(targets: Targets) -> Self {
        Self { targets, budgets: Budgets::new() }
    }
}

impl<S> Filter<S> for LogFilter {
    fn enabled(&self, metadata: &Metadata<'_>, cx: &Context<'_, S>) -> bool {
        Filter::<S>::enabled(&self.targets, metadata, cx)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        Filter::<S>::callsite_enabled(&self.targets, metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Filter::<S>::max_level_hint(&self.targets)
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO {
            return true;
        }
        match self.budgets.spend(metadata.callsite(), Instant::now()) {
            Some(left_out) => {
                LEFT_OUT.set(left_out);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::Arc,
        time::Duration,
    };

    use tracing_subscriber::{Layer, layer::SubscriberExt};

    use super::*;
    use crate::cli::OneLine;

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
            .with_writer(move || OneLine { to: to.clone(), coloured: false })
            .with_ansi(false)
            .with_filter(LogFilter::new(Targets::new().with_default(Level::INFO)));
        let subscriber = tracing_subscriber::registry().with(lines);
        tracing::subscriber::with_default(subscriber, || {
            for n in 0..20_000 {
                tracing::warn!(n, "a message that nobody can read");
            }
            tracing::warn!("another place");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let flood = text.lines().filter(|line| line.contains("nobody can read")).count();
        // A slow machine gives some seconds of budget.
        assert!((400..1_000).contains(&flood), "{flood}");
        assert!(text.lines().last().unwrap().contains("another place"), "{text}");
        assert!(!text.lines().last().unwrap().contains("left out"));
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
