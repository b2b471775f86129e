//! How a text in Chinese is read, as pinyin with figures for the tones: the voices of small boxes read nothing else. Pure.

use std::collections::BTreeMap;

use pinyin::ToPinyin;

/// Words whose signs are read otherwise than each by itself; the longest that fits counts.
const WORDS: &[(&str, &str)] = &[
    ("重庆", "chong2 qing4"),
    ("重新", "chong2 xin1"),
    ("银行", "yin2 hang2"),
    ("行人", "xing2 ren2"),
    ("还是", "hai2 shi4"),
    ("长江", "chang2 jiang1"),
    ("成都", "cheng2 du1"),
    ("上涨", "shang4 zhang3"),
    ("倒地", "dao3 di4"),
    ("调头", "diao4 tou2"),
    ("掉头", "diao4 tou2"),
    ("车辆", "che1 liang4"),
    ("降雨", "jiang4 yu3"),
    ("立即", "li4 ji2"),
    ("着火", "zhao2 huo3"),
    ("地方", "di4 fang5"),
    ("尽快", "jin3 kuai4"),
    ("为了", "wei4 le5"),
    ("处理", "chu3 li3"),
    ("看守", "kan1 shou3"),
];

/// The reading of each figure.
const FIGURES: [&str; 10] =
    ["ling2", "yi1", "er4", "san1", "si4", "wu3", "liu4", "qi1", "ba1", "jiu3"];

/// The text as it is read. `own` are the readings that a site gives: names of places and people.
pub(super) fn reading(text: &str, own: &BTreeMap<String, String>) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some((word, said)) = word(rest, own) {
            out.push(said.to_owned());
            rest = &rest[word..];
            continue;
        }
        if c.is_ascii_digit() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let figures = rest[..end].trim_end_matches('.');
            out.push(number(figures));
            rest = &rest[figures.len()..];
            continue;
        }
        if c.is_ascii_alphabetic() {
            let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            out.push(rest[..end].chars().map(String::from).collect::<Vec<_>>().join(" "));
            rest = &rest[end..];
            continue;
        }
        match c.to_pinyin() {
            Some(one) => out.push(with_tone(one.with_tone_num_end())),
            None => out.extend(pause(c).map(str::to_owned)),
        }
        rest = &rest[c.len_utf8()..];
    }
    out.join(" ")
}

/// The longest known word with which the text begins: its length in bytes, and how it is read.
fn word<'r>(text: &str, own: &'r BTreeMap<String, String>) -> Option<(usize, &'r str)> {
    let own = own.iter().map(|(word, said)| (word.as_str(), said.as_str()));
    let known = WORDS.iter().map(|(word, said)| (*word, *said));
    // Of two that are as long, the site's own comes first.
    let fits = known.chain(own).filter(|(word, _)| !word.is_empty() && text.starts_with(word));
    fits.map(|(word, said)| (word.len(), said)).max_by_key(|(len, _)| *len)
}

/// The neutral tone has a figure too.
fn with_tone(said: &str) -> String {
    match said.ends_with(|c: char| c.is_ascii_digit()) {
        true => said.to_owned(),
        false => format!("{said}5"),
    }
}

fn pause(c: char) -> Option<&'static str> {
    match c {
        '。' | '！' | '？' | '!' | '?' | '.' | '．' | '…' | '—' => Some("."),
        '，' | '、' | '；' | '：' | ',' | ';' | ':' | '（' | '）' | '(' | ')' => Some(","),
        '%' | '％' => Some("bai3 fen1 zhi1"),
        '°' => Some("du4"),
        _ => None,
    }
}

/// Up to four figures are a number, as people say it; more are said one by one, as numbers of plates and
/// telephones are, and so is what begins with a nought.
fn number(figures: &str) -> String {
    let (whole, part) = figures.split_once('.').unwrap_or((figures, ""));
    let one_by_one = |text: &str| {
        let said = text.chars().filter_map(|c| c.to_digit(10)).map(|n| FIGURES[n as usize]);
        said.collect::<Vec<_>>().join(" ")
    };
    let short = whole.len() <= 4 && (whole.len() == 1 || !whole.starts_with('0'));
    let mut said = match whole.parse::<u16>().ok().filter(|_| short) {
        Some(value) => as_said(value),
        None => one_by_one(whole),
    };
    if !part.is_empty() {
        said.push_str(" dian3 ");
        said.push_str(&one_by_one(part));
    }
    said
}

/// 0 to 9999.
fn as_said(value: u16) -> String {
    if value == 0 {
        return FIGURES[0].into();
    }
    let (mut said, mut skipped) = (Vec::new(), false);
    for (unit, name) in [(1_000, "qian1"), (100, "bai3"), (10, "shi2"), (1, "")] {
        let figure = usize::from(value / unit % 10);
        if figure == 0 {
            skipped = !said.is_empty();
            continue;
        }
        if std::mem::take(&mut skipped) {
            said.push(FIGURES[0]);
        }
        // 十五, not 一十五.
        if !(unit == 10 && figure == 1 && value < 20) {
            said.push(FIGURES[figure]);
        }
        said.extend(Some(name).filter(|name| !name.is_empty()));
    }
    said.join(" ")
}

/// Whether it is to be read in Chinese: one sign of it is enough.
pub(super) fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| c.to_pinyin().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        reading(text, &BTreeMap::new())
    }

    #[test]
    fn signs_words_and_pauses() {
        assert_eq!(
            read("水位上涨，请立即离开河岸！"),
            "shui3 wei4 shang4 zhang3 , qing3 li4 ji2 li2 kai1 he2 an4 ."
        );
        assert_eq!(read("走了"), "zou3 le5");
        assert_eq!(read("晋B"), "jin4 B");
    }

    #[test]
    fn a_site_says_how_its_names_are_read_and_the_longest_counts() {
        let own = BTreeMap::from([
            ("行".to_owned(), "hang2".to_owned()),
            ("长行村".to_owned(), "chang2 hang2 cun1".to_owned()),
            ("银行".to_owned(), "yin2 xing2".to_owned()),
        ]);
        assert_eq!(reading("长行村行银行", &own), "chang2 hang2 cun1 hang2 yin2 xing2");
    }

    #[test]
    fn numbers_as_people_say_them() {
        for (text, said) in [
            ("0", "ling2"),
            ("2", "er4"),
            ("10", "shi2"),
            ("15", "shi2 wu3"),
            ("20", "er4 shi2"),
            ("105", "yi1 bai3 ling2 wu3"),
            ("110", "yi1 bai3 yi1 shi2"),
            ("2000", "er4 qian1"),
            ("2006", "er4 qian1 ling2 liu4"),
            ("9999", "jiu3 qian1 jiu3 bai3 jiu3 shi2 jiu3"),
            ("12345", "yi1 er4 san1 si4 wu3"),
            ("007", "ling2 ling2 qi1"),
            ("28.65", "er4 shi2 ba1 dian3 liu4 wu3"),
            ("3.", "san1 ."),
            ("0.5", "ling2 dian3 wu3"),
        ] {
            assert_eq!(read(text), said, "{text}");
        }
    }

    #[test]
    fn the_list_of_words_is_of_readings() {
        for (word, said) in WORDS {
            assert_eq!(word.chars().count(), said.split(' ').count(), "{word}");
            let is_one = |one: &str| one.ends_with(|c: char| ('1'..='5').contains(&c));
            assert!(said.split(' ').all(is_one), "{word}");
        }
    }
}
