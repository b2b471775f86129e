//! Tables in the form of `RESULTS.md`: every bench prints its own, ready to be pasted there.
//!
//! `media/results.py` prints the same form for `make bench-media`.

use std::{collections::BTreeSet, sync::OnceLock};

use crate::{machine, world::root};

const COLUMNS: [&str; 6] = ["what", "gridpost", "floor or rival", "ratio", "goal", "met"];
/// What a reader takes in at a glance, beside five other cells.
const CELL_CHARS_MAX: usize = 80;
const DEBUG: &str = "debug build";
const FILE: &str = "tests/bench/RESULTS.md";

/// What other processes used before the first bench began.
static OTHERS: OnceLock<String> = OnceLock::new();

/// A figure, what it is held against, and whether it is good enough.
pub(crate) struct Row([String; 6]);

impl Row {
    pub(crate) fn new(what: impl Into<String>, gridpost: impl Into<String>) -> Self {
        let mut cells: [String; 6] = Default::default();
        (cells[0], cells[1]) = (what.into(), gridpost.into());
        Self(cells)
    }

    /// The floor or the rival, and how many times its figure ours is.
    pub(crate) fn beside(mut self, floor: impl Into<String>, ratio: f64) -> Self {
        (self.0[2], self.0[3]) = (floor.into(), format!("{ratio:.2} ×"));
        self
    }

    pub(crate) fn goal(mut self, goal: impl Into<String>, met: bool) -> Self {
        (self.0[4], self.0[5]) = (goal.into(), if met { "yes" } else { "**no**" }.to_owned());
        self
    }

    /// The goal is a ratio of this or less.
    pub(crate) fn at_most(self, limit: f64, ratio: f64) -> Self {
        self.goal(format!("≤ {limit} ×"), ratio <= limit)
    }

    /// The goal is a ratio of this or more.
    pub(crate) fn at_least(self, limit: f64, ratio: f64) -> Self {
        self.goal(format!("≥ {limit} ×"), ratio >= limit)
    }
}

/// To be called before the first bench, which makes the machine busy itself; the build is over by then.
pub(crate) fn begin() {
    let problems = problems(&std::fs::read_to_string(root().join(FILE)).unwrap());
    assert!(problems.is_empty(), "{FILE}: {}", problems.join("\n"));
    OTHERS.get_or_init(machine::load_of_others);
}

/// The table of a bench on stdout, and on stderr which one of `RESULTS.md` it takes the place of.
pub(crate) fn print(bench: &str, rows: &[Row]) {
    let class = machine::class();
    let mut heading = vec![bench.to_owned(), class.clone(), machine::onnx_runtime(), today()];
    heading.extend(cfg!(debug_assertions).then(|| DEBUG.to_owned()));
    heading.extend(OTHERS.get().filter(|others| !others.is_empty()).cloned());
    println!("\n### {}\n", heading.join(" · "));
    let mut table = vec![line(&COLUMNS), line(&["---"; 6])];
    table.extend(rows.iter().map(|row| line(&row.0.each_ref().map(String::as_str))));
    let table = table.join("\n");
    println!("{table}");
    eprintln!("bench: {}", replaces(bench, &class));
    // After it was printed: the figures took minutes.
    let problems = problems(&table);
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[allow(clippy::disallowed_methods, reason = "a run has the date of this machine")]
fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

fn line(cells: &[&str; 6]) -> String {
    format!("| {} |", cells.join(" | "))
}

/// Where the table belongs.
fn replaces(bench: &str, class: &str) -> String {
    let text = std::fs::read_to_string(root().join(FILE)).unwrap_or_default();
    let same = format!("### {bench} · {class} · ");
    let built_alike = |line: &str| line.contains(DEBUG) == cfg!(debug_assertions);
    match text.lines().find(|line| line.starts_with(&same) && built_alike(line)) {
        Some(heading) => format!("this table replaces `{heading}` in {FILE}"),
        None => {
            format!("new in {FILE}: no table there begins with `{}`", same.trim_end_matches(" · "))
        }
    }
}

/// What is wrong with the tables of a page: a sentence each.
pub(crate) fn problems(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut known = BTreeSet::new();
    for heading in page.lines().filter(|line| line.starts_with("### ")) {
        let bench_and_class: Vec<&str> = heading.split(" · ").take(2).collect();
        if !known.insert(bench_and_class) {
            found.push(format!("a second table for one bench and one kind of machine: {heading}"));
        }
    }
    for (n, row) in page.lines().enumerate().filter(|(_, line)| line.starts_with('|')) {
        let n = n + 1;
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        if cells.len() != COLUMNS.len() {
            found.push(format!("line {n}: {} cells, not {}", cells.len(), COLUMNS.len()));
            continue;
        }
        for cell in cells.iter().filter(|cell| cell.chars().count() > CELL_CHARS_MAX) {
            found.push(format!("line {n}: over {CELL_CHARS_MAX} characters: {cell}"));
        }
        if cells[4].is_empty() != cells[5].is_empty() {
            found.push(format!("line {n}: a goal and whether it is met go together"));
        }
    }
    found
}

/// 1,234,567.
pub(crate) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
