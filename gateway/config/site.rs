//! The site's own sections: `[site]`, `[[button]]`, and the list of buttons as a CSV file.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::incident::Join;

/// `[site]`: one police room and where it is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteConfig {
    /// Short name in every event (`urn:gridpost:<id>`) and topic: letters, digits, `-`, `_`, `.`.
    pub id: String,
    /// Name for people. Default: the id.
    #[serde(default)]
    pub name: String,
    /// IANA time zone of schedules and of the offset of all times. Default `Asia/Shanghai`.
    #[serde(default = "timezone")]
    pub timezone: String,
    /// `[lon, lat]`, degrees, WGS 84: the place of every source that has none of its own.
    #[serde(default)]
    pub place: Option<[f64; 2]>,
    /// GeoJSON file of the grids 网格 (code, name, community, township, head).
    #[serde(default)]
    pub grids: Option<PathBuf>,
    /// CSV file of buttons: id, name, lon, lat, grid, contact, note.
    #[serde(default)]
    pub buttons: Option<PathBuf>,
    /// Seconds after its end at which a case that nobody closed is closed by the gateway;
    /// never an emergency. Default a day.
    #[serde(default = "auto_close_after_s")]
    pub auto_close_after_s: u64,
    /// Seconds between two heartbeat events to each http and mqtt sink, so that silence is an
    /// alarm at the other end; 0 sends none. Default 60.
    #[serde(default = "heartbeat_s")]
    pub heartbeat_s: u64,
    /// Rules by which several happenings are one, by place and time: `seen-by-several` (cameras and
    /// drones see one person), `button-and-eye` (a press, and who is seen beside it), `rain-and-water` (a
    /// person at the water while it rains hard is an alert). Default all; only sources with a place of
    /// their own are joined, and never two emergencies.
    #[serde(default = "join")]
    pub join: Vec<Join>,
}

fn join() -> Vec<Join> {
    Join::ALL.to_vec()
}

fn timezone() -> String {
    "Asia/Shanghai".into()
}

fn heartbeat_s() -> u64 {
    60
}

fn auto_close_after_s() -> u64 {
    86_400
}

/// `[[button]]`: an emergency button, and whom to call.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ButtonConfig {
    /// As the device names itself in a press.
    pub id: String,
    /// Who presses it, or where it hangs. Default: the id.
    #[serde(default)]
    pub name: String,
    /// `[lon, lat]`, degrees, WGS 84.
    #[serde(default)]
    pub place: Option<[f64; 2]>,
    /// Code of its grid, where the place is not known or lies outside.
    #[serde(default)]
    pub grid: Option<String>,
    /// Whom to call; shown in the incident.
    #[serde(default)]
    pub contact: Option<String>,
    /// What a helper must know; shown in the incident.
    #[serde(default)]
    pub note: Option<String>,
}

/// One line of the CSV file, as a spreadsheet saves it; empty cells are absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    lon: Option<f64>,
    #[serde(default)]
    lat: Option<f64>,
    #[serde(default)]
    grid: Option<String>,
    #[serde(default)]
    contact: Option<String>,
    #[serde(default)]
    note: Option<String>,
}

/// A row that could not be read: its line and why.
pub(crate) type BadRow = (usize, String);
/// The good rows with their lines, and the bad ones.
pub(crate) type Rows = (Vec<(usize, ButtonConfig)>, Vec<BadRow>);

/// The buttons of a CSV file; a bad row is told with its line, the good ones are kept.
pub(crate) fn read_buttons(path: &Path) -> Result<Rows, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    Ok(parse_buttons(&bytes))
}

pub(super) fn parse_buttons(bytes: &[u8]) -> Rows {
    // Spreadsheets put a byte order mark in front.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let mut buttons = Vec::new();
    let mut bad = Vec::new();
    for row in reader.deserialize::<Row>() {
        match row {
            Ok(row) => {
                let line = buttons.len() + bad.len() + 2;
                match button(row) {
                    Ok(button) => buttons.push((line, button)),
                    Err(why) => bad.push((line, why)),
                }
            }
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                bad.push((usize::try_from(line).unwrap_or(0), error.to_string()));
            }
        }
    }
    (buttons, bad)
}

fn button(row: Row) -> Result<ButtonConfig, String> {
    if row.id.is_empty() {
        return Err("id is empty".into());
    }
    let place = match (row.lon, row.lat) {
        (Some(lon), Some(lat)) => Some([lon, lat]),
        (None, None) => None,
        _ => return Err("lon and lat: give both or neither".into()),
    };
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(ButtonConfig {
        id: row.id,
        name: row.name,
        place,
        grid: filled(row.grid),
        contact: filled(row.contact),
        note: filled(row.note),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_spreadsheet_with_mistakes_keeps_its_good_rows() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all("\u{feff}id,name,lon,lat,grid,contact,note\nb1,张,113.9,30.9,,x,\nb2,李,abc,30.9,,,\nb3,王,113.9,,,,\n".as_bytes()).unwrap();
        let (buttons, bad) = read_buttons(file.path()).unwrap();
        assert_eq!(buttons.len(), 1);
        assert_eq!(buttons[0].1.place, Some([113.9, 30.9]));
        assert_eq!(buttons[0].1.note, None);
        assert_eq!(bad.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4], "{bad:?}");
    }
}
