//! A report of the doctor in words, and as one document.

use serde_json::json;

use crate::runtime::{Diagnosis, DoctorReport, Gravity};

pub(super) fn worst(report: &DoctorReport) -> Gravity {
    report.diagnoses.iter().map(|one| one.health).max().unwrap_or(Gravity::Fine)
}

/// The report as one document.
pub(super) fn document(report: &DoctorReport) -> serde_json::Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "health": worst(report),
        "diagnoses": report.diagnoses,
    })
}

/// For people: what is bad first, then what could be better, then what is fine.
pub(super) fn lines(report: &DoctorReport) -> Vec<String> {
    let mut sorted: Vec<&Diagnosis> = report.diagnoses.iter().collect();
    sorted.sort_by_key(|one| std::cmp::Reverse(one.health));
    let mut lines: Vec<String> = sorted.into_iter().flat_map(of_one).collect();
    let count = |health| report.diagnoses.iter().filter(|one| one.health == health).count();
    let (bad, notes, fine) = (count(Gravity::Bad), count(Gravity::Note), count(Gravity::Fine));
    lines.push(format!(
        "共 {bad} 处故障，{notes} 处提醒，{fine} 处正常 ({bad} bad, {notes} notes, {fine} fine)"
    ));
    lines
}

fn of_one(one: &Diagnosis) -> Vec<String> {
    let mark = match one.health {
        Gravity::Bad => "故障",
        Gravity::Note => "提醒",
        Gravity::Fine => "正常",
    };
    let part = match one.part {
        "gateway" => "网关",
        "camera" => "摄像头",
        "sink" => "上报对象",
        "broker" => "消息代理",
        "disk" => "磁盘",
        "time" => "时间",
        "model" => "模型",
        _ => "配置",
    };
    let (zh_id, en_id) = match one.id.as_str() {
        "" => (String::new(), String::new()),
        id => (format!(" {id}"), format!(" {id}")),
    };
    let mut lines = vec![
        format!("[{mark}] {part}{zh_id}：{}", one.says.zh),
        format!("       {}{en_id}: {}", one.part, one.says.en),
    ];
    if let Some(advice) = &one.advice {
        lines.push(format!("       → {}", advice.zh));
        lines.push(format!("       → {}", advice.en));
    }
    lines
}
