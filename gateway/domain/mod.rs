//! The nouns of the gateway: pure data, no I/O, no tokio; every other room speaks in these.

mod access;
mod announcement;
mod areas;
mod arrival;
mod calendar;
mod case_line;
mod datum;
mod device;
mod drill;
mod duty;
mod duty_strength;
mod entry;
mod event;
mod event_context;
mod event_life;
mod event_limits;
mod finding;
mod flight;
mod gauge;
mod ground;
mod hardware;
mod heartbeat;
mod ids;
mod incident;
mod kind;
mod kind_words;
mod life;
mod limit;
mod live;
mod look;
mod look_area;
mod luma;
mod metric;
mod observation;
mod persons;
mod picture;
mod place;
mod plate;
mod posture;
mod presence;
mod press_identity;
mod rain;
mod receipt;
mod resident_report;
mod routing;
mod schedule;
mod speaks_for;
mod spoken_text;
mod station_status;
mod stop;
#[cfg(test)]
mod tests_ids;
#[cfg(test)]
mod tests_seed;
mod text;
mod thing;
mod time;
mod track;
mod unreadable;
mod vehicle;
mod vehicle_list;
mod why_words;

pub use access::{AccessEvent, AccessNote, AccountRole, TokenScope};
pub use announcement::AnnounceOrder;
pub use areas::Areas;
pub use arrival::Arrival;
pub use calendar::{Calendar, WorkHours};
pub(crate) use case_line::seconds;
pub use case_line::{CaseLine, CaseLines, StepLimits};
pub use datum::Datum;
pub use device::{
    Ailment, DEVICE_STATES, DeviceInfo, DeviceReport, DeviceState, DeviceStatus, DeviceTable,
};
pub use drill::DrillOrder;
pub use duty::{DutyRole, Hours, OnDuty, Roster, Shift};
pub use duty_strength::{ShortHours, Shortage};
pub use entry::{Entry, ExportedFile, Outcome, Quarantined, SeenPress, Settled};
pub use event::{Event, EventData, event_schema};
pub use event_context::EventContext;
pub use event_life::EventLife;
pub use event_limits::EventDeadline;
pub use finding::{Finding, Phase};
pub use flight::{DroneInfo, DroneView, Pose, Telemetry};
pub use gauge::{Dated, GaugeReport, Measure, READINGS_KEPT, Reading, SeenReport};
pub use ground::{Errors, Gaze, Spot, View, bearing_deg, distance_m, moved, turned};
pub use hardware::HwDecode;
pub use heartbeat::{Heartbeat, HeartbeatData, HeartbeatFacts, HeartbeatSums, started_at};
pub use ids::{EvidenceId, ExportId, IdMint, IncidentId, RuleId, SinkId, SiteId, SourceId};
pub use incident::{
    ClockError, Detail, Evidence, Incident, ObjectCount, PreRollLimit, Record, SourceRef, Title,
    What,
};
pub use kind::{Class, Kind, Severity, Stage, Tier};
pub use life::{
    AskFor, Asked, CaseStep, DismissReason, GATEWAY, Life, ReplyTo, ReplyVia, plain_name,
};
pub use limit::{Deadline, Escalation, Level, Light, LimitEvent, LimitRun, LimitSpan, LimitStep};
pub use live::{LiveHead, LiveItem, LivePicture};
pub use look::{Look, LookFeedback};
pub use look_area::LookArea;
pub use luma::Luma;
pub use metric::{LABEL_BREAK, Meter, Metric, MetricKind, NoMeter, label_pair};
pub use observation::{
    Body, Claim, Envelope, Fault, Loss, Observation, Press, PressForm, Reply, SPEAKS_FOR_MAX,
};
pub use persons::{Persons, name_key};
pub use picture::{Area, Picture, Pixels, Planes, Shot, TrackFrame};
pub use place::{Grid, GridWorker, Place, SourceInfo, SourceKind};
pub use plate::{Plate, PlateKind, PlateState};
pub use posture::{OrderTo, Posture, PostureOrder};
pub use presence::{
    DevicesTold, PresenceCount, PresenceNumbers, PresenceView, STEP as PRESENCE_STEP,
};
pub use press_identity::{Mark, PRESS_KNOWN_MS, PressIdentity, number_of, way_of};
pub use rain::{
    GaugeView, GradeView, GridView, PointView, RainView, TestView, ThresholdView, Words,
};
pub use receipt::{Answer, Receipt};
pub use resident_report::{Missed, REPORTS_NAME, REPORTS_SOURCE, ResidentReport};
pub use routing::{AdmittedItem, Otherwise, Route, Routes};
pub use schedule::Schedule;
pub use speaks_for::{ReplyThrough, SpeaksFor};
pub use spoken_text::{SPOKEN_CHARS_MAX, speakable};
pub use station_status::StationStatus;
pub use stop::StopFlag;
#[cfg(test)]
pub(crate) use tests_seed::seed;
pub use text::{REASON_CHARS_MAX, Said, clean, clean_cut, clean_json, without_mark};
pub use thing::{StandingThing, Thing, ThingReport};
pub use time::{Clock, Now, Stamp};
pub use track::{Bbox, Detection, KeptLook, Track};
pub use unreadable::Unreadable;
pub use vehicle::{Colour, Vehicle, VehicleReport, has_plate};
pub use vehicle_list::{ListedVehicle, VehicleList, VehicleLists, VehicleStanding};
pub use why_words::{WhyWords, why_words};
