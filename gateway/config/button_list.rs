//! The CSV file that `[site] buttons` names, as a spreadsheet saves it: one button a row, each row checked on its own.

use std::path::Path;

use super::{
    button::ButtonConfig,
    id_text,
    list_rows::{self, BadRow, Row},
};
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

/// The good rows with their lines, and the bad ones.
pub(super) type ListedRows = (Vec<(usize, ButtonConfig)>, Vec<BadRow>);

/// The buttons of a CSV file; bad rows are returned with their lines, the good ones are kept.
pub(super) fn read_buttons(path: &Path) -> Result<ListedRows, String> {
    Ok(parse_buttons(&list_rows::file(path)?))
}

pub(super) fn parse_buttons(bytes: &[u8]) -> ListedRows {
    let rows = list_rows::read(bytes, &COLUMNS, button);
    (rows.good, rows.bad)
}

fn datum(row: &Row<'_>) -> Result<Option<Datum>, String> {
    let Some(cell) = row.cell("datum") else { return Ok(None) };
    let read = serde_json::from_value(serde_json::Value::String(cell.to_owned()));
    read.map(Some).map_err(|_| {
        let said = crate::domain::clean_cut(cell, 40);
        format!("datum: `{said}`: expected wgs84, cgcs2000, gcj02 or bd09")
    })
}

fn button(row: &Row<'_>) -> Result<ButtonConfig, String> {
    for column in ["id", "device", "user"] {
        let wrong = row.cell(column).and_then(id_text::problem);
        wrong.map_or(Ok(()), |wrong| Err(format!("{column}: {wrong}")))?;
    }
    let degrees = "degrees, such as 113.9128";
    let place = match (row.number("lon", degrees)?, row.number("lat", degrees)?) {
        (Some(lon), Some(lat)) => Some([lon, lat]),
        (None, None) => None,
        _ => return Err("lon and lat: give both or neither".into()),
    };
    Ok(ButtonConfig {
        id: row.text("id").ok_or("id is empty")?,
        name: row.text("name").unwrap_or_default(),
        device: row.text("device"),
        user: row.text("user"),
        model: row.text("model"),
        place,
        datum: datum(row)?,
        address: row.text("address"),
        grid: row.text("grid"),
        contact: row.text("contact"),
        note: row.text("note"),
        silent_after_s: row.seconds("silent_after_s")?,
        cameras: row.several("cameras").map(str::to_owned).collect(),
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
    fn p11_a_list_beyond_its_bounds_is_told_and_takes_no_memory() {
        let list = |rows: usize| {
            let rows: String = (0..rows).map(|n| format!("b{n}\n")).collect();
            parse_buttons(format!("id\n{rows}").as_bytes())
        };
        let (buttons, bad) = list(50_000);
        assert_eq!((buttons.len(), bad.len()), (50_000, 0));
        let (buttons, bad) = list(300_000);
        assert_eq!((buttons.len(), bad.len(), bad[0].0), (50_000, 1, 50_002));
        assert!(bad[0].1.contains("more than 50000 rows"), "{bad:?}");
        assert!(bad[0].1.ends_with("are not read, 250000 rows"), "{bad:?}");
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(32 * 1024 * 1024 + 1).unwrap();
        assert!(read_buttons(file.path()).unwrap_err().contains("expected 33554432 at most"));
        let folder = tempfile::tempdir().unwrap();
        assert!(read_buttons(folder.path()).unwrap_err().contains("no regular file"));
        let endless = Path::new("/dev/zero");
        assert!(read_buttons(endless).unwrap_err().contains("no regular file"));
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
