//! Why an incident was raised and joined, in an officer's words: each sentence of `why` has a code and a Chinese text. Pure.
//!
//! The record keeps the English sentence: it is what was meant when it was made. Here it is read back by the shape
//! that the sentence was made with, so that records of an older gateway get the same words.

use serde::Serialize;

/// One sentence of `why`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WhyWords {
    /// What it says, for machines; `said`: a sentence of no known shape, such as the text of a fault.
    pub code: &'static str,
    /// For officers; of `said` the sentence as it is.
    pub zh: String,
}

/// Sentences of a shape that has no code are kept as they are.
const SAID: &str = "said";
/// A sentence may have so many semicolons of its own: a device is quoted in some.
const PIECES_MAX: usize = 12;

/// Code, the English sentence with `{}` for each value, and the Chinese one with `{0}`, `{1}` …; `{1:span}` is a length of
/// time, `{1:join}` a way of joining, `{1:grade}` a step of rain, `{1:door}` a door, `{1:labels}` what was seen,
/// `{1:standing}` what a vehicle is to the site.
/// The first that fits counts.
const SENTENCES: &[(&str, &str, &str)] = &[
    (
        "seen-most",
        "rule {}: at most {} at once, for {} s",
        "规则 {0}：最多同时看到 {1} 个，前后 {2} 秒",
    ),
    ("seen", "rule {}: {} at once, for {} s", "规则 {0}：同时看到 {1} 个，已持续 {2} 秒"),
    ("vehicle", "vehicle {} is {}", "车辆 {0}：{1:standing}"),
    ("vehicle-unread", "a vehicle shows no plate that can be read", "有车辆号牌无法识别"),
    ("vehicle-wrong-way", "a vehicle drives against the direction", "有车辆逆行"),
    ("flood-season", "more urgent in flood season", "汛期提级"),
    ("key-period", "more urgent in a key period", "重点时段提级"),
    ("from-the-air", "from the air at {}, {} ± {} m", "无人机测得的位置 {0}, {1}，误差 {2} 米以内"),
    ("joined", "{} joined by {}, {} m apart", "并入 {0}：{1:join}，相距 {2} 米"),
    ("raised", "raised by {}: {}", "因另一事件提级：{0:join}（{1}）"),
    ("again", "for the {}th time since {}", "自 {1} 起第 {0} 次"),
    (
        "pressed-for-another",
        "{} was pressed ({} so far): its sender may not speak for {}, which it names",
        "{0} 被按下（共 {1} 次）；消息自称来自 {2}，但发送者无权代它求助",
    ),
    ("pressed", "{} was pressed ({} so far)", "{0} 被按下（共 {1} 次）"),
    (
        "still-calls",
        "{} says in each report that it calls, since an earlier press: a new call, or only a report?",
        "{0} 自上次按下后每次上报都称在求助：是新的求助，还是重复上报，请核实",
    ),
    (
        "unreadable-press",
        "{} sent what nobody can read, where presses are sent ({}): it may be a call",
        "{0} 在求助通道里发来无法识别的内容（{1}），可能是求助",
    ),
    ("taken-back", "{} took its call back, on the device", "{0} 在设备上撤回了求助"),
    (
        "strangers",
        "{} calls of devices on no list, beside {} that are incidents of their own",
        "未登记设备的求助 {0} 次，另有 {1} 台已单独立案",
    ),
    ("resident", "a resident reported it on the public page", "居民在公众页面上报"),
    ("drill", "a drill, asked for by {}", "演练，发起人 {0}"),
    (
        "hub-gone-why",
        "{} is gone ({}): none of the devices behind it can be heard",
        "{0} 中断（{1}），它后面的设备都收不到",
    ),
    (
        "hub-gone",
        "{} is gone: none of the devices behind it can be heard",
        "{0} 中断，它后面的设备都收不到",
    ),
    (
        "hub-silent",
        "{} of {} devices behind {} are silent: look at {} first",
        "{2} 后面的 {1} 台设备有 {0} 台失联：请先查 {3}",
    ),
    (
        "hub-back",
        "{} is there again, {} of {} devices behind it are silent",
        "{0} 已恢复，后面的 {2} 台设备仍有 {1} 台失联",
    ),
    ("gone", "{} is gone, says {}", "{1} 报告 {0} 已离线"),
    (
        "never-heard",
        "{} was not heard for {} (allowed {}), and has never been heard",
        "{0} 已 {1:span}没有消息（允许 {2:span}），从未收到过",
    ),
    ("silent", "{} was not heard for {} (allowed {})", "{0} 已 {1:span}没有消息（允许 {2:span}）"),
    ("silent-gauge", "nothing from {} for {} min", "{0} 已 {1} 分钟没有数据"),
    ("heard-again", "{} is heard again", "{0} 恢复正常"),
    ("heard-again", "{} speaks again", "{0} 恢复正常"),
    ("battery-well", "battery of {} at {} %, well again", "{0} 电量 {1}%，已恢复"),
    ("battery-well", "battery of {} low, well again", "{0} 电量已恢复"),
    ("battery-well", "the battery of {} is well again", "{0} 电量已恢复"),
    ("battery", "battery of {} at {} %", "{0} 电量只剩 {1}%"),
    ("battery", "battery of {} low", "{0} 报告电量低"),
    ("battery", "{} says that its battery is low", "{0} 报告电量低"),
    ("tamper", "{} is open or torn off", "{0} 被打开或被拆下"),
    ("tamper-over", "{} is closed again", "{0} 已重新关好"),
    ("door", "{} says that the door of its box is {}", "{0} 报告箱门{1:door}"),
    ("weak", "{} is badly received: {} % at its last {} words", "{0} 信号弱：最近 {2} 次只有 {1}%"),
    ("weak-over", "{} is well received again", "{0} 信号恢复正常"),
    (
        "unclear",
        "{} says what nobody here understands ({} so far), last: {}",
        "{0} 发来看不懂的内容（共 {1} 次），最近一次：{2}",
    ),
    (
        "unclear-over",
        "nothing of {} that nobody understood, for a day",
        "{0} 一天内没有再发来看不懂的内容",
    ),
    (
        "stuck",
        "{} says that it calls, for {} now, and never stops: a new press of it may not be told from that",
        "{0} 已连续 {1:span}报求助不停：再有人按下，可能分辨不出",
    ),
    ("stuck-over", "{} no longer says that it calls", "{0} 不再报求助"),
    ("removed", "gone from the configuration", "已从配置中删除"),
    (
        "rain",
        "{}: {} mm in {}, threshold {} {} mm",
        "{0}：{2:span}内 {1} 毫米，达到{3:grade}标准（{4} 毫米）",
    ),
    ("rain-over", "{}: all thresholds are given up", "{0}：各级标准都已回落"),
    ("warning-level", "{} at {} m, warning level {} m", "{0} 水位 {1} 米，警戒水位 {2} 米"),
    ("guarantee-level", "{} at {} m, guarantee level {} m", "{0} 水位 {1} 米，保证水位 {2} 米"),
    ("readings-well", "{} says what can be again", "{0} 读数恢复可信"),
    ("flown", "{} flew {} s and {} m over {} grids", "{0} 飞行 {1} 秒、{2} 米，经过 {3} 个网格"),
    ("flown-saw-nothing", "it saw nothing that it knows", "没有看到认识的目标"),
    ("flown-saw", "it saw {}", "看到：{0:labels}"),
    ("posture-over", "{}: nothing asks for it any more", "{0:posture}：没有再启用的理由"),
    (
        "overload",
        "the box is overloaded: {} of {} looks at this camera were skipped in the last 10 s",
        "盒子忙不过来：最近 10 秒这路应看 {1} 次，漏看 {0} 次",
    ),
    ("overload-over", "no look is skipped any more", "不再漏看"),
    ("blank", "the picture is blank: its blocks differ by {} levels of 255", "画面一片空白"),
    (
        "moved",
        "it looks elsewhere: likeness to its usual view {} of 1",
        "摄像头被转动：与平时画面的相似度只有 {0}",
    ),
    ("frozen", "it sends the same picture again and again", "画面卡住不动"),
    ("blurred", "out of focus: fine detail {} % of the usual", "画面模糊：细节只有平时的 {0}%"),
    ("view-well", "it shows its usual view again", "画面恢复正常"),
    ("hung", "no sign of life for {} s: {}", "已 {0} 秒没有任何响应"),
    ("main-instead", "the main stream is looked at meanwhile", "期间改看主码流"),
    ("sub-stream", "its detect_url: {}", "子码流：{0}"),
    ("works-again", "works again", "已恢复"),
    ("room-again", "there is room again", "空间已恢复"),
    ("loaded", "loaded", "已装载"),
    ("lost-over", "sink {}: nothing more was lost", "上报通道 {0}：没有再丢失"),
];

