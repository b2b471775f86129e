//! The CSV file of a platform's codes: one kind of incident a row, as a spreadsheet saves it.

use std::path::Path;

use super::{list_rows::BadRow, list_text, problem::did_you_mean};
use crate::{
    domain::Kind,
    sinks::{Categories, Category},
};

/// Rows and columns that a table may have.
const ROWS_MAX: usize = 1_000;
const COLUMNS_MAX: usize = 50;
/// Of all kinds that have no row.
const OTHER: &str = "*";

/// The table, and what is wrong with it; bad rows cost themselves.
pub(super) fn read(path: &Path) -> (Categories, Vec<BadRow>) {
    match std::fs::read(path) {
        Ok(bytes) => parse(&bytes),
        Err(error) => {
            (Categories::default(), vec![(0, format!("the table cannot be read: {error}"))])
        }
    }
}

fn parse(bytes: &[u8]) -> (Categories, Vec<BadRow>) {
    let mut found = Categories::default();
    let list = match list_text::read(bytes) {
        Ok(list) => list,
        Err(why) => return (found, vec![(1, why)]),
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .delimiter(list.separator)
        .comment(Some(b'#'))
        .from_reader(list.text.as_bytes());
    let headers = match reader.headers() {
        Ok(headers) => headers.iter().map(str::to_lowercase).collect::<Vec<_>>(),
        Err(error) => return (found, vec![(1, error.to_string())]),
    };
    if !headers.iter().any(|name| name == "kind") || !headers.iter().any(|name| name == "code") {
        let why = format!(
            "expected the columns kind, code and any others; here they are {}",
            headers.join(", ")
        );
        return (found, vec![(1, why)]);
    }
    if headers.len() > COLUMNS_MAX {
        return (
            found,
            vec![(1, format!("{} columns: expected {COLUMNS_MAX} at most", headers.len()))],
        );
    }
    let mut bad = Vec::new();
    for record in reader.records().take(ROWS_MAX + 1) {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                bad.push((usize::try_from(line).unwrap_or(0), error.to_string()));
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let line = usize::try_from(line).unwrap_or(0);
        if record.iter().all(str::is_empty) {
            continue;
        }
        if found.by_kind.len() >= ROWS_MAX {
            bad.push((line, format!("more than {ROWS_MAX} rows")));
            break;
        }
        let cells = headers.iter().cloned().zip(record.iter().map(str::to_owned));
        let mut row: Category = cells.filter(|(name, _)| !name.is_empty()).collect();
        let kind = row.remove("kind").unwrap_or_default();
        if let Err(why) = put(&mut found, &kind, row) {
            bad.push((line, why));
        }
    }
    (found, bad)
}

fn put(found: &mut Categories, kind: &str, row: Category) -> Result<(), String> {
    let known = serde_json::from_value::<Kind>(kind.into()).is_ok();
    let twice = match kind {
        OTHER => found.other.replace(row).is_some(),
        kind if known => found.by_kind.insert(kind.to_owned(), row).is_some(),
        kind => {
            let kinds = Categories::kinds();
            let hint = did_you_mean(kind, kinds.iter().map(String::as_str));
            let hint = hint.map_or(String::new(), |hint| format!(" ({hint})"));
            return Err(format!("no kind of incident is called `{kind}`{hint}; `*` is all others"));
        }
    };
    if twice { Err(format!("`{kind}` stands here twice")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_by_kind_and_what_is_wrong_with_one_costs_that_one() {
        let table = "kind,code,name,大类\n# ours\nfire-lane,0203,占用消防通道,02\n\n*,9999,其他,99\nfire-lan,1,x,y\nfire-lane,2,x,y\nrain,1\n";
        let (found, bad) = parse(table.as_bytes());
        let other = found.other.as_ref().unwrap();
        assert_eq!((other["code"].as_str(), other["大类"].as_str()), ("9999", "99"));
        assert!(found.by_kind.contains_key("fire-lane") && found.by_kind.len() == 1);
        let lines: Vec<usize> = bad.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [6, 7, 8], "{bad:?}");
        assert!(bad[0].1.contains("did you mean `fire-lane`?"), "{bad:?}");
        assert!(bad[1].1.contains("twice"), "{bad:?}");
        let (_, bad) = parse(b"kind,name\nrain,x\n");
        assert!(bad[0].1.contains("kind, code"), "{bad:?}");
    }
}
