//! Who has the floor at one speaker: one voice at a time, an emergency interrupts, and what has lost its cause is silent.

use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use tokio::sync::Notify;

use super::dealt::{Dealt, Urgency};
use crate::{
    base::lock,
    domain::{IncidentId, Posture},
};

/// What a speaker asks of the gateway around it; the runtime makes it of the store.
pub trait Causes: Send + Sync {
    /// Whether this incident goes on, or nobody has ended, closed or dismissed it yet.
    fn goes_on(&self, incident: IncidentId) -> bool;
    /// Whether this posture holds.
    fn holds(&self, posture: Posture) -> bool;
    /// The gateway's clock.
    fn now(&self) -> Timestamp;
}

/// From this on it interrupts what is less urgent.
const INTERRUPTS: Urgency = 1;

#[derive(Default)]
struct Order {
    /// Who speaks.
    speaks: Option<(u64, Urgency)>,
    /// Who waits, in the order of coming.
    waiting: Vec<(u64, Urgency)>,
    next: u64,
}

impl Order {
    /// Whose turn it is: the most urgent, and of these who came first.
    fn turn(&self) -> Option<u64> {
        let first = self.waiting.iter().min_by_key(|(number, urgency)| (*urgency, *number));
        first.filter(|_| self.speaks.is_none()).map(|(number, _)| *number)
    }
}

/// One for each speaker, shared by its lanes and by what is said again.
pub struct Floor {
    order: Mutex<Order>,
    changed: Notify,
    /// An incident that becomes an emergency changes its lane: both lanes know what was said.
    dealt: Mutex<Dealt>,
    pub(super) causes: Arc<dyn Causes>,
}

impl Floor {
    /// Nobody speaks.
    pub fn new(causes: Arc<dyn Causes>) -> Arc<Self> {
        let (order, dealt) = (Mutex::default(), Mutex::default());
        Arc::new(Self { order, changed: Notify::new(), dealt, causes })
    }

    /// What was dealt with here so far.
    pub(super) fn dealt(&self) -> MutexGuard<'_, Dealt> {
        lock(&self.dealt)
    }

    fn order(&self) -> MutexGuard<'_, Order> {
        lock(&self.order)
    }

    /// Waits for the floor; may be cancelled.
    pub(super) async fn take(self: &Arc<Self>, urgency: Urgency) -> FloorTurn {
        let number = {
            let mut order = self.order();
            order.next += 1;
            let number = order.next;
            order.waiting.push((number, urgency));
            number
        };
        let turn = FloorTurn { floor: self.clone(), number };
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if turn.begin(urgency) {
                return turn;
            }
            changed.await;
        }
    }
}

/// The right to speak, or a place in the queue for it, until it is dropped.
pub(super) struct FloorTurn {
    floor: Arc<Floor>,
    number: u64,
}

impl FloorTurn {
    fn begin(&self, urgency: Urgency) -> bool {
        let mut order = self.floor.order();
        let mine = order.turn() == Some(self.number);
        if mine {
            order.waiting.retain(|(number, _)| *number != self.number);
            order.speaks = Some((self.number, urgency));
        }
        mine
    }

    /// Whether something that interrupts waits, and is more urgent than who speaks.
    pub(super) fn must_yield(&self) -> bool {
        let order = self.floor.order();
        let Some((_, urgency)) = order.speaks else { return false };
        order.waiting.iter().any(|(_, other)| *other <= INTERRUPTS && *other < urgency)
    }
}

impl Drop for FloorTurn {
    fn drop(&mut self) {
        let mut order = self.floor.order();
        order.waiting.retain(|(number, _)| *number != self.number);
        if order.speaks.is_some_and(|(number, _)| number == self.number) {
            order.speaks = None;
        }
        drop(order);
        self.floor.changed.notify_waiters();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        time::Duration,
    };

    use super::*;

    /// A cause that goes on until it is said that it does not.
    #[derive(Default)]
    pub(in crate::sinks) struct OneCause {
        pub(in crate::sinks) over: AtomicBool,
        pub(in crate::sinks) flood: AtomicBool,
        pub(in crate::sinks) late_s: std::sync::atomic::AtomicI64,
    }

    impl Causes for OneCause {
        fn goes_on(&self, _: IncidentId) -> bool {
            !self.over.load(Ordering::Relaxed)
        }
        fn holds(&self, posture: Posture) -> bool {
            posture == Posture::Flood && self.flood.load(Ordering::Relaxed)
        }
        fn now(&self) -> Timestamp {
            let late = self.late_s.load(Ordering::Relaxed);
            Timestamp::from_second(1_782_874_800 + late).unwrap()
        }
    }

    #[tokio::test]
    async fn one_speaks_at_a_time_and_only_an_emergency_interrupts() {
        let floor = Floor::new(Arc::new(OneCause::default()));
        let first = floor.take(3).await;
        let wait = |urgency| {
            let floor = floor.clone();
            tokio::spawn(async move { (urgency, floor.take(urgency).await) })
        };
        let alert = wait(2);
        tokio::time::timeout(Duration::from_millis(20), alert).await.map(drop).unwrap_err();
        assert!(!first.must_yield(), "an alert waits until a notice has been spoken");
        let (slow, urgent) = (wait(4), wait(1));
        while !first.must_yield() {
            tokio::task::yield_now().await;
        }
        drop(first);
        let (_, urgent) = urgent.await.unwrap();
        assert!(!urgent.must_yield() && !slow.is_finished());
        let another = wait(1);
        tokio::task::yield_now().await;
        assert!(!urgent.must_yield(), "one emergency does not interrupt another");
        drop(urgent);
        drop(another.await.unwrap());
        assert_eq!(slow.await.unwrap().0, 4, "who waited speaks at last");
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_the_queue() {
        let floor = Floor::new(Arc::new(OneCause::default()));
        let first = floor.take(3).await;
        let gives_up = tokio::time::timeout(Duration::from_millis(5), floor.take(1)).await;
        assert!(gives_up.is_err() && !first.must_yield());
        drop(first);
        assert!(floor.order().speaks.is_none() && floor.order().waiting.is_empty());
        drop(floor.take(4).await);
    }
}
