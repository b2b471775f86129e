//! `[[button]]`: what an installer types of an emergency button.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::Datum;

/// `[[button]]`: an emergency button, whose it is, and whom to call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ButtonConfig {
    /// Its id in events. As the device names itself, unless `device` says that.
    pub id: String,
    /// Who presses it (person or flat, as the site writes it), or where it hangs. Default: the id.
    #[serde(default)]
    pub name: String,
    /// As the device names itself in its messages, where that is not the id: a DevEUI, a friendly
    /// name of Zigbee2MQTT. Case does not count.
    #[serde(default)]
    pub device: Option<String>,
    /// User of the intake who may speak for it. A user who is bound to devices, here or in `users_file`,
    /// may speak for these alone.
    #[serde(default)]
    pub user: Option<String>,
    /// Model, built in (`gridpost devices --models`) or of a `[[device_model]]`: what of its actions is
    /// a press, and how often it is heard.
    #[serde(default)]
    pub model: Option<String>,
    /// `[lon, lat]`, degrees.
    #[serde(default)]
    pub place: Option<[f64; 2]>,
    /// What `place` refers to. Default: as `[site] datum`; in the list as `[site] buttons_datum`.
    #[serde(default)]
    pub datum: Option<Datum>,
    /// Address in words, for the visitor.
    #[serde(default)]
    pub address: Option<String>,
    /// Code of its grid, where the place is not known or lies outside.
    #[serde(default)]
    pub grid: Option<String>,
    /// Whom to call; shown in the incident.
    #[serde(default)]
    pub contact: Option<String>,
    /// What a helper must know; shown in the incident.
    #[serde(default)]
    pub note: Option<String>,
    /// Silent for longer than this it is an incident, seconds. Default: as its model, else as
    /// `[devices] silent_after_s`.
    #[serde(default)]
    pub silent_after_s: Option<u64>,
    /// Cameras that its press wakes, and whose clip goes with it where `[site]
    /// pictures_with_presses` is true.
    /// Default: those within `pictures_within_m`.
    #[serde(default)]
    pub cameras: Vec<String>,
}
