//! Whose turn it is in one lane of one sink: pure, `now` is an argument.
//!
//! **P3** What cannot succeed takes no place from what can. Three groups:
//! - *fresh*: never tried, or given back untried.
//! - *again*: failed, and waits for its next try. A success of the sink brings all of them forward.
//! - *set aside*: refused, or failed [`STRIKES_MAX`] times though others passed in between. Still
//!   owed, tried by a slow clock of its own, and never in front of anything.
//!
//! In an emergency lane what is new is tried at once, whatever waits, and incidents take turns: one
//! that has nothing told of it yet goes before another one's tenth press. Calls of devices on no list,
//! which anybody may invent, and of incidents of which something is set aside, have every fifth turn while
//! others wait. After a refusal one goes whose case the sink has taken before, if such a one waits. In the other lanes one goes
//! after the other: while the first waits for its next try, the lane does. But when it has failed
//! often, or others of the sink pass, another one is tried in between: if that one passes, it is the
//! record and not the sink, and after some more of it the record is set aside.

mod groups;

use std::collections::{BTreeMap, BTreeSet};

use groups::{Fresh, Proven, SetAside, Timed};

pub use super::turns_of_incidents::Turn;
use crate::domain::IncidentId;

/// A record is set aside when it has failed so often though others had passed since its try before.
const STRIKES_MAX: u32 = 3;
/// The first of a lane has failed so often in a row: another one is tried in between.
const TRIES_UNTIL_PROBE: u32 = 5;
/// The same, where something has passed at this sink within [`WELL_MS`].
const TRIES_UNTIL_PROBE_WELL: u32 = 2;
const WELL_MS: u64 = 60_000;
/// After so many fresh emergencies in a row one that waits has its turn.
const FRESH_IN_A_ROW: u32 = 4;
/// What is refused is asked for again this often, whatever passes.
pub const REFUSED_EVERY_MS: u64 = 3_600_000;
/// Fresh ones that are looked through for one that may leave. Records leave in the same order as
/// files, so that the file of an older one is among the first.
const SEARCHED_MAX: usize = 64;

/// Where fewer wait, they leave in the order of the journal; where more do, their incidents take turns.
const TURNS_FROM: usize = 32;
/// After so many others in a row one that stands behind has its turn.
const FRONT_IN_A_ROW: u32 = 4;

/// How soon a success of the sink may bring forward what was set aside, by how often that was in vain.
const HOLD_MS: [u64; 5] = [0, 60_000, 240_000, 960_000, REFUSED_EVERY_MS];
/// Of an emergency that was never refused, only failed: a receiver that fails now and then is asked soon.
const FAILED_HOLD_MS_MAX: u64 = 60_000;
/// But where very many are set aside, a hundred a minute: this long for each of them.
const FAILED_HOLD_MS_EACH: u64 = 600;

/// Whether a new one waits for those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneOrder {
    /// Emergencies.
    EachAtOnce,
    /// Everything else.
    OneByOne,
}

/// Why something was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotYet {
    /// Try again after so long, milliseconds.
    Failed { wait_ms: u64 },
    /// The other end asked for this wait: it says nothing about the record.
    Asked { wait_ms: u64 },
    /// The other end answers, and will not have it.
    Refused,
}

/// How often something was tried, and what of it speaks against the record itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tried {
    /// In a row; the back-off grows with it.
    pub tries: u32,
    strikes: u32,
    refused: bool,
    /// What the sink had taken of its lane when it failed last.
    passes: u64,
    /// Set aside, and tried so often in vain since.
    aside: Option<usize>,
}

impl Tried {
    /// It waits by itself, and nothing behind it.
    pub fn is_aside(&self) -> bool {
        self.aside.is_some()
    }
}

/// One lane's queue; what is under way is in none of its groups.
#[derive(Debug)]
pub struct LaneQueue {
    order: LaneOrder,
    fresh: Fresh,
    /// Of `fresh` what belongs to incidents of which the sink has taken something.
    proven: Proven,
    refused_last: bool,
    /// Of emergencies those that devices on no list sent, and those of incidents of which the sink does not take
    /// something.
    behind: Fresh,
    front_in_a_row: u32,
    again: Timed,
    /// Those of `again` that were not tried since something passed.
    round: BTreeSet<Turn>,
    aside: Timed,
    /// When a success may bring forward what is set aside.
    hold: Timed,
    /// Fresh and again.
    by_incident: BTreeSet<(IncidentId, u64)>,
    tried: BTreeMap<u64, Tried>,
    set_aside: SetAside,
    fresh_in_a_row: u32,
    /// The last try failed: who hangs must not stand before the newest. Who is refused is answered, and stands
    /// behind from then on.
    failed_last: bool,
    aside_last: bool,
    probe: bool,
    passed_ms: Option<u64>,
}

