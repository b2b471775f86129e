//! The district's table as a spreadsheet: one sheet for all, and one for each way to cut it up.

use jiff::{Timestamp, tz::TimeZone};
use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format, FormatAlign, Workbook, Worksheet, XlsxError,
};

use super::{
    columns::{COLUMNS, Cell, group_headings},
    query::{FiguresQuery, Period, Split},
    table::{Figures, figures},
};
use crate::domain::{CaseLines, DismissReason, clean_cut};

/// A cell of a spreadsheet has room for 32,767; nothing here is nearly as long.
const CELL_CHARS_MAX: usize = 1_000;

/// What the sheets are called, and how each is cut up.
const SHEETS: [(&str, Period, Split); 9] = [
    ("按日", Period::Day, Split::None),
    ("按月", Period::Month, Split::None),
    ("按网格", Period::All, Split::Grid),
    ("按社区", Period::All, Split::Community),
    ("按乡镇", Period::All, Split::Township),
    ("按类型", Period::All, Split::Kind),
    ("按来源", Period::All, Split::Source),
    ("按部门", Period::All, Split::Department),
    ("按类别", Period::All, Split::Class),
];

/// Said on the last sheet; the whole of it is in `docs/figures.md`.
const NOTES: [&str; 11] = [
    "每件按发现时间归入当日（站点时区），结案情况以统计时刻为准；演练不计。",
    "有效：曾由人员受理。作废：不予受理或作废。并案：并入另一件，只计那一件。",
    "应结案：有效且未作废、未并案，并且已经结案或处置时限已到；挂账期间不到期。",
    "结案率＝结案÷应结案。按期结案率＝按期结案÷应结案。",
    "自动结案：无人结案而由系统关闭，单列，不计结案，更不计按期结案。",
    "准确派遣率＝准确派遣÷派遣；首次派遣后被回退、转办或改派的为不准确。",
    "返工率＝返工案件÷已处置案件。返工：核查未通过退回重办。",
    "用时按最近秩取值：中位为半数不超过、九成为九成不超过的用时，含挂账时间。",
    "应受理、应派遣、应处置、应核查：这一步已办，或其时限已过；按期：每次都在其时限内办完。",
    "部门为现在（或最后）承办的部门。",
    "设备：只计失联事件；没有列出的设备在线，或未设失联监视。",
];

/// The bytes of an `.xlsx` file. `query` says the days; how they are cut up is the table's own.
pub fn workbook(
    cases: &CaseLines,
    query: &FiguresQuery,
    zone: &TimeZone,
    as_of: Timestamp,
) -> Result<Vec<u8>, String> {
    let of = |by, group| figures(cases, &FiguresQuery { by, group, ..*query }, zone, as_of);
    let all = of(Period::All, Split::Class);
    let cut: Vec<(&str, Figures)> =
        SHEETS.iter().map(|&(name, by, group)| (name, of(by, group))).collect();
    build(&all, &cut).map_err(|error| format!("cannot be written as a spreadsheet: {error}"))
}

fn build(all: &Figures, cut: &[(&str, Figures)]) -> Result<Vec<u8>, XlsxError> {
    let mut workbook = Workbook::new();
    // The same figures are the same bytes.
    let made = ExcelDateTime::parse_from_str(all.as_of.get(..19).unwrap_or_default())?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&made));
    let styles = Styles::new();
    summary(workbook.add_worksheet(), &styles, all)?;
    for (name, figures) in cut {
        table(workbook.add_worksheet().set_name(*name)?, &styles, figures)?;
    }
    reasons(workbook.add_worksheet(), &styles, all)?;
    outages(workbook.add_worksheet(), &styles, all)?;
    notes(workbook.add_worksheet(), &styles, all)?;
    workbook.save_to_buffer()
}

struct Styles {
    heading: Format,
    rate: Format,
    minutes: Format,
}

impl Styles {
    fn new() -> Self {
        let heading = Format::new().set_bold().set_text_wrap().set_align(FormatAlign::Center);
        let rate = Format::new().set_num_format("0.00%");
        Self { heading, rate, minutes: Format::new().set_num_format("0.0") }
    }

    /// A text is written as a text, whatever it begins with.
    fn put(&self, sheet: &mut Worksheet, at: (u32, u16), cell: &Cell) -> Result<(), XlsxError> {
        let (row, column) = at;
        match cell {
            Cell::Text(text) => {
                sheet.write_string(row, column, clean_cut(text, CELL_CHARS_MAX))?;
            }
            Cell::Count(count) => {
                sheet.write_number(row, column, *count as f64)?;
            }
            Cell::Rate(Some(rate)) => {
                sheet.write_number_with_format(row, column, *rate, &self.rate)?;
            }
            Cell::Minutes(Some(minutes)) => {
                sheet.write_number_with_format(row, column, *minutes, &self.minutes)?;
            }
            Cell::Rate(None) | Cell::Minutes(None) => {}
        }
        Ok(())
    }