/// `why` sentence by sentence, in its order.
pub fn why_words(why: &str) -> Vec<WhyWords> {
    let pieces: Vec<&str> = why.split("; ").collect();
    let mut all = Vec::new();
    let mut from = 0;
    while from < pieces.len() {
        // What a device says may have semicolons itself: the shortest that has a shape is a sentence.
        let ends = from + 1..=pieces.len().min(from + PIECES_MAX);
        let known =
            ends.into_iter().find_map(|end| Some((end, words_of(&pieces[from..end].join("; "))?)));
        let (end, words) = known.unwrap_or_else(|| {
            let said = WhyWords { code: SAID, zh: pieces[from].to_owned() };
            (from + 1, said)
        });
        all.push(words);
        from = end;
    }
    all.retain(|words| !words.zh.is_empty());
    all
}

fn words_of(sentence: &str) -> Option<WhyWords> {
    SENTENCES.iter().find_map(|(code, english, chinese)| {
        let values = values(english, sentence)?;
        Some(WhyWords { code, zh: filled(chinese, &values) })
    })
}

/// What stands where the shape has `{}`; none: it is another sentence.
fn values<'s>(shape: &str, sentence: &'s str) -> Option<Vec<&'s str>> {
    let mut between = shape.split("{}");
    let mut rest = sentence.strip_prefix(between.next()?)?;
    let mut values = Vec::new();
    let mut between = between.peekable();
    while let Some(next) = between.next() {
        let end = match (next.is_empty(), between.peek().is_none()) {
            (true, true) => rest.len(),
            (_, true) => rest.strip_suffix(next)?.len(),
            _ => rest.find(next)?,
        };
        let (value, after) = (rest.get(..end)?, rest.get(end + next.len()..)?);
        values.push(value);
        rest = after;
    }
    rest.is_empty().then_some(values)
}