impl LaneQueue {
    /// Nothing is owed yet.
    pub fn new(order: LaneOrder) -> Self {
        Self {
            order,
            fresh: Fresh::default(),
            proven: Proven::default(),
            refused_last: false,
            behind: Fresh::default(),
            front_in_a_row: 0,
            again: Timed::default(),
            round: BTreeSet::new(),
            aside: Timed::default(),
            hold: Timed::default(),
            by_incident: BTreeSet::new(),
            tried: BTreeMap::new(),
            set_aside: SetAside::default(),
            fresh_in_a_row: 0,
            failed_last: false,
            aside_last: false,
            probe: false,
            passed_ms: None,
        }
    }

    /// Owed, or given back untried: to be taken at once.
    pub fn insert(&mut self, turn: Turn, incident: IncidentId) {
        self.leave(turn, incident);
        let is_behind = self.order == LaneOrder::EachAtOnce && self.set_aside.has(incident);
        let fresh = if is_behind { &mut self.behind } else { &mut self.fresh };
        fresh.insert(turn, incident, self.order);
        if !is_behind {
            self.proven.wait(turn, incident);
        }
        self.by_incident.insert((incident, turn.1));
    }

    /// As [`Self::insert`], of a device that is on no list: it comes after those that are.
    pub fn insert_unlisted(&mut self, turn: Turn, incident: IncidentId) {
        if self.order == LaneOrder::OneByOne {
            return self.insert(turn, incident);
        }
        self.leave(turn, incident);
        self.behind.insert(turn, incident, self.order);
        self.by_incident.insert((incident, turn.1));
    }

    /// Out of all groups; false if it was in none. How often it was tried is kept.
    pub fn leave(&mut self, turn: Turn, incident: IncidentId) -> bool {
        self.by_incident.remove(&(incident, turn.1));
        self.hold.remove(turn);
        self.round.remove(&turn);
        let aside = self.aside.remove(turn).is_some();
        let again = self.again.remove(turn).is_some();
        self.leave_fresh(turn) || again || aside
    }

    /// The sink has taken something of this incident.
    pub fn taken(&mut self, incident: IncidentId) {
        if self.order == LaneOrder::EachAtOnce {
            self.proven.take(incident, self.fresh.all_of(incident));
        }
    }

    fn leave_fresh(&mut self, turn: Turn) -> bool {
        self.proven.leave(turn);
        self.fresh.remove(turn) || self.behind.remove(turn)
    }

    /// It is not owed any more.
    pub fn forget(&mut self, seq: u64) {
        self.tried.remove(&seq);
        self.set_aside.remove(seq);
    }

    /// How often this one was tried.
    pub fn tried(&self, seq: u64) -> Tried {
        self.tried.get(&seq).copied().unwrap_or_default()
    }

    /// How many are set aside, those that are just being tried too.
    pub fn aside_count(&self) -> usize {
        self.set_aside.count()
    }

    /// All from this turn on that nobody has in hand, in their order.
    pub fn from(&self, turn: Turn) -> Vec<Turn> {
        let again = self.again.at_ms.range(turn..).chain(self.aside.at_ms.range(turn..));
        let mut all: Vec<Turn> = again.map(|(turn, _)| *turn).collect();
        let fresh = [&self.fresh, &self.behind].into_iter();
        all.extend(fresh.flat_map(|fresh| fresh.by_turn.range(turn..)).map(|(turn, _)| *turn));
        all.sort_unstable();
        all
    }

    /// When [`Self::take`] may give something that it does not give now, if nothing else happens.
    pub fn next_ms(&self) -> Option<u64> {
        let again = match self.order {
            LaneOrder::EachAtOnce => self.again.next_ms(),
            LaneOrder::OneByOne => self.again.first().map(|(_, at_ms)| at_ms),
        };
        [again, self.aside.next_ms()].into_iter().flatten().min()
    }

    /// Whose turn it is. `may`: whether a fresh one may leave yet. `incident` of what is owed.
    pub fn take(
        &mut self,
        now_ms: u64,
        may: impl Fn(u64) -> bool,
        incident: impl Fn(u64) -> Option<IncidentId>,
    ) -> Option<Turn> {
        let turn = match self.order {
            LaneOrder::EachAtOnce => self.urgent(now_ms, &incident),
            LaneOrder::OneByOne => self.in_order(now_ms, &may, &incident),
        }?;
        if let Some(incident) = incident(turn.1) {
            self.leave(turn, incident);
        }
        Some(turn)
    }

