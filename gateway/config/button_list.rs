//! The CSV file that `[site] buttons` names, as a spreadsheet saves it: one button a row, each row checked on its own.

use std::path::Path;

use super::{button::ButtonConfig, id_text, list_text, numbers, problem::did_you_mean};
use crate::domain::Datum;

/// Its columns; cameras: several with `;` between them. Only `id` must be there.
const COLUMNS: [&str; 14] = [
    "id",
    "name",
    "device",
    "user",
    "model",
    "lon",
    "lat",
    "datum",
    "address",
    "grid",
    "contact",
    "note",
    "silent_after_s",
    "cameras",
];

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
    let list = match list_text::read(bytes) {
        Ok(list) => list,
        Err(why) => return (Vec::new(), vec![(1, why)]),
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .delimiter(list.separator)
        .flexible(true)
        .from_reader(list.text.as_bytes());
    let mut buttons = Vec::new();
    let number = |line: u64| usize::try_from(line).unwrap_or(0);
    let headers = match reader.headers() {
        Ok(headers) => headers.iter().map(str::to_lowercase).collect::<Vec<_>>(),
        Err(error) => return (buttons, vec![(1, error.to_string())]),
    };
    let mut bad = match wrong_columns(&headers) {
        Ok(bad) => bad,
        Err(why) => return (buttons, vec![(1, why)]),
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
        let row = Row { headers: &headers, record: &record };
        // Spreadsheets save empty rows too.
        if record.iter().all(str::is_empty) {
            continue;
        }
        match row.button() {
            Ok(button) => buttons.push((line, button)),
            Err(why) => bad.push((line, why)),
        }
    }
    (buttons, bad)
}

/// Columns that nobody knows, or that are there twice; the error is that the rows are of no use.
fn wrong_columns(headers: &[String]) -> Result<Vec<BadRow>, String> {
    let named = || headers.iter().filter(|name| !name.is_empty());
    if !named().any(|name| name == "id") {
        let found = named().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        return Err(format!(
            "no column is called `id`; the first line names the columns, and here it is {found}"
        ));
    }
    let mut bad = Vec::new();
    for (at, name) in headers.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        if !COLUMNS.contains(&name.as_str()) {
            let hint =
                did_you_mean(name, COLUMNS).map_or(String::new(), |hint| format!(" ({hint})"));
            bad.push((
                1,
                format!("column `{name}` is not known{hint}; known are {}", COLUMNS.join(", ")),
            ));
        } else if headers[..at].contains(name) {
            bad.push((1, format!("column `{name}` is there twice")));
        }
    }
    Ok(bad)
}

/// One row; empty cells are absent.
struct Row<'r> {
    headers: &'r [String],
    record: &'r csv::StringRecord,
}

