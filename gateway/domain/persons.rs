//! Who is one person, by name and by the duty list. Pure.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

use super::{Roster, plain_name};

/// With the code of the country a number of China has so many digits more: `86`.
const CHINA: &str = "86";
/// Digits of a mobile of China.
const MOBILE_DIGITS: usize = 11;

/// A name as names are compared: without width, case, white space and what nobody can see. An empty one is none.
pub fn name_key(name: &str) -> String {
    let plain = plain_name(name);
    let folded: String = plain.nfkc().collect::<String>().to_lowercase().nfkc().collect();
    // What is compatible with nothing that can be seen is nothing.
    let shown: String = plain_name(&folded).chars().filter(|c| !c.is_whitespace()).collect();
    // Where a space has gone, a mark may stand on another letter.
    shown.nfkc().collect()
}

/// Digits of a mobile, which is one person's; `None`: a line of a room or a town, at which whoever is there answers.
fn phone_key(phone: &str) -> Option<String> {
    let digits: String = phone.nfkc().filter(char::is_ascii_digit).collect();
    let abroad = digits.strip_prefix("00").unwrap_or(&digits);
    let home = abroad.strip_prefix(CHINA).filter(|rest| rest.len() == MOBILE_DIGITS);
    let own = home.unwrap_or(abroad);
    (own.len() == MOBILE_DIGITS && own.starts_with('1')).then(|| own.to_owned())
}

/// The persons of the duty list, each with all names that it has there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Persons {
    /// By the key of a name: the place of the person in `names`.
    known: HashMap<String, usize>,
    /// As the list writes them, in its order.
    names: Vec<Vec<String>>,
}

impl Persons {
    /// Names that are the same to people are one person, and so are those with one mobile.
    pub fn of(roster: &Roster) -> Self {
        let (mut persons, mut phones) = (Self::default(), HashMap::new());
        for shift in &roster.shifts {
            let key = name_key(&shift.who.name);
            if key.is_empty() {
                continue;
            }
            let phone = shift.who.phone.as_deref().and_then(phone_key);
            let by_phone = phone.as_ref().and_then(|phone| phones.get(phone)).copied();
            let by_name = persons.known.get(&key).copied();
            let person = match (by_name, by_phone) {
                (Some(one), Some(other)) => persons.join(one, other, &mut phones),
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => {
                    persons.names.push(Vec::new());
                    persons.names.len() - 1
                }
            };
            if by_name.is_none() {
                persons.names[person].push(shift.who.name.clone());
            }
            persons.known.insert(key, person);
            phones.extend(phone.map(|phone| (phone, person)));
        }
        persons
    }

    /// Two that turned out to be one; the earlier is left.
    fn join(&mut self, one: usize, other: usize, phones: &mut HashMap<String, usize>) -> usize {
        let (kept, gone) = (one.min(other), one.max(other));
        if kept != gone {
            let names = std::mem::take(&mut self.names[gone]);
            self.names[kept].extend(names);
            let all = self.known.values_mut().chain(phones.values_mut());
            all.filter(|person| **person == gone).for_each(|person| *person = kept);
        }
        kept
    }

    /// Whether these two names are of one person. No name is nobody's.
    pub fn are_one(&self, one: &str, other: &str) -> bool {
        let (one, other) = (name_key(one), name_key(other));
        let of = |key: &String| self.known.get(key);
        let by_list = of(&one).zip(of(&other)).is_some_and(|(one, other)| one == other);
        !one.is_empty() && (one == other || by_list)
    }

    /// Names of one mobile: those of them that are not written alike.
    pub fn of_several_names(&self) -> impl Iterator<Item = &[String]> {
        self.names.iter().map(Vec::as_slice).filter(|names| names.len() > 1)
    }
}

#[cfg(test)]
mod tests {
    use jiff::{civil::Time, tz::TimeZone};

    use super::*;
    use crate::domain::{DutyRole, Hours, OnDuty, Shift};

    fn persons(list: &[(&str, Option<&str>)]) -> Persons {
        let midnight = Time::midnight();
        let shift = |(name, phone): &(&str, Option<&str>)| Shift {
            who: OnDuty {
                role: DutyRole::Officer,
                name: (*name).into(),
                phone: phone.map(str::to_owned),
            },
            areas: Vec::new(),
            hours: Hours::Weekly { days: [true; 7], from: midnight, until: midnight },
        };
        Persons::of(&Roster { shifts: list.iter().map(shift).collect(), zone: TimeZone::UTC })
    }

    #[test]
    fn names_that_look_alike_to_people_are_one() {
        let nobody = Persons::default();
        for same in ["Li Jian", "li jian", " LI\u{3000}JIAN\n", "ｌｉｊｉａｎ", "L\u{200b}i Ji an"]
        {
            assert!(nobody.are_one("Li Jian", same), "{same:?}");
        }
        for same in ["王警官 2", "王 警官２", "王警官②"] {
            assert!(nobody.are_one("王警官2", same), "{same:?}");
        }
        for other in ["王警", "王警官3", "汪警官2", "2", ""] {
            assert!(!nobody.are_one("王警官2", other), "{other:?}");
        }
        for nothing in ["", " ", "\u{3000}\u{200b}", "\u{ffa0}"] {
            assert_eq!(name_key(nothing), "");
            assert!(!nobody.are_one(nothing, nothing), "{nothing:?}");
        }
    }

    #[test]
    fn whom_the_list_knows_by_one_telephone_is_one_person() {
        let list = persons(&[
            ("王芳", Some("138 0013 8000")),
            ("王警官", Some("+86 13800138000")),
            ("Wang Fang", Some("0086-138-0013-8000")),
            ("李建国", Some("１３８００１３８００１")),
            ("赵强", None),
            ("孙力", Some("110")),
            ("周长", Some("110")),
            ("李 建国", Some("138 0013 8001 (晚上)")),
            ("小李", Some("+8613800138001")),
            // The line of the police room is nobody's own.
            ("钱一", Some("0712-1000111")),
            ("钱二", Some("07121000111")),
        ]);
        for (one, other, expected) in [
            ("王芳", "王警官", true),
            ("wangfang", "王 警 官", true),
            ("小李", "李建国", true),
            ("王芳", "李建国", false),
            ("赵强", "王芳", false),
            ("赵强", "赵 强", true),
            ("孙力", "周长", false),
            ("钱一", "钱二", false),
            ("王芳", "张三", false),
            ("张三", "张三", true),
        ] {
            assert_eq!(list.are_one(one, other), expected, "{one} {other}");
            assert_eq!(list.are_one(other, one), expected, "{other} {one}");
        }
        let several: Vec<_> = list.of_several_names().map(|names| names.join(" ")).collect();
        assert_eq!(several, ["王芳 王警官 Wang Fang", "李建国 小李"]);
    }

    #[test]
    fn two_who_turn_out_to_be_one_later_are_one() {
        let (one, other) = (Some("13800138000"), Some("13800138001"));
        let list =
            persons(&[("甲", one), ("乙", other), ("丙", other), ("甲", other), ("丁", one)]);
        for pair in [("甲", "乙"), ("甲", "丙"), ("乙", "丁"), ("丙", "丁")] {
            assert!(list.are_one(pair.0, pair.1), "{pair:?}");
        }
        assert_eq!(list.of_several_names().count(), 1);
    }

    #[test]
    fn a_key_is_a_key_of_itself_whatever_the_letter() {
        for letter in (0..0x3_0000).filter_map(char::from_u32) {
            let key = name_key(&format!("a{letter}王"));
            assert_eq!(name_key(&key), key, "{letter:?}");
        }
    }
}