fn filled(chinese: &str, values: &[&str]) -> String {
    let mut text = String::new();
    let mut rest = chinese;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let Some((place, after)) = after.split_once('}') else { break };
        let (number, how) = place.split_once(':').unwrap_or((place, ""));
        let value = number.parse::<usize>().ok().and_then(|n| values.get(n)).copied();
        text.push_str(&said(value.unwrap_or_default(), how));
        rest = after;
    }
    text + rest
}

/// A value in Chinese.
fn said(value: &str, how: &str) -> String {
    let word = match how {
        "span" => return span(value),
        "labels" => return value.split(", ").map(label).collect::<Vec<_>>().join("、"),
        "join" => match value {
            "seen-by-several" => "几路摄像头看到同一人",
            "button-and-eye" => "按下求助时旁边看到人",
            "rain-and-water" => "强降雨时有人在水边",
            other => other,
        },
        "grade" => match value {
            "moderate" => "中雨",
            "heavy" => "大雨",
            "rainstorm" => "暴雨",
            "severe-rainstorm" => "大暴雨",
            "extraordinary-rainstorm" => "特大暴雨",
            "blue" => "蓝色预警",
            "yellow" => "黄色预警",
            "orange" => "橙色预警",
            "red" => "红色预警",
            "prepare" => "准备转移",
            "move-now" => "立即转移",
            other => other,
        },
        "door" => match value {
            "open" => "打开",
            "closed" => "关闭",
            other => other,
        },
        "standing" => match value {
            "resident" => "居民车辆",
            "visitor" => "访客车辆",
            "staff" => "工作人员车辆",
            "unknown" => "未登记",
            "unread" => "号牌无法识别",
            "expired" => "登记已过期",
            "attention" => "依法关注的车辆",
            other => other,
        },
        "posture" => match value {
            "flood" | "flood season" => "汛期",
            "key period" | "key-period" => "重点时段",
            other => other,
        },
        _ => value,
    };
    word.to_owned()
}

