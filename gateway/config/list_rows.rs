//! A CSV list as a spreadsheet saves it: a line that names the columns, then one thing a row, each row read on its own.

use std::{collections::HashSet, io::Read, path::Path};

use jiff::civil::{Date, DateTime, Time};

use super::{list_text, numbers, problem::did_you_mean, read::Document};

/// A row that could not be read: its line and why.
pub(super) type BadRow = (usize, String);

/// What of a list can be read, and the rows and columns that cannot.
pub(super) struct Rows<T> {
    /// With their lines, as the spreadsheet shows them.
    pub(super) good: Vec<(usize, T)>,
    pub(super) bad: Vec<BadRow>,
}

/// How a list is written.
#[derive(Clone, Copy, Default)]
pub(super) struct Form {
    /// Lines that begin with `#` are none.
    pub(super) comments: bool,
    /// A row that is shorter than the heads is a mistake, and not one with empty cells.
    pub(super) full_rows: bool,
    /// More are not read, and that is said. None: as many as there are.
    pub(super) rows_max: Option<usize>,
}

/// Rows of a list of buttons, departments or duties: a button is 5 KB of memory while it is checked.
const ROWS_MAX: usize = 50_000;
/// Bytes of the file of a list.
const FILE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Goes through the rows of a list that are not empty, with their lines. `heads`: what is wrong with the
/// names of the columns; the error is that the rows are of no use.
pub(super) fn walk(
    bytes: &[u8],
    form: Form,
    heads: impl FnOnce(&[String]) -> Result<Vec<BadRow>, String>,
    mut each: impl FnMut(usize, &Row<'_>) -> Result<(), String>,
) -> Vec<BadRow> {
    let list = match list_text::read(bytes) {
        Ok(list) => list,
        Err(why) => return vec![(1, why)],
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .delimiter(list.separator)
        .flexible(!form.full_rows)
        .comment(form.comments.then_some(b'#'))
        .from_reader(list.text.as_bytes());
    let number = |line: u64| usize::try_from(line).unwrap_or(0);
    let headers = match reader.headers() {
        Ok(headers) => headers.iter().map(str::to_lowercase).collect::<Vec<_>>(),
        Err(error) => return vec![(1, error.to_string())],
    };
    let mut bad = match heads(&headers) {
        Ok(bad) => bad,
        Err(why) => return vec![(1, why)],
    };
    let (mut first_left_out, mut left_out) = (None, 0);
    for (count, record) in reader.records().enumerate() {
        // Of a list that is cut off nobody may think that it is whole: how much is missing is said.
        if form.rows_max.is_some_and(|most| count >= most) {
            let line = record.as_ref().ok().and_then(csv::StringRecord::position);
            first_left_out =
                first_left_out.or_else(|| Some(line.map_or(0, |position| number(position.line()))));
            let is_empty = record.as_ref().is_ok_and(|record| record.iter().all(str::is_empty));
            left_out += usize::from(!is_empty);
            continue;
        }
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
        // Spreadsheets save empty rows too.
        if record.iter().all(str::is_empty) {
            continue;
        }
        if let Err(why) = each(line, &Row { headers: &headers, record: &record }) {
            bad.push((line, why));
        }
    }
    if let (Some(most), Some(line), true) = (form.rows_max, first_left_out, left_out > 0) {
        let message = format!(
            "more than {most} rows: this one and all behind it are not read, {left_out} rows"
        );
        bad.push((line, message));
    }
    bad
}

/// The rows of a list with these columns, of which the first must be there.
pub(super) fn read<T>(
    bytes: &[u8],
    columns: &[&str],
    each: impl Fn(&Row<'_>) -> Result<T, String>,
) -> Rows<T> {
    let mut good = Vec::new();
    let heads = |headers: &[String]| wrong_columns(headers, columns);
    let form = Form { rows_max: Some(ROWS_MAX), ..Form::default() };
    let bad = walk(bytes, form, heads, |line, row| {
        row.whole()?;
        good.push((line, each(row)?));
        Ok(())
    });
    Rows { good, bad }
}

/// The bytes of the list that this key names; that it cannot be read is told there.
pub(super) fn bytes(document: &mut Document<'_>, key: [&str; 2], path: &Path) -> Option<Vec<u8>> {
    match file(path) {
        Ok(bytes) => Some(bytes),
        Err(why) => {
            document.problem(&key, format!("{}: {why}", path.display()), None);
            None
        }
    }
}

/// The file of a list; the error is why it cannot be read, or that it is none or too large to be one. One that
/// grows while it is read is read to its bound.
pub(super) fn file(path: &Path) -> Result<Vec<u8>, String> {
    let unread = |error: std::io::Error| format!("cannot be read: {error}");
    let too_large =
        |bytes: u64| format!("a list of {bytes} bytes: expected {FILE_BYTES_MAX} at most");
    // Before it is opened: who opens a pipe waits for its other end.
    let about = std::fs::metadata(path).map_err(unread)?;
    if !about.is_file() {
        return Err("is no regular file".into());
    }
    if about.len() > FILE_BYTES_MAX {
        return Err(too_large(about.len()));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unread)?;
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unread)? as u64;
    if read > FILE_BYTES_MAX { Err(too_large(read)) } else { Ok(bytes) }
}

/// Columns that nobody knows, or that are there twice; the error is that the rows are of no use.
fn wrong_columns(headers: &[String], columns: &[&str]) -> Result<Vec<BadRow>, String> {
    let named = || headers.iter().filter(|name| !name.is_empty());
    let first = columns.first().copied().unwrap_or_default();
    if !named().any(|name| name == first) {
        let found = named().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        return Err(format!(
            "no column is called `{first}`; the first line names the columns, and here it is {found}"
        ));
    }
    let mut bad = Vec::new();
    for (at, name) in headers.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        if !columns.contains(&name.as_str()) {
            let hint = did_you_mean(name, columns.iter().copied())
                .map_or(String::new(), |hint| format!(" ({hint})"));
            bad.push((
                1,
                format!("column `{name}` is not known{hint}; known are {}", columns.join(", ")),
            ));
        } else if headers[..at].contains(name) {
            bad.push((1, format!("column `{name}` is there twice")));
        }
    }
    Ok(bad)
}

/// Areas of a row that the grids' file does not have.
pub(super) fn warn_of_areas(
    document: &mut Document<'_>,
    at: (&Path, usize),
    areas: &[String],
    known: &HashSet<&str>,
) {
    for area in areas.iter().filter(|area| !known.contains(area.as_str())) {
        let message = format!("`{area}` is no grid, community or township of the grids' file");
        document.foreign_warning(at, "areas", message);
    }
}

/// A day as people and spreadsheets write it: `2026-12-01`, `2026/12/1`.
pub(super) fn date(text: &str) -> Option<Date> {
    let mut parts = text.trim().split(['-', '/']);
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if year.len() != 4 || parts.next().is_some() {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// Hours and minutes: `08:30`, `8：30`.
pub(super) fn time(text: &str) -> Option<Time> {
    let text = text.trim().replace('：', ":");
    let mut parts = text.split(':');
    let (hour, minute) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let second = parts.next().map_or(Some(0), |second| second.parse().ok())?;
    Time::new(hour, minute, second, 0).ok().filter(|_| parts.next().is_none())
}

/// Both, with a blank or a `T` between.
pub(super) fn moment(text: &str) -> Option<DateTime> {
    let (day, hour) = text.trim().split_once([' ', 'T'])?;
    Some(DateTime::from_parts(date(day)?, time(hour)?))
}

/// One row; empty cells are absent.
pub(super) struct Row<'r> {
    headers: &'r [String],
    record: &'r csv::StringRecord,
}

impl Row<'_> {
    fn whole(&self) -> Result<(), String> {
        if self.record.len() <= self.headers.len() {
            return Ok(());
        }
        let (cells, columns) = (self.record.len(), self.headers.len());
        Err(format!(
            "{cells} cells for {columns} columns: is there a separator in a text without quotes?"
        ))
    }

    /// Each cell with its column.
    pub(super) fn cells(&self) -> impl Iterator<Item = (&String, &str)> {
        self.headers.iter().zip(self.record.iter())
    }

    pub(super) fn cell(&self, column: &str) -> Option<&str> {
        let at = self.headers.iter().position(|name| name == column)?;
        self.record.get(at).filter(|cell| !cell.is_empty())
    }

    pub(super) fn text(&self, column: &str) -> Option<String> {
        self.cell(column).map(str::to_owned)
    }

    /// Several in one cell, with a separator that is not the list's own.
    pub(super) fn several(&self, column: &str) -> impl Iterator<Item = &str> {
        let cell = self.cell(column).unwrap_or_default();
        cell.split([';', '；', '、']).map(str::trim).filter(|one| !one.is_empty())
    }

    pub(super) fn number<T: std::str::FromStr>(
        &self,
        column: &str,
        what: &str,
    ) -> Result<Option<T>, String> {
        let Some(cell) = self.cell(column) else { return Ok(None) };
        let cell_said = crate::domain::clean_cut(cell, 40);
        cell.parse().map(Some).map_err(|_| format!("{column}: `{cell_said}`: expected {what}"))
    }

    /// Within what a file of TOML may say under the same key.
    pub(super) fn seconds(&self, column: &str) -> Result<Option<u64>, String> {
        let found = self.number::<u64>(column, "a whole number of seconds")?;
        let (least, most) = numbers::range(column);
        match found {
            Some(number) if !(least..=most).contains(&(number as f64)) => {
                Err(format!("{column}: {number}: expected {least} to {most}"))
            }
            found => Ok(found),
        }
    }
}