    fn urgent(
        &mut self,
        now_ms: u64,
        incident: &impl Fn(u64) -> Option<IncidentId>,
    ) -> Option<Turn> {
        let fired = self.again.due(now_ms);
        let aside = self.aside.due(now_ms);
        let others_turn = self.fresh_in_a_row >= FRESH_IN_A_ROW;
        let is_fresh = !self.fresh.by_turn.is_empty() || !self.behind.by_turn.is_empty();
        if is_fresh && !(others_turn && (fired.is_some() || aside.is_some())) {
            self.fresh_in_a_row = self.fresh_in_a_row.saturating_add(1);
            return self.fresh_one(now_ms);
        }
        self.fresh_in_a_row = 0;
        match (fired, aside) {
            (Some(_), Some(aside)) if !std::mem::replace(&mut self.aside_last, true) => Some(aside),
            (Some(fired), _) => {
                self.aside_last = false;
                self.oldest_of_again(fired, incident)
            }
            (None, aside) => aside,
        }
    }

    /// By turns of their incidents, and after a failure the newest: whoever hangs would stand before all
    /// others. Of its incident, what is older goes first, and then it at once.
    fn fresh_one(&mut self, now_ms: u64) -> Option<Turn> {
        let (front, behind) = (self.fresh.by_turn.len(), self.behind.by_turn.len());
        let of_front = behind == 0 || front > 0 && self.front_in_a_row < FRONT_IN_A_ROW;
        self.front_in_a_row = if of_front { self.front_in_a_row.saturating_add(1) } else { 0 };
        let fresh = if of_front { &mut self.fresh } else { &mut self.behind };
        let owned = |(turn, incident): (&Turn, &IncidentId)| (*turn, *incident);
        let proven = (of_front && self.refused_last).then(|| self.proven.next()).flatten();
        let (turn, incident) = match self.failed_last {
            _ if proven.is_some() => proven,
            true => fresh.by_turn.last_key_value().map(owned),
            false if behind == 0 && front < TURNS_FROM => {
                fresh.by_turn.first_key_value().map(owned)
            }
            false => fresh.turns.next(),
        }?;
        let oldest = self.by_incident.range((incident, 0)..=(incident, turn.1)).next();
        let oldest = oldest.map_or(turn, |(_, seq)| (turn.0, *seq));
        if self.again.remove(oldest).is_some() {
            self.leave_fresh(turn);
            self.again.put(turn, now_ms);
        }
        Some(oldest)
    }

    /// After a success each is tried once, the oldest first. While nothing passes, the oldest goes
    /// whenever one has its turn, and the one whose turn it was takes the oldest's. But where that one has
    /// failed often, every second time another one has its own turn: after an outage the other end may
    /// choke on the oldest alone, which would stand before all others for ever.
    fn oldest_of_again(
        &mut self,
        fired: Turn,
        incident: &impl Fn(u64) -> Option<IncidentId>,
    ) -> Option<Turn> {
        if let Some(turn) = self.round.first() {
            return Some(*turn);
        }
        let (oldest, at_ms) = self.again.first()?;
        let tries = self.tried(oldest.1).tries;
        if tries >= TRIES_UNTIL_PROBE && !tries.is_multiple_of(2) {
            return Some(self.oldest_of_its_incident(fired, incident));
        }
        if oldest != fired {
            self.again.put(fired, at_ms);
            let (a, b) = (self.tried(oldest.1).tries, self.tried(fired.1).tries);
            self.tried.entry(oldest.1).or_default().tries = b;
            self.tried.entry(fired.1).or_default().tries = a;
        }
        Some(oldest)
    }

    fn in_order(
        &mut self,
        now_ms: u64,
        may: &impl Fn(u64) -> bool,
        incident: &impl Fn(u64) -> Option<IncidentId>,
    ) -> Option<Turn> {
        let aside = self.aside.due(now_ms);
        if aside.is_some() && !std::mem::replace(&mut self.aside_last, true) {
            return aside;
        }
        self.aside_last = false;
        let fresh =
            self.fresh.by_turn.keys().take(SEARCHED_MAX).find(|(_, seq)| may(*seq)).copied();
        let (first, at_ms) = match (fresh, self.again.first()) {
            (Some(fresh), Some((again, _))) if fresh < again => return Some(fresh),
            (fresh, None) => return fresh.or(aside),
            (_, Some(first)) => first,
        };
        if at_ms <= now_ms {
            return Some(first);
        }
        if std::mem::take(&mut self.probe) {
            let blocked = incident(first.1);
            let other = |seq: u64| incident(seq) != blocked && may(seq);
            // By turns the newest and the next: of one kind that chokes, many may stand in a row.
            let newest = self.tried(first.1).tries.is_multiple_of(2);
            let found = match newest {
                true => {
                    self.fresh.by_turn.keys().rev().take(SEARCHED_MAX).find(|(_, seq)| other(*seq))
                }
                false => self.fresh.by_turn.keys().take(SEARCHED_MAX).find(|(_, seq)| other(*seq)),
            };
            let probe = found.map(|turn| self.oldest_of_its_incident(*turn, incident));
            return probe.or_else(|| self.again.due(now_ms)).or(aside);
        }
        aside
    }