/// `12 min` as the table of devices says it.
fn span(value: &str) -> String {
    let units = [(" s", " 秒"), (" min", " 分钟"), (" h", " 小时")];
    let said = units.iter().find_map(|(en, zh)| Some(format!("{}{zh}", value.strip_suffix(en)?)));
    said.unwrap_or_else(|| value.to_owned())
}

fn label(name: &str) -> &str {
    match name {
        "person" => "人",
        "car" => "汽车",
        "truck" => "卡车",
        "bus" => "客车",
        "bicycle" => "自行车",
        "motorcycle" => "摩托车",
        "dog" => "狗",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zh(why: &str) -> String {
        let all = why_words(why);
        all.iter().map(|one| format!("[{}]{}", one.code, one.zh)).collect::<Vec<_>>().join("；")
    }

    #[test]
    fn each_sentence_of_why_has_a_code_and_chinese_words() {
        for (why, expected) in [
            ("rule r1: 2 at once, for 3.2 s", "[seen]规则 r1：同时看到 2 个，已持续 3.2 秒"),
            (
                "rule r1: at most 2 at once, for 9.0 s; more urgent in flood season",
                "[seen-most]规则 r1：最多同时看到 2 个，前后 9.0 秒；[flood-season]汛期提级",
            ),
            ("btn-1 was pressed (3 so far)", "[pressed]btn-1 被按下（共 3 次）"),
            (
                "a was pressed (1 so far): its sender may not speak for b, which it names",
                "[pressed-for-another]a 被按下（共 1 次）；消息自称来自 b，但发送者无权代它求助",
            ),
            (
                "btn-1 was pressed (1 so far); cam-2 joined by button-and-eye, 12 m apart",
                "[pressed]btn-1 被按下（共 1 次）；[joined]并入 cam-2：按下求助时旁边看到人，相距 12 米",
            ),
            (
                "g-1: 15.8 mm in 12 h, threshold heavy 15 mm",
                "[rain]g-1：12 小时内 15.8 毫米，达到大雨标准（15 毫米）",
            ),
            (
                "btn-2 was not heard for 25 h (allowed 24 h), and has never been heard",
                "[never-heard]btn-2 已 25 小时没有消息（允许 24 小时），从未收到过",
            ),
            (
                "uav-1 flew 60 s and 300 m over 2 grids; it saw person, car",
                "[flown]uav-1 飞行 60 秒、300 米，经过 2 个网格；[flown-saw]看到：人、汽车",
            ),
            // A device is quoted with its own semicolon, and with a sentence that it made up.
            (
                "x says what nobody here understands (2 so far), last: a; b joined by c, 1 m apart",
                "[unclear]x 发来看不懂的内容（共 2 次），最近一次：a；[joined]并入 b：c，相距 1 米",
            ),
            (
                "x sent what nobody can read, where presses are sent (a; b; c): it may be a call",
                "[unreadable-press]x 在求助通道里发来无法识别的内容（a; b; c），可能是求助",
            ),
            // Nearly right is not right.
            ("rule r1: 2 at once, for 3.2 min", "[said]rule r1: 2 at once, for 3.2 min"),
            ("connection refused (os error 111)", "[said]connection refused (os error 111)"),
            ("", ""),
        ] {
            assert_eq!(zh(why), expected, "{why}");
        }
    }

    #[test]
    fn each_shape_is_found_by_itself_and_fills_every_place() {
        for (n, (code, english, chinese)) in SENTENCES.iter().enumerate() {
            let sentence = english.replace("{}", "7");
            let first =
                SENTENCES.iter().position(|(_, shape, _)| values(shape, &sentence).is_some());
            let found = first.map(|first| SENTENCES[first].0);
            assert!(first == Some(n) || found == Some(*code), "{english} is found as {found:?}");
            let count = english.matches("{}").count();
            let words = filled(chinese, &vec!["7"; count]);
            assert!(!words.contains(['{', '}']), "{words}");
            assert!(!words.is_ascii(), "{words} is not Chinese");
        }
    }
}
