//! What a sink owes the grid, and where it comes from and goes back to.

use std::{future::Future, path::PathBuf};

use super::sink::Lane;
use crate::{
    base::{NotYet, Tried},
    domain::{Evidence, IncidentId, Record, Settled, SinkId},
};

/// A record that a sink owes the grid.
#[derive(Clone, Debug)]
pub struct Due {
    /// Journal sequence number of the change.
    pub seq: u64,
    /// Its incident was an emergency at some time.
    pub emergency: bool,
    /// How often it was tried before.
    pub tried: Tried,
    pub record: Record,
}

/// A piece of evidence that a sink owes the grid, after the record that names it.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Number in the journal under which it is settled.
    pub seq: u64,
    pub incident: IncidentId,
    /// How often it was tried before.
    pub tried: Tried,
    pub evidence: Evidence,
    /// None: the file is gone.
    pub path: Option<PathBuf>,
}

/// Where records come from and go back to; the runtime makes it of the store.
pub trait Outbox: Clone + Send + Sync + 'static {
    /// Waits for the next record; cancelling takes none.
    fn next_due(&self, sink: &SinkId, lane: Lane) -> impl Future<Output = Due> + Send;
    /// Waits for the next piece of evidence; cancelling takes none.
    fn next_piece(&self, sink: &SinkId) -> impl Future<Output = Piece> + Send;
    /// Tried and not delivered: the record or piece with this `seq` is due again at its time. Whether
    /// it has just been set aside, where nothing waits behind it.
    fn later(&self, sink: &SinkId, seq: u64, why: NotYet) -> bool;
    /// The sink has taken something in this lane (None: a piece): what waits for that is due now.
    fn passed(&self, sink: &SinkId, lane: Option<Lane>);
    /// How much of this sink's is set aside: records of emergencies, and all else.
    fn set_aside(&self, sink: &SinkId) -> (usize, usize);
    /// A plate of a record, whole; none: its days are over.
    fn open_plate(&self, _sealed: &str) -> Option<String> {
        None
    }
    /// Of a record, or of a piece: `change` is its `seq`.
    fn settle(&self, settled: Settled) -> impl Future<Output = ()> + Send;
}
