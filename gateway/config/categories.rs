//! The CSV file of a platform's codes: one kind of incident a row, as a spreadsheet saves it.

use std::path::Path;

use super::{
    list_rows::{self, BadRow, Form},
    problem::did_you_mean,
};
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
    match list_rows::file(path) {
        Ok(bytes) => parse(&bytes),
        Err(why) => (Categories::default(), vec![(0, format!("the table: {why}"))]),
    }
}

fn parse(bytes: &[u8]) -> (Categories, Vec<BadRow>) {
    let mut found = Categories::default();
    let form = Form { comments: true, full_rows: true, rows_max: Some(ROWS_MAX) };
    let bad = list_rows::walk(bytes, form, heads, |_, row| {
        let cells = row.cells().filter(|(name, _)| !name.is_empty());
        let mut cells: Category =
            cells.map(|(name, cell)| (name.clone(), cell.to_owned())).collect();
        let kind = cells.remove("kind").unwrap_or_default();
        put(&mut found, &kind, cells)
    });
    (found, bad)
}

fn heads(headers: &[String]) -> Result<Vec<BadRow>, String> {
    if !headers.iter().any(|name| name == "kind") || !headers.iter().any(|name| name == "code") {
        let here = headers.join(", ");
        return Err(format!(
            "expected the columns kind, code and any others; here they are {here}"
        ));
    }
    if headers.len() > COLUMNS_MAX {
        return Err(format!("{} columns: expected {COLUMNS_MAX} at most", headers.len()));
    }
    Ok(Vec::new())
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