impl Row<'_> {
    fn cell(&self, column: &str) -> Option<&str> {
        let at = self.headers.iter().position(|name| name == column)?;
        self.record.get(at).filter(|cell| !cell.is_empty())
    }

    fn text(&self, column: &str) -> Option<String> {
        self.cell(column).map(str::to_owned)
    }

    fn number<T: std::str::FromStr>(&self, column: &str, what: &str) -> Result<Option<T>, String> {
        let Some(cell) = self.cell(column) else { return Ok(None) };
        let cell_said = crate::domain::clean_cut(cell, 40);
        cell.parse().map(Some).map_err(|_| format!("{column}: `{cell_said}`: expected {what}"))
    }

    /// Within what a file of TOML may say under the same key.
    fn seconds(&self, column: &str) -> Result<Option<u64>, String> {
        let found = self.number::<u64>(column, "a whole number of seconds")?;
        let (least, most) = numbers::range(column);
        match found {
            Some(number) if !(least..=most).contains(&(number as f64)) => {
                Err(format!("{column}: {number}: expected {least} to {most}"))
            }
            found => Ok(found),
        }
    }

    fn datum(&self) -> Result<Option<Datum>, String> {
        let Some(cell) = self.cell("datum") else { return Ok(None) };
        let read = serde_json::from_value(serde_json::Value::String(cell.to_owned()));
        read.map(Some).map_err(|_| {
            let said = crate::domain::clean_cut(cell, 40);
            format!("datum: `{said}`: expected wgs84, cgcs2000, gcj02 or bd09")
        })
    }

    fn button(&self) -> Result<ButtonConfig, String> {
        let id = self.text("id").ok_or("id is empty")?;
        for column in ["id", "device", "user"] {
            let wrong = self.cell(column).and_then(id_text::problem);
            wrong.map_or(Ok(()), |wrong| Err(format!("{column}: {wrong}")))?;
        }
        if self.record.len() > self.headers.len() {
            let (cells, columns) = (self.record.len(), self.headers.len());
            return Err(format!(
                "{cells} cells for {columns} columns: is there a separator in a text without quotes?"
            ));
        }
        let degrees = "degrees, such as 113.9128";
        let place = match (self.number("lon", degrees)?, self.number("lat", degrees)?) {
            (Some(lon), Some(lat)) => Some([lon, lat]),
            (None, None) => None,
            _ => return Err("lon and lat: give both or neither".into()),
        };
        let cameras = self.cell("cameras").unwrap_or_default();
        let cameras = cameras.split(';').map(str::trim).filter(|id| !id.is_empty());
        Ok(ButtonConfig {
            id,
            name: self.text("name").unwrap_or_default(),
            device: self.text("device"),
            user: self.text("user"),
            model: self.text("model"),
            place,
            datum: self.datum()?,
            address: self.text("address"),
            grid: self.text("grid"),
            contact: self.text("contact"),
            note: self.text("note"),
            silent_after_s: self.seconds("silent_after_s")?,
            cameras: cameras.map(str::to_owned).collect(),
        })
    }
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

    #[test]
    fn mistakes_name_their_column_and_the_line_that_a_spreadsheet_shows() {
        let text = "ID;Name;lon;lat;silent_after_s;nmae\r\nb1;张;113.9;30.9;3600;\r\n;;;;;\r\nb2;李;abc;30.9;;\r\nb3;王;;;soon;\r\nb4;赵;1;2;;;;\r\nb5\r\n";
        let (buttons, bad) = parse_buttons(text.as_bytes());
        assert_eq!(
            buttons.iter().map(|(line, one)| (*line, one.id.as_str())).collect::<Vec<_>>(),
            [(2, "b1"), (7, "b5")]
        );
        let told: Vec<String> = bad.iter().map(|(line, why)| format!("{line}: {why}")).collect();
        let expected = [
            "1: column `nmae` is not known (did you mean `name`?); known are id,",
            "4: lon: `abc`: expected degrees",
            "5: silent_after_s: `soon`: expected a whole number of seconds",
            "6: 8 cells for 6 columns",
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (said, expected) in told.iter().zip(expected) {
            assert!(said.starts_with(expected), "{said}");
        }
        let (none, bad) = parse_buttons("b1,张\nb2,李\n".as_bytes());
        assert!(
            none.is_empty() && bad.len() == 1 && bad[0].1.starts_with("no column is called `id`"),
            "{bad:?}"
        );
    }

    #[test]
    fn a_row_has_the_ranges_of_the_configuration() {
        let most = 315_360_000_u64;
        for (seconds, taken) in [(most, true), (most + 1, false), (u64::MAX, false)] {
            let text = format!("id,silent_after_s\nb1,{seconds}\n");
            let (buttons, bad) = parse_buttons(text.as_bytes());
            assert_eq!(!buttons.is_empty(), taken, "{seconds}: {bad:?}");
            let told = bad.iter().any(|(line, why)| *line == 2 && why.contains("expected 0 to"));
            assert_eq!(told, !taken, "{seconds}: {bad:?}");
        }
    }
}