    /// Records of an incident leave in the order of their revisions.
    fn oldest_of_its_incident(
        &self,
        turn: Turn,
        incident: &impl Fn(u64) -> Option<IncidentId>,
    ) -> Turn {
        let Some(id) = incident(turn.1) else { return turn };
        let oldest = self.by_incident.range((id, 0)..=(id, turn.1)).next();
        oldest.map_or(turn, |(_, seq)| (turn.0, *seq))
    }

    /// It was tried and not delivered. `passes`: what the sink has taken of this lane so far. Whether it has just
    /// been set aside.
    pub fn later(
        &mut self,
        turn: Turn,
        incident: IncidentId,
        why: NotYet,
        (now_ms, passes): (u64, u64),
    ) -> bool {
        self.refused_last = why == NotYet::Refused;
        self.failed_last = !self.refused_last;
        let tried = self.tried.entry(turn.1).or_default();
        let struck =
            tried.tries > 0 && passes > tried.passes && !matches!(why, NotYet::Asked { .. });
        tried.tries = tried.tries.saturating_add(1);
        tried.passes = passes;
        tried.strikes += u32::from(struck);
        tried.refused |= why == NotYet::Refused;
        let before = tried.aside;
        tried.aside = match (before, why) {
            (Some(vain), NotYet::Refused) => Some(vain + 1),
            (None, NotYet::Refused) => Some(0),
            (Some(vain), _) => Some(vain + usize::from(struck)),
            (None, _) => (tried.strikes >= STRIKES_MAX).then_some(1),
        };
        let tried = *tried;
        let is_new = tried.is_aside() && self.set_aside.insert(turn.1, incident);
        let Some(vain) = tried.aside else {
            let (NotYet::Failed { wait_ms } | NotYet::Asked { wait_ms }) = why else {
                return false;
            };
            self.again.put(turn, now_ms.saturating_add(wait_ms));
            self.by_incident.insert((incident, turn.1));
            let well = self.passed_ms.is_some_and(|at| now_ms.saturating_sub(at) < WELL_MS);
            let enough = if well { TRIES_UNTIL_PROBE_WELL } else { TRIES_UNTIL_PROBE };
            self.probe = tried.tries >= enough;
            return false;
        };
        let mut hold_ms = HOLD_MS[vain.min(HOLD_MS.len() - 1)];
        if self.order == LaneOrder::EachAtOnce && !tried.refused {
            let many_ms = FAILED_HOLD_MS_EACH.saturating_mul(self.aside_count() as u64);
            hold_ms = hold_ms.min(FAILED_HOLD_MS_MAX.max(many_ms));
        }
        let wait_ms = match why {
            NotYet::Refused => REFUSED_EVERY_MS,
            NotYet::Failed { wait_ms } | NotYet::Asked { wait_ms } => hold_ms.max(wait_ms),
        };
        self.aside.put(turn, now_ms.saturating_add(wait_ms));
        self.hold.put(turn, now_ms.saturating_add(hold_ms));
        if is_new && self.order == LaneOrder::EachAtOnce {
            for turn in self.fresh.remove_all(incident) {
                self.proven.leave(turn);
                self.behind.insert(turn, incident, self.order);
            }
        }
        is_new
    }

    /// The sink has taken something, of this lane or of another: what waits for that leaves now, the
    /// oldest first. Whether something is due that was not.
    pub fn passed(&mut self, now_ms: u64, own: bool) -> bool {
        if own {
            (self.failed_last, self.refused_last) = (false, false);
            self.passed_ms = Some(now_ms);
        }
        let mut moved = self.again.bring_forward(now_ms);
        if self.order == LaneOrder::EachAtOnce && self.round.len() != self.again.at_ms.len() {
            self.round = self.again.at_ms.keys().copied().collect();
        }
        while let Some(turn) = self.hold.due(now_ms) {
            self.hold.remove(turn);
            self.aside.put(turn, now_ms);
            moved = true;
        }
        moved
    }

    /// Somebody asks for it: those that wait and are wanted leave now. How many.
    pub fn hasten(&mut self, now_ms: u64, wanted: impl Fn(u64) -> bool) -> usize {
        let mut count = 0;
        for group in [&mut self.again, &mut self.aside] {
            let found: Vec<Turn> =
                group.at_ms.keys().filter(|(_, seq)| wanted(*seq)).copied().collect();
            count += found.len();
            found.into_iter().for_each(|turn| group.put(turn, now_ms));
        }
        count
    }
}

#[cfg(test)]
mod tests;
