//! The nouns of the gateway: pure data, no I/O, no tokio; every other room speaks in these.

mod entry;
mod event;
mod finding;
mod gauge;
mod heartbeat;
mod ids;
mod incident;
mod metric;
mod observation;
mod picture;
mod place;
mod posture;
mod rain;
mod receipt;
mod stop;
mod time;
mod track;

pub use entry::{Entry, Outcome, Quarantined, SeenPress, Settled};
pub use event::{Event, EventContext, EventData, event_schema};
pub use finding::{Finding, Phase};
pub use gauge::{Dated, GaugeReport, Measure, READINGS_KEPT, Reading, SeenReport};
pub use heartbeat::{Heartbeat, HeartbeatData, HeartbeatFacts, HeartbeatSums, started_at};
pub use ids::{EvidenceId, IncidentId, RuleId, SinkId, SiteId, SourceId};
pub use incident::{
    Class, ClockError, Deadline, Detail, Evidence, Incident, Kind, ObjectCount, PreRollLimit,
    Record, Route, Severity, SourceRef, Stage, Tier, Title, What,
};
pub use metric::{Meter, Metric, MetricKind, NoMeter};
pub use observation::{
    Body, Envelope, Fault, Loss, Observation, Press, Reply, ReplyTo, Unreadable,
};
pub use picture::{Picture, Shot};
pub use place::{Grid, Place, SourceInfo, SourceKind};
pub use posture::{OrderTo, Posture, PostureOrder};
pub use rain::{GaugeView, GridView, PointView, RainView, ThresholdView, Words};
pub use receipt::{Answer, Receipt};
pub use stop::StopFlag;
pub use time::{Clock, Now, Stamp};
pub use track::{Bbox, Detection, Track, TrackFrame};
