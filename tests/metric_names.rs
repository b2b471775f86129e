//! Names of metrics by Prometheus' convention, and a dashboard that asks for no other.

use std::collections::BTreeMap;

use serde_json::Value;

/// Made at the scrape, from the ledger (`runtime/console_backend.rs`).
const BESIDE: &str = "gridpost_ledger_records";

/// Name → (counter or gauge, labels), from the one list of them.
fn names() -> BTreeMap<String, (String, Vec<String>)> {
    let source = include_str!("../gateway/domain/metric.rs");
    let mut names = BTreeMap::new();
    for line in source.lines() {
        let mut words = line.split_whitespace();
        let (_, Some(kind)) = (words.next(), words.next()) else { continue };
        if !["Counter", "Gauge"].contains(&kind) || !line.contains("\"gridpost_") {
            continue;
        }
        let quoted: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        let labels = quoted[1].split(',').filter(|label| !label.is_empty());
        names.insert(quoted[0].to_owned(), (kind.to_owned(), labels.map(str::to_owned).collect()));
    }
    assert!(names.len() > 70, "only {} names were found", names.len());
    names.insert(
        BESIDE.into(),
        ("Gauge".into(), ["sink", "kind", "state"].map(String::from).into()),
    );
    names
}

fn wrong_with(name: &str, kind: &str, labels: &[String]) -> Option<&'static str> {
    let words: Vec<&str> = name.split('_').collect();
    let snake =
        |text: &str| text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let others = [
        "ms",
        "millis",
        "milliseconds",
        "minutes",
        "hours",
        "kb",
        "mb",
        "kib",
        "percent",
        "ratio",
        "count",
        "sum",
    ];
    if !snake(name) || labels.iter().any(|label| !snake(label)) {
        return Some("small letters and underscores");
    }
    if (kind == "Counter") != name.ends_with("_total") {
        return Some("counters end with _total, and nothing else does");
    }
    if words.iter().any(|word| others.contains(word)) {
        return Some("base units: seconds, bytes; no unit of another size");
    }
    let unit = words.iter().rposition(|word| ["seconds", "bytes"].contains(word));
    let last = words.len() - 1 - usize::from(kind == "Counter");
    unit.is_some_and(|at| at != last).then_some("the unit stands last, before _total")
}

#[test]
fn metrics_are_named_by_the_convention() {
    let wrong: Vec<String> = names()
        .iter()
        .filter_map(|(name, (kind, labels))| {
            Some(format!("{name}: {}", wrong_with(name, kind, labels)?))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (name, kind) in [
        ("gridpost_a", "Counter"),
        ("gridpost_a_total", "Gauge"),
        ("gridpost_a_ms", "Gauge"),
        ("gridpost_seconds_of_a", "Gauge"),
        ("gridpost_A", "Gauge"),
    ] {
        assert!(wrong_with(name, kind, &[]).is_some(), "{name} {kind}");
    }
}

/// Words of a query that could be names, and labels that stand in braces, in `by (…)` or in a legend.
fn asked(query: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    query.split(|c| !is_word(c)).filter(|word| word.starts_with("gridpost_")).collect()
}

#[test]
fn every_query_of_the_dashboard_names_a_metric_that_there_is_and_its_labels() {
    let names = names();
    let text = include_str!("../config/grafana/gridpost.json");
    let dashboard: Value = serde_json::from_str(text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let (mut queries, mut wrong) = (0, Vec::new());
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            queries += 1;
            let (query, legend) =
                (target["expr"].as_str().unwrap(), target["legendFormat"].as_str().unwrap());
            let asked = asked(query);
            if asked.is_empty() {
                wrong.push(format!("{query}: no metric"));
            }
            for name in &asked {
                let Some((kind, labels)) = names.get(*name) else {
                    wrong.push(format!("{query}: no metric {name}"));
                    continue;
                };
                let rated = query.contains("rate(") || query.contains("increase(");
                if (kind == "Counter") != rated {
                    wrong.push(format!("{query}: {name} is a {kind}"));
                }
                for label in legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
                    if !labels.iter().any(|known| known == label) {
                        wrong.push(format!("{query}: {name} has no label {label}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(queries > 20, "only {queries} queries were found");
    let variable = dashboard["templating"]["list"][1]["definition"].as_str().unwrap();
    assert!(asked(variable).iter().all(|name| names.contains_key(*name)), "{variable}");
}
