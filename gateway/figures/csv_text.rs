//! The figures as CSV that a spreadsheet opens by a double click: UTF-8 with a mark, Chinese headings. Pure.

use super::{
    columns::{COLUMNS, Cell, group_headings},
    query::{Period, Split},
    table::Figures,
};
use crate::domain::clean;

/// Without it a Chinese spreadsheet reads the file as GBK.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A line of headings, then one a row. No cell begins a formula.
pub fn csv_text(figures: &Figures) -> Result<String, String> {
    let failed = |error: csv::Error| format!("cannot be written as CSV: {error}");
    let mut writer = csv::Writer::from_writer(Vec::new());
    let by_time = figures.by != Period::All;
    let mut headings = Vec::new();
    if by_time {
        headings.push("日期");
    }
    headings.extend(group_headings(figures.group));
    headings.extend(COLUMNS.iter().map(|(heading, _)| *heading));
    writer.write_record(&headings).map_err(failed)?;
    for row in &figures.rows {
        let mut cells = Vec::new();
        if by_time {
            cells.push(row.period.to_string());
        }
        if figures.group != Split::None {
            let group = row.group.clone().unwrap_or_default();
            cells.extend([harmless(&group.id), harmless(&group.name)]);
        }
        cells.extend(COLUMNS.iter().map(|(_, cell)| text(&cell(&row.counts))));
        writer.write_record(&cells).map_err(failed)?;
    }
    let bytes =
        writer.into_inner().map_err(|error| format!("cannot be written as CSV: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|error| format!("is no text: {error}"))?;
    Ok(format!("{BYTE_ORDER_MARK}{text}"))
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => harmless(text),
        Cell::Count(count) => count.to_string(),
        Cell::Rate(rate) => rate.map_or_else(String::new, |rate| format!("{:.2}%", rate * 100.0)),
        Cell::Minutes(minutes) => {
            minutes.map_or_else(String::new, |minutes| format!("{minutes:.1}"))
        }
    }
}

/// What a spreadsheet would take for a formula has an apostrophe before it, by which it is a text.
fn harmless(text: &str) -> String {
    let text = clean(text);
    // Wide forms are read as the plain ones by some.
    let begins = text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '|']);
    if begins { format!("'{text}") } else { text.into_owned() }
}
