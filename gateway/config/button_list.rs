//! The CSV file that `[site] buttons` names, as a spreadsheet saves it: one button a row, each row checked on its own.

use std::path::Path;

use serde::Deserialize;

use super::button::ButtonConfig;
use crate::domain::Datum;

/// One row; empty cells are absent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    device: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    lon: Option<f64>,
    #[serde(default)]
    lat: Option<f64>,
    #[serde(default)]
    datum: Option<Datum>,
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    grid: Option<String>,
    #[serde(default)]
    contact: Option<String>,
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    silent_after_s: Option<u64>,
    /// Several with `;` between them.
    #[serde(default)]
    cameras: Option<String>,
}

/// A row that could not be read: its line and why.
pub(super) type BadRow = (usize, String);
/// The good rows with their lines, and the bad ones.
pub(super) type Rows = (Vec<(usize, ButtonConfig)>, Vec<BadRow>);

/// The buttons of a CSV file; bad rows are returned with their lines, the good ones are kept.
pub(super) fn read_buttons(path: &Path) -> Result<Rows, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    Ok(parse_buttons(&bytes))
}

pub(super) fn parse_buttons(bytes: &[u8]) -> Rows {
    // Spreadsheets put a byte order mark in front.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let mut buttons = Vec::new();
    let mut bad = Vec::new();
    let number = |line: u64| usize::try_from(line).unwrap_or(0);
    let headers = match reader.headers() {
        Ok(headers) => headers.clone(),
        Err(error) => return (buttons, vec![(1, error.to_string())]),
    };
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                bad.push((number(line), error.to_string()));
                continue;
            }
        };
        // A cell may hold line breaks: the reader knows the line better than a count does.
        let line = record.position().map_or(0, |position| number(position.line()));
        let row = record.deserialize::<Row>(Some(&headers)).map_err(|error| error.to_string());
        match row.and_then(button) {
            Ok(button) => buttons.push((line, button)),
            Err(why) => bad.push((line, why)),
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
    let cameras = filled(row.cameras).unwrap_or_default();
    let cameras = cameras.split(';').map(str::trim).filter(|id| !id.is_empty());
    Ok(ButtonConfig {
        id: row.id,
        name: row.name,
        device: filled(row.device),
        model: filled(row.model),
        place,
        datum: row.datum,
        address: filled(row.address),
        grid: filled(row.grid),
        contact: filled(row.contact),
        note: filled(row.note),
        silent_after_s: row.silent_after_s,
        cameras: cameras.map(str::to_owned).collect(),
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

    #[test]
    fn all_columns_are_read_and_a_cell_with_line_breaks_moves_no_line() {
        let text = "id,name,device,model,lon,lat,address,grid,contact,note,silent_after_s,cameras\nb1,\"张\n（302）\",24E124,ws101,,,2号楼302,G1,138,\"a, b\",3600,gate; yard\nb2,李,,,,,,,,,soon,\n";
        let (buttons, bad) = parse_buttons(text.as_bytes());
        let one = &buttons[0].1;
        assert_eq!(one.device.as_deref(), Some("24E124"));
        assert_eq!(one.model.as_deref(), Some("ws101"));
        assert_eq!(one.address.as_deref(), Some("2号楼302"));
        assert_eq!(one.silent_after_s, Some(3600));
        assert_eq!(one.cameras, ["gate", "yard"]);
        assert_eq!(bad.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [4], "{bad:?}");
    }
}
