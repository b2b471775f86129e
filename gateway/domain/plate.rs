//! A number plate of the mainland: only what has the pattern of one, and how much of it is shown. Pure.

use std::{fmt, sync::Arc};

/// The provinces, as the first character of a plate.
const PROVINCES: &str = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼";
/// Letters in a number that has five or six characters, at most: with more it is a word.
const LETTERS_MAX: usize = 3;

/// What kind of plate it is, by its pattern alone; colours of plates fade and are not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PlateKind {
    /// 晋B12345.
    Ordinary,
    /// 粤BD12345, 粤B12345D: one more character.
    NewEnergy,
    /// 鄂F8888警.
    Police,
    /// 苏E0K12学.
    Learner,
    /// 粤A06F9挂.
    Trailer,
    /// 粤Z4Q27港, 粤Z61A0澳.
    Border,
    /// 使224012, 沪A0023领.
    Embassy,
    /// 苏X5002应急.
    Emergency,
    /// WJ京12345.
    ArmedPolice,
}

/// A whole plate, as it is written without dots and blanks: `晋B12345`. It is shown to nobody as it is:
/// its `Debug` is masked.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Plate(Arc<str>);

impl Plate {
    /// Of what a reader or a person says; dots and blanks are no part of it. None: no plate looks so.
    pub fn parse(text: &str) -> Option<Self> {
        let is_mark = |c: char| c.is_whitespace() || ['·', '•', '.', '・', '-', '—'].contains(&c);
        let chars = text.chars().filter(|c| !is_mark(*c)).map(to_half_width);
        // Nobody's plate is as long as that, and a text may be.
        let chars: Vec<char> = chars.take(12).collect();
        kind_of(&chars)?;
        Some(Self(chars.into_iter().collect::<String>().into()))
    }

    /// By its pattern.
    pub fn kind(&self) -> PlateKind {
        let chars: Vec<char> = self.0.chars().collect();
        kind_of(&chars).unwrap_or(PlateKind::Ordinary)
    }

    /// All of it: for lists, for what is sealed, and for sinks that may have it.
    pub fn whole(&self) -> &str {
        &self.0
    }

    /// For everybody: `晋B·1**45`. Where it is from and enough to tell two cars in a yard apart.
    pub fn masked(&self) -> String {
        let chars: Vec<char> = self.0.chars().collect();
        let head = match self.kind() {
            PlateKind::ArmedPolice if chars.len() > 7 => 3,
            PlateKind::Embassy if chars[0].is_ascii_digit() => 0,
            PlateKind::Embassy if chars[0] == '使' => 1,
            _ => 2,
        };
        let (head, rest) = chars.split_at(head);
        let shows = |at: usize| at == 0 || at + 2 >= rest.len();
        let rest = rest.iter().enumerate().map(|(at, c)| if shows(at) { *c } else { '*' });
        let dot = (!head.is_empty()).then_some('·');
        head.iter().copied().chain(dot).chain(rest).collect()
    }
}

impl fmt::Debug for Plate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plate({})", self.masked())
    }
}

/// How far the reading of a plate has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlateState {
    /// Nothing was read yet that is sure, and it is looked at again.
    Open,
    /// Several looks agree.
    Read(Plate),
    /// It was looked at as often as it may be, and no reading is sure: no plate, one too small or
    /// dirty, or one that readings differ about.
    Unread,
}

/// Spreadsheets and Chinese keyboards write `Ｂ` and `１`.
fn to_half_width(c: char) -> char {
    let half = match c {
        '！'..='～' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    };
    half.to_ascii_uppercase()
}

/// I and O are on no plate, O but on old ones of the police: readers take 1 and 0 for them.
fn is_letter(c: char) -> bool {
    c.is_ascii_uppercase() && c != 'I' && c != 'O'
}

fn is_sign(c: &char) -> bool {
    c.is_ascii_digit() || is_letter(*c)
}

fn is_digit(c: &char) -> bool {
    c.is_ascii_digit()
}

