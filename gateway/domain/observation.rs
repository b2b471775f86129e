//! What a source reports or vision finds, at a time; rules and desk are given nothing else.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    AnnounceOrder, Arrival, DeviceReport, DismissReason, DrillOrder, Evidence, EvidenceId,
    GaugeReport, IncidentId, Kind, Missed, Now, Pose, PostureOrder, PresenceCount, Receipt,
    ReplyThrough, ReplyTo, ReplyVia, ResidentReport, SourceId, Stamp, TrackFrame, Unreadable,
};

/// One thing reported or seen.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Where it comes from.
    pub source: SourceId,
    /// When it was made.
    pub stamp: Stamp,
    /// What it is.
    pub body: Body,
}

impl Observation {
    /// Something that the gateway itself reports, now.
    pub fn of_gateway(source: SourceId, now: Now, body: Body) -> Self {
        Self { source, stamp: Stamp::of_gateway(now), body }
    }
}

/// An observation, and the receipt that acknowledges it.
#[derive(Debug)]
pub struct Envelope {
    /// For rules and desk.
    pub observation: Observation,
    /// For whoever waits for an acknowledgement.
    pub receipt: Receipt,
}

impl Envelope {
    /// One for which nobody waits until it is on disk.
    pub fn unacknowledged(observation: Observation) -> Self {
        Self { observation, receipt: Receipt::none() }
    }
}

/// What an observation may be.
#[derive(Clone, Debug)]
pub enum Body {
    /// An emergency button.
    Press(Press),
    /// State or health of a device.
    Device(DeviceReport),
    /// What vision found in one picture.
    Tracks(TrackFrame),
    /// Where a drone is and looks.
    Pose(Box<Pose>),
    /// The grid answers.
    Reply(Reply),
    /// Rain or water level.
    Gauge(GaugeReport),
    /// How many devices were at a place; no address is in it.
    Presence(Box<PresenceCount>),
    /// A person orders a posture of the site on or off.
    Posture(PostureOrder),
    /// A resident reports something on the public page.
    Report(Box<ResidentReport>),
    /// A person's own words for loudspeakers.
    Announce(AnnounceOrder),
    /// A person asks for a drill.
    Drill(DrillOrder),
    /// A part of the gateway or a device broke, or works again.
    Fault(Fault),
    /// A sink will not get something; its id is the source.
    Loss(Loss),
    /// Evidence of an incident has been written and synced.
    Evidence {
        incident: IncidentId,
        evidence: Box<Evidence>,
        /// Of a picture with heads blurred: what it was before, sealed.
        original: Option<Box<Evidence>>,
    },
    /// Snapshot or clip could not be made; the incident must not wait for it.
    EvidenceFailed { incident: IncidentId, id: EvidenceId, reason: String },
    /// A payload nobody could read: to the quarantine, then acknowledged.
    Unreadable(Unreadable),
}

/// An emergency button was pressed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Press {
    /// The device's own id of this press, if it gives one.
    pub id: Option<String>,
    /// The time that the device states.
    pub at: Option<Timestamp>,
    /// Percent.
    pub battery: Option<u8>,
    /// Came as a retained MQTT message of a broker: may be old.
    pub retained: bool,
    /// How it came: `intake`, a broker's id, `replay`.
    pub via: String,
    /// How its message was handed in; none: by replay, or by a journal of an older version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<Arrival>,
    /// What shows that it was pressed.
    #[serde(default, skip_serializing_if = "PressForm::is_event")]
    pub form: PressForm,
    /// What else of the message could not be read, in words; the press counts all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<String>,
    /// It names a device that whoever sent it may not speak for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Box<Claim>>,
}

/// A press that names somebody else's device: it calls all the same, as a press of whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The device that it names: the id of its line, if it is listed.
    pub device: SourceId,
    /// Listed devices that the sender may speak for; the first [`SPEAKS_FOR_MAX`] of them.
    pub speaks_for: Vec<SourceId>,
}

/// So many devices of a sender are named in a [`Claim`].
pub const SPEAKS_FOR_MAX: usize = 10;

/// What shows that a button was pressed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PressForm {
    /// The message says so, once a press.
    #[default]
    Event,
    /// A state that is true from the press until it is reset, and is said in each report: `sos`.
    Level,
    /// The message cannot be read, and comes from a button or where only presses come: it may be
    /// one.
    Unreadable {
        /// What was wrong, for people.
        reason: String,
        /// Its first 200 characters, made visible.
        text: String,
    },
}

impl PressForm {
    fn is_event(&self) -> bool {
        *self == Self::Event
    }
}

/// Something is wrong with a part (`broken`), or right again.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Of the incident.
    pub kind: Kind,
    /// False: it works again.
    pub broken: bool,
    /// One clear sentence for people; English, no secrets.
    pub text: String,
}

/// What a sink will never get, since the store was made; or the report that no more is lost.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// Refused for good, with the answer kept: `gridpost store list`.
    pub dead: u64,
    /// Given up to free space.
    pub shed: u64,
    /// Not said by a speaker while it was of use.
    pub expired: u64,
    /// Nothing more has been lost for a while.
    pub over: bool,
    /// One clear sentence for people; English, no secrets.
    pub text: String,
}

/// The grid's answer to an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    pub incident: IncidentId,
    pub to: ReplyTo,
    /// Who answered.
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The sender's own id of this reply: the same one twice has one effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The revision that was shown to whoever answers: if a step was taken since, this one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// Why it is dismissed; may be said with `ask-give-back` and `ask-withdraw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<DismissReason>,
    /// Who has it from now on: must be there with `transferred`, may be with `dispatched`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
    /// Until when, with `ask-extend` and `ask-suspend`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub until: Option<Timestamp>,
    /// The case that goes on, with `merged`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<IncidentId>,
    /// 漏报, of a resident's report: what of the site's own should have told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<Missed>,
    /// Said by the gateway alone, never by a sender: how it came.
    #[serde(skip)]
    pub via: Option<ReplyVia>,
    /// As `via`: the program that brought it, where the site has said for whom that may speak.
    #[serde(skip)]
    pub through: Option<ReplyThrough>,
    /// As `via`: a picture that came with it, on disk and synced.
    #[serde(skip)]
    pub picture: Option<Box<Evidence>>,
}

impl Reply {
    /// A reply with nothing but what must be there.
    pub fn new(incident: IncidentId, to: ReplyTo, by: &str) -> Self {
        Self {
            incident,
            to,
            by: by.into(),
            note: None,
            id: None,
            revision: None,
            reason: None,
            department: None,
            until: None,
            into: None,
            missed: None,
            via: None,
            through: None,
            picture: None,
        }
    }
}
