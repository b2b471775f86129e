//! What the console asks of cameras, and why it may get nothing.

use std::future::Future;

use axum::{
    Json,
    body::Bytes,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use super::problem::problem;
use crate::domain::LiveItem;

/// A picture of a camera, as JPEG.
#[derive(Clone, Debug)]
pub struct StillPicture {
    pub jpeg: Bytes,
    /// Source time of what it shows.
    pub at: Timestamp,
}

/// A viewer's part of a watched stream; when it goes, he has left.
pub struct LiveView {
    /// `sub` or `main`.
    pub stream: &'static str,
    /// What he begins with.
    pub begin: Vec<LiveItem>,
    /// What comes then.
    pub next: broadcast::Receiver<LiveItem>,
    /// Why there is nothing to begin with.
    pub why_not: Option<String>,
    /// Keeps it going.
    pub seat: Box<dyn Send>,
}

/// A camera that somebody adds on the page. What is said of it in the configuration holds here too.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCamera {
    /// The version of what was applied that was seen: another one by now refuses it.
    pub on: u32,
    /// Who adds it; an account's own name where it is left out.
    #[serde(default)]
    pub by: String,
    /// 1 to 60 letters of ASCII, digits, `-` and `_`; no camera has it yet.
    pub id: String,
    /// For people.
    #[serde(default)]
    pub name: String,
    /// `rtsp://…` or `rtsps://…` with an address in numbers, and nobody's name in it. Or else `onvif`.
    #[serde(default)]
    pub url: Option<String>,
    /// `http://…` or `https://…` with an address in numbers: there its streams are found.
    #[serde(default)]
    pub onvif: Option<String>,
    /// Of a recorder with several channels.
    #[serde(default)]
    pub onvif_source: Option<String>,
    /// Of the camera's own user.
    #[serde(default)]
    pub username: Option<String>,
    /// Its password: kept in a file for the gateway alone, and told by no answer.
    #[serde(default)]
    pub password: Option<String>,
    /// Code of its grid.
    #[serde(default)]
    pub grid: Option<String>,
    /// `[lon, lat]`, degrees.
    #[serde(default)]
    pub place: Option<[f64; 2]>,
}

/// A button that somebody puts on the list on the page. What is said of it in the configuration holds here too.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewButton {
    /// The version of what was applied that was seen: another one by now refuses it.
    pub on: u32,
    /// Who adds it; an account's own name where it is left out.
    #[serde(default)]
    pub by: String,
    /// 1 to 60 letters of ASCII, digits, `-` and `_`; no button has it yet.
    pub id: String,
    /// As the device names itself, where that is not the id.
    #[serde(default)]
    pub device: Option<String>,
    /// Whose it is, or where it hangs.
    pub name: String,
    /// Model (`gridpost devices --models`).
    #[serde(default)]
    pub model: Option<String>,
    /// Address in words.
    #[serde(default)]
    pub address: Option<String>,
    /// Code of its grid.
    #[serde(default)]
    pub grid: Option<String>,
    /// Whom to call.
    #[serde(default)]
    pub contact: Option<String>,
    /// What a helper must know.
    #[serde(default)]
    pub note: Option<String>,
    /// `[lon, lat]`, degrees.
    #[serde(default)]
    pub place: Option<[f64; 2]>,
}

/// Why there is none, or nothing was done.
#[derive(Clone, Debug)]
pub enum DeskRefusal {
    NoSuchCamera,
    /// A part of its picture is private.
    Private,
    /// Not yet, or not now.
    NotNow(String),
    /// What was asked is wrong: each mistake.
    Wrong(Vec<String>),
    /// Somebody else was first, or it needs a second word; nothing was done.
    Refused(String),
    /// The disk.
    Failed(String),
}

/// What the console asks of cameras; the runtime answers.
pub trait CameraDesk {
    /// All of them with their rules, as JSON; blocks on the disk.
    fn cameras(&self) -> Value;
    /// Somebody begins to watch; `main`: the main stream, though there is a sub-stream.
    fn watch_live(&self, camera: &str, main: bool) -> Result<LiveView, DeskRefusal>;
    /// Whether it is there and has no private part: asked of each viewer again and again, since either may change.
    fn may_watch(&self, camera: &str) -> bool;
    /// What it shows, at most so old as its key frames are apart.
    fn still(&self, camera: &str)
    -> impl Future<Output = Result<StillPicture, DeskRefusal>> + Send;
    /// What a rule would have raised, and what the present one would have; blocks on the disk.
    fn try_rule(&self, asked: Value) -> Result<Value, DeskRefusal>;
    /// Writes a rule over the hand-written file and reads it anew; answers when it is in effect.
    fn apply_rule(&self, asked: Value) -> impl Future<Output = Result<Value, DeskRefusal>> + Send;
    /// Goes back to what was applied before.
    fn undo_applied(&self, asked: Value)
    -> impl Future<Output = Result<Value, DeskRefusal>> + Send;
    /// Writes a camera over the hand-written file and reads it anew; answers when it is in effect.
    fn add_camera(
        &self,
        asked: NewCamera,
    ) -> impl Future<Output = Result<Value, DeskRefusal>> + Send;
    /// Likewise a button.
    fn add_button(
        &self,
        asked: NewButton,
    ) -> impl Future<Output = Result<Value, DeskRefusal>> + Send;
    /// Looks for cameras on the network; blocks for some seconds.
    fn find_cameras(&self) -> Result<Value, DeskRefusal>;
}

impl DeskRefusal {
    pub(super) fn answer(self) -> Response {
        match self {
            Self::NoSuchCamera => problem(StatusCode::NOT_FOUND, "no such camera"),
            Self::Private => problem(
                StatusCode::FORBIDDEN,
                "a part of its picture is private: it has stills, with that part black, and no live view",
            ),
            Self::NotNow(why) => problem(StatusCode::SERVICE_UNAVAILABLE, &why),
            Self::Wrong(all) => {
                let body = json!({ "error": all.join("; "), "problems": all });
                (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
            }
            Self::Refused(why) => problem(StatusCode::CONFLICT, &why),
            Self::Failed(why) => problem(StatusCode::INTERNAL_SERVER_ERROR, &why),
        }
    }
}
