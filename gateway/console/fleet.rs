//! `GET /api/v1/fleet`: how cameras, drones and loudspeakers are now; buttons and gauges have tables of their own.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{Backend, problem::stopping, seen::Seen};
use crate::domain::{DroneView, EventContext};

pub(super) async fn serve<B: Backend>(backend: Seen<B>) -> Response {
    let Some(views) = backend.drone_views().await else {
        return stopping();
    };
    let context = backend.context();
    let (at, drones) = (context.time(backend.now()), drones(&context, &views));
    let (cameras, speakers) = (backend.camera_views(), backend.speaker_views());
    Json(json!({ "at": at, "cameras": cameras, "drones": drones, "speakers": speakers }))
        .into_response()
}

/// Where drones are, as pages are told it; what is not known is absent.
pub(super) fn drones(context: &EventContext, views: &[DroneView]) -> Vec<Value> {
    let drone = |one: &DroneView| {
        let mut shown = json!({
            "id": one.id,
            "flying": one.flying,
            "at": context.time(one.at),
            "place": one.position,
        });
        let more = [
            ("height_m", one.height_m.map(|metres| json!(metres.round()))),
            ("azimuth_deg", one.azimuth_deg.map(|degrees| json!(degrees.round()))),
            ("looks_at", one.looks_at.map(|place| json!(place))),
            ("battery", one.battery.map(|percent| json!(percent))),
        ];
        for (key, value) in more {
            if let Some(value) = value {
                shown[key] = value;
            }
        }
        shown
    };
    views.iter().map(drone).collect()
}