    fn headings(&self, sheet: &mut Worksheet, headings: &[&str]) -> Result<(), XlsxError> {
        for (column, heading) in (0u16..).zip(headings) {
            sheet.write_string_with_format(0, column, *heading, &self.heading)?;
        }
        sheet.set_freeze_panes(1, 0)?;
        Ok(())
    }
}

/// 总表: a row a figure, with what happens and what is of equipment beside the sum.
fn summary(sheet: &mut Worksheet, styles: &Styles, all: &Figures) -> Result<(), XlsxError> {
    sheet.set_name("总表")?.set_column_width(0, 24)?;
    let mut headings = vec!["指标", "合计"];
    let named = all.rows.iter().filter_map(|row| row.group.as_ref());
    headings.extend(named.map(|group| group.name.as_str()));
    styles.headings(sheet, &headings)?;
    for (row, (heading, cell)) in (1u32..).zip(COLUMNS) {
        styles.put(sheet, (row, 0), &Cell::Text((*heading).into()))?;
        let counts = std::iter::once(&all.total).chain(all.rows.iter().map(|row| &row.counts));
        for (column, counts) in (1u16..).zip(counts) {
            styles.put(sheet, (row, column), &cell(counts))?;
        }
    }
    Ok(())
}

/// A row a stretch of time or group, and the sum below.
fn table(sheet: &mut Worksheet, styles: &Styles, figures: &Figures) -> Result<(), XlsxError> {
    let mut headings: Vec<&str> = match figures.group {
        Split::None => vec!["日期"],
        group => group_headings(group).to_vec(),
    };
    let firsts = headings.len();
    headings.extend(COLUMNS.iter().map(|(heading, _)| *heading));
    styles.headings(sheet, &headings)?;
    let rows = figures.rows.iter().map(|row| {
        let first = match &row.group {
            None => vec![row.period.to_string()],
            Some(group) => vec![group.id.clone(), group.name.clone()],
        };
        (first, &row.counts)
    });
    let mut sum = vec![String::new(); firsts];
    if let Some(first) = sum.first_mut() {
        *first = "合计".into();
    }
    for (at, (first, counts)) in (1u32..).zip(rows.chain([(sum, &figures.total)])) {
        let first = first.into_iter().map(Cell::Text);
        let cells = first.chain(COLUMNS.iter().map(|(_, cell)| cell(counts)));
        for (column, cell) in (0u16..).zip(cells) {
            styles.put(sheet, (at, column), &cell)?;
        }
    }
    sheet.set_column_width(0, 16)?.set_column_width(1, 16)?;
    Ok(())
}

fn reasons(sheet: &mut Worksheet, styles: &Styles, all: &Figures) -> Result<(), XlsxError> {
    sheet.set_name("作废原因")?.set_column_width(0, 20)?.set_column_width(1, 20)?;
    styles.headings(sheet, &["原因编码", "原因", "作废", "占比"])?;
    let total = all.total.dismissed;
    for (row, (id, count)) in (1u32..).zip(&all.total.dismissed_by) {
        let share = (total > 0).then(|| *count as f64 / total as f64);
        let cells = [
            Cell::Text((*id).into()),
            Cell::Text(DismissReason::zh_of(id).into()),
            Cell::Count(i64::try_from(*count).unwrap_or(i64::MAX)),
            Cell::Rate(share),
        ];
        for (column, cell) in (0u16..).zip(&cells) {
            styles.put(sheet, (row, column), cell)?;
        }
    }
    Ok(())
}

fn outages(sheet: &mut Worksheet, styles: &Styles, all: &Figures) -> Result<(), XlsxError> {
    sheet.set_name("设备失联")?.set_column_width(0, 24)?;
    styles.headings(sheet, &["设备编码", "失联次数", "失联时长（分）", "失联占比"])?;
    for (row, one) in (1u32..).zip(&all.outages) {
        let cells = [
            Cell::Text(one.source.to_string()),
            Cell::Count(i64::try_from(one.outages).unwrap_or(i64::MAX)),
            Cell::Minutes(Some((one.offline_s as f64 / 6.0).round() / 10.0)),
            Cell::Rate(one.offline_share),
        ];
        for (column, cell) in (0u16..).zip(&cells) {
            styles.put(sheet, (row, column), cell)?;
        }
    }
    Ok(())
}

fn notes(sheet: &mut Worksheet, styles: &Styles, all: &Figures) -> Result<(), XlsxError> {
    sheet.set_name("口径")?.set_column_width(0, 110)?;
    let last = all.until.yesterday().unwrap_or(all.until);
    let left = &all.left_out;
    let first = [
        format!("统计期间 {} 至 {last}，统计时刻 {}。", all.from, all.as_of),
        format!(
            "未计入：演练 {} 件；时钟变动而无法计时 {} 步；步骤过多未全计 {} 件；时间不明 {} 件；无法读取的记录 {} 条。",
            left.drills,
            left.times,
            left.cases_with_more_steps,
            left.cases_of_no_time,
            left.unreadable
        ),
    ];
    let lines = first.into_iter().chain(NOTES.iter().map(|note| (*note).to_owned()));
    for (row, line) in (0u32..).zip(lines) {
        styles.put(sheet, (row, 0), &Cell::Text(line))?;
    }
    Ok(())
}