fn kind_of(chars: &[char]) -> Option<PlateKind> {
    match chars {
        ['W', 'J', rest @ ..] => {
            let rest = rest.strip_prefix_if(|c| PROVINCES.contains(c));
            let (last, digits) = rest.split_last()?;
            let is_it = digits.len() == 4 && digits.iter().all(is_digit) && is_sign(last);
            return is_it.then_some(PlateKind::ArmedPolice);
        }
        ['使', digits @ ..] | [digits @ .., '使'] => {
            let is_it = digits.len() == 6 && digits.iter().all(is_digit);
            return is_it.then_some(PlateKind::Embassy);
        }
        _ => {}
    }
    let [province, office, number @ ..] = chars else { return None };
    if !PROVINCES.contains(*province) || !is_letter(*office) && *office != 'O' {
        return None;
    }
    let special = |kind: PlateKind, number: &[char]| {
        let is_it = number.len() == 4 && number.iter().all(is_sign) && number.iter().any(is_digit);
        is_it.then_some(kind)
    };
    match number {
        [number @ .., '警'] => special(PlateKind::Police, number),
        _ if *office == 'O' => None,
        [number @ .., '学'] => special(PlateKind::Learner, number),
        [number @ .., '挂'] => special(PlateKind::Trailer, number),
        [number @ .., '领'] => special(PlateKind::Embassy, number),
        [number @ .., '港' | '澳'] if *province == '粤' && *office == 'Z' => {
            special(PlateKind::Border, number)
        }
        [number @ .., '应', '急'] if ['X', 'S'].contains(office) => {
            special(PlateKind::Emergency, number)
        }
        number if !number.iter().all(is_sign) => None,
        number if number.len() == 5 => {
            let letters = number.iter().filter(|c| is_letter(**c)).count();
            (letters <= LETTERS_MAX).then_some(PlateKind::Ordinary)
        }
        number if number.len() == 6 => is_new_energy(number).then_some(PlateKind::NewEnergy),
        _ => None,
    }
}

/// Small cars: a letter of the drive, a sign, four digits. Large ones: five digits, and the letter.
fn is_new_energy(number: &[char]) -> bool {
    let drive = |c: &char| ('A'..='K').contains(c) && is_letter(*c);
    let small = drive(&number[0]) && is_sign(&number[1]) && number[2..].iter().all(is_digit);
    let large = number[..5].iter().all(is_digit) && drive(&number[5]);
    small || large
}

/// A slice without its first character, where that is one of these.
trait StripFirst {
    fn strip_prefix_if(&self, is_it: impl Fn(char) -> bool) -> &Self;
}

impl StripFirst for [char] {
    fn strip_prefix_if(&self, is_it: impl Fn(char) -> bool) -> &Self {
        match self {
            [first, rest @ ..] if is_it(*first) => rest,
            all => all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_plate_is_known_and_masked() {
        for (text, kind, masked) in [
            ("晋B12345", PlateKind::Ordinary, "晋B·1**45"),
            ("京A·8F6K9", PlateKind::Ordinary, "京A·8**K9"),
            ("粤B D12345", PlateKind::NewEnergy, "粤B·D***45"),
            ("粤B12345D", PlateKind::NewEnergy, "粤B·1***5D"),
            ("鄂F8888警", PlateKind::Police, "鄂F·8**8警"),
            ("京O1234警", PlateKind::Police, "京O·1**4警"),
            ("苏E0K12学", PlateKind::Learner, "苏E·0**2学"),
            ("粤A06F9挂", PlateKind::Trailer, "粤A·0**9挂"),
            ("粤Z4Q27港", PlateKind::Border, "粤Z·4**7港"),
            ("粤Z61A0澳", PlateKind::Border, "粤Z·6**0澳"),
            ("使224012", PlateKind::Embassy, "使·2***12"),
            ("224012使", PlateKind::Embassy, "2****2使"),
            ("沪A0023领", PlateKind::Embassy, "沪A·0**3领"),
            ("苏X5002应急", PlateKind::Emergency, "苏X·5***应急"),
            ("WJ京12345", PlateKind::ArmedPolice, "WJ京·1**45"),
            ("WJ1234X", PlateKind::ArmedPolice, "WJ·1**4X"),
            ("晋ｂ１２３４５", PlateKind::Ordinary, "晋B·1**45"),
        ] {
            let plate = Plate::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((plate.kind(), plate.masked().as_str()), (kind, masked), "{text}");
            assert_eq!(Plate::parse(plate.whole()), Some(plate), "{text}");
        }
    }

    #[test]
    fn v14_posters_signs_and_numbers_on_lorries_are_no_plates() {
        for text in [
            "",
            "晋",
            "晋B",
            "B12345",
            "12345",
            "400-820-8820",
            "晋B1234",
            "晋B123456",
            "晋812345",
            "晋B1234O",
            "晋BI2345",
            "晋BABCDE",
            "晋BABCD1",
            "晋中大酒店",
            "禁止停车",
            "粤ZABCD港",
            "京Z4Q27港",
            "晋B1234应急",
            "晋X123应急",
            "载重5吨",
            "限速40",
            "WJ",
            "WJ京123",
            "使12345",
            "使1234567",
            "粤BL12345",
            "粤B1D2345",
            "晋O12345",
            "皖A111",
            "皖AEZZ081",
            "晋B12345晋B12345",
        ] {
            assert_eq!(Plate::parse(text), None, "{text}");
        }
        assert_eq!(Plate::parse(&"晋B".repeat(5_000)), None);
    }

    #[test]
    fn a_plate_does_not_stand_whole_in_what_is_printed() {
        let plate = Plate::parse("晋B12345").unwrap();
        assert_eq!(format!("{plate:?}"), "Plate(晋B·1**45)");
    }
}
