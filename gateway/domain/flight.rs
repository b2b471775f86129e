//! Telemetry of drones: position, height, where the camera looks; and what the configuration says of a drone.

use jiff::Timestamp;

use super::{
    SourceId,
    ground::{Errors, Gaze},
};

/// How a pose came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Telemetry {
    /// MISB ST 0601 inside the video's transport stream: it has the time of the pictures.
    Klv,
    /// DJI Cloud API over MQTT, on the aircraft's own clock.
    Osd,
}

impl Telemetry {
    /// As in an incident's `detail`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Klv => "klv",
            Self::Osd => "osd",
        }
    }
}

/// One message of telemetry. A part may be absent: DJI sends its properties in several messages,
/// and a drone without a fix has no position.
#[derive(Clone, Debug, PartialEq)]
pub struct Pose {
    /// How it came.
    pub via: Telemetry,
    /// `[lon, lat]`, degrees, WGS 84.
    pub position: Option<[f64; 2]>,
    /// Above mean sea level, metres (ST 0601 tag 15).
    pub msl_m: Option<f64>,
    /// Above the WGS 84 ellipsoid, metres (DJI `height`, ST 0601 tag 75).
    pub ellipsoid_m: Option<f64>,
    /// Above the point of take-off, metres (DJI `elevation`).
    pub above_start_m: Option<f64>,
    /// Where the camera looks.
    pub look: Option<Gaze>,
    /// Field of view, horizontal and vertical, degrees.
    pub fov_deg: Option<[f64; 2]>,
    /// DJI `zoom_factor`: the field of view is that of the configuration, narrowed by it.
    pub zoom: Option<f64>,
    /// The ground it looks at, above mean sea level, metres (ST 0601 tag 25).
    pub ground_msl_m: Option<f64>,
    /// Whether it is in the air, where it says so (DJI `mode_code`).
    pub airborne: Option<bool>,
    /// Percent.
    pub battery: Option<u8>,
}

impl Pose {
    /// Nothing known yet.
    pub fn empty(via: Telemetry) -> Self {
        Self {
            via,
            position: None,
            msl_m: None,
            ellipsoid_m: None,
            above_start_m: None,
            look: None,
            fov_deg: None,
            zoom: None,
            ground_msl_m: None,
            airborne: None,
            battery: None,
        }
    }

    /// Fills what this pose leaves out from the one before it.
    pub fn completed_by(mut self, before: &Self) -> Self {
        self.position = self.position.or(before.position);
        self.msl_m = self.msl_m.or(before.msl_m);
        self.ellipsoid_m = self.ellipsoid_m.or(before.ellipsoid_m);
        self.above_start_m = self.above_start_m.or(before.above_start_m);
        self.look = self.look.or(before.look);
        self.fov_deg = self.fov_deg.or(before.fov_deg);
        self.zoom = self.zoom.or(before.zoom);
        self.ground_msl_m = self.ground_msl_m.or(before.ground_msl_m);
        self.airborne = self.airborne.or(before.airborne);
        self.battery = self.battery.or(before.battery);
        self
    }
}

/// What the configuration says of a drone that rules and desk need.
#[derive(Clone, Debug, PartialEq)]
pub struct DroneInfo {
    /// As in the configuration.
    pub id: SourceId,
    /// Serial number by which it names itself in DJI topics.
    pub serial: Option<String>,
    /// Field of view at zoom 1, where telemetry does not say it; degrees.
    pub fov_deg: [f64; 2],
    /// Ground of the site above mean sea level, metres, where telemetry does not say it.
    pub ground_msl_m: Option<f64>,
    /// Mean sea level above the ellipsoid here, metres.
    pub geoid_m: f64,
    /// Pictures come so much later than telemetry by MQTT, milliseconds.
    pub video_delay_ms: u64,
    /// A flight is over after so much silence, milliseconds.
    pub flight_end_ms: u64,
    /// How exact its telemetry is.
    pub errors: Errors,
}

/// A drone as it was last heard, for who shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct DroneView {
    /// As in the configuration.
    pub id: SourceId,
    /// A flight of it is on.
    pub flying: bool,
    /// Of its last pose, corrected source time.
    pub at: Timestamp,
    /// `[lon, lat]`, degrees, WGS 84.
    pub position: [f64; 2],
    /// Above the ground, metres, where it is known.
    pub height_m: Option<f64>,
    /// Where its camera looks, from true north, clockwise, degrees.
    pub azimuth_deg: Option<f64>,
    /// The place in the middle of its picture, `[lon, lat]`.
    pub looks_at: Option<[f64; 2]>,
    /// Percent.
    pub battery: Option<u8>,
}
