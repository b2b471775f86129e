//! Where a source is: its place on earth, and the grid that is named or that the place lies in.

use std::sync::Arc;

use super::{ButtonConfig, Grids, problem::did_you_mean};
use crate::domain::{Grid, Place, SourceInfo, SourceKind};

/// Which key, what is wrong, what was meant.
pub(super) type Wrong = (&'static str, String, Option<String>);

pub(super) fn source(
    button: &ButtonConfig,
    site: Option<[f64; 2]>,
    grids: &Grids,
) -> Result<SourceInfo, Wrong> {
    if let Some(Err(message)) = button.place.map(on_earth) {
        return Err(("place", message, None));
    }
    let text = &button.address;
    let place = button.place.or(site).map(|[lon, lat]| Place { lon, lat, text: text.clone() });
    Ok(SourceInfo {
        id: button.id.as_str().into(),
        kind: SourceKind::Button,
        name: if button.name.is_empty() { button.id.clone() } else { button.name.clone() },
        grid: grid(button.grid.as_deref(), place.as_ref(), grids)?,
        place,
        contact: button.contact.clone(),
        note: button.note.clone(),
    })
}

/// The grid that is named, or else the one that the place lies in.
fn grid(
    code: Option<&str>,
    place: Option<&Place>,
    grids: &Grids,
) -> Result<Option<Arc<Grid>>, Wrong> {
    match code {
        None => Ok(place.and_then(|place| grids.at(place))),
        Some(code) => grids.by_code(code).map(Some).ok_or_else(|| {
            let hint = did_you_mean(code, grids.codes());
            ("grid", format!("no grid has the code `{code}`"), hint)
        }),
    }
}

pub(super) fn on_earth([lon, lat]: [f64; 2]) -> Result<(), String> {
    if (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat) {
        return Ok(());
    }
    Err(format!("[{lon}, {lat}] is not on earth; expected [lon, lat] in degrees"))
}
