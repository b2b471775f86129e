//! Whose names a program may reply in: of a token, or of a district's platform. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{name_key, plain_name};

/// More are a list of persons, and each of them should have an account.
const NAMES_MAX: usize = 1_000;
/// Names that a refusal tells.
const TOLD_MAX: usize = 5;

/// Names, or how names begin (`城管*`); none are written down: any, and nobody has said so. `*` is any, on purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SpeaksFor(Vec<String>);

/// By which program a reply came that may not speak for everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyThrough {
    /// What the program is, for people.
    pub sender: String,
    /// Whether the name of the reply is one of those that it speaks for.
    pub speaks_for: bool,
    /// The names, as the site wrote them, cut.
    pub names: String,
}

impl SpeaksFor {
    /// These names; what is wrong with them is told by [`Self::problem`].
    pub fn of(names: impl IntoIterator<Item = String>) -> Self {
        Self(names.into_iter().map(|name| name.trim().to_owned()).collect())
    }

    /// As they were written.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// Nobody has said whose names it may use.
    pub fn is_unsaid(&self) -> bool {
        self.0.is_empty()
    }

    /// Every name is among them, said or not.
    fn is_unbounded(&self) -> bool {
        self.is_unsaid() || self.0.iter().any(|name| name.trim() == "*")
    }

    /// Whether this name is among them.
    pub fn includes(&self, name: &str) -> bool {
        let key = name_key(name);
        let fits = |one: &String| match one.trim().strip_suffix('*') {
            Some(begin) => key.starts_with(&name_key(begin)),
            None => key == name_key(one),
        };
        self.is_unbounded() || (!key.is_empty() && self.0.iter().any(fits))
    }

    /// What is kept with a reply of this program in this name; `None`: it speaks for everybody.
    pub fn through(&self, sender: &str, by: &str) -> Option<ReplyThrough> {
        if self.is_unbounded() {
            return None;
        }
        let told = self.0.iter().take(TOLD_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if self.0.len() > TOLD_MAX { " …" } else { "" };
        let (sender, speaks_for) = (plain_name(sender), self.includes(by));
        Some(ReplyThrough { sender, speaks_for, names: format!("{told}{more}") })
    }

    /// What is wrong, in a sentence.
    pub fn problem(&self) -> Option<String> {
        if self.0.len() > NAMES_MAX {
            return Some(format!("{} names: expected at most {NAMES_MAX}", self.0.len()));
        }
        let wrong = |name: &&String| {
            let begin = name.trim().strip_suffix('*').unwrap_or(name);
            begin.contains('*') || (name.trim() != "*" && name_key(begin).is_empty())
        };
        let name = self.0.iter().find(wrong)?;
        Some(format!("`{name}`: expected a name, how names begin (`城管*`), or `*` for anybody"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> SpeaksFor {
        SpeaksFor::of(names.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn a_name_is_among_those_that_are_written_down_however_it_is_written() {
        let some = of(&["王警官", " Li Jian ", "城管*"]);
        for name in ["王警官", "王 警官", "\u{feff}王警官\n", "ＬＩ　ＪＩＡＮ", "城管", "城管张三"]
        {
            assert!(some.includes(name), "{name:?}");
            assert!(some.through("x", name).unwrap().speaks_for, "{name:?}");
        }
        for name in ["", " ", "王警", "王警官2", "老城管", "*", "城"] {
            assert!(!some.includes(name), "{name:?}");
            assert!(!some.through("x", name).unwrap().speaks_for, "{name:?}");
        }
        for any in [of(&[]), of(&["*"]), of(&["王警官", " *"])] {
            for name in ["王警官", "李", ""] {
                assert!(any.includes(name) && any.through("x", name).is_none(), "{any:?} {name:?}");
            }
        }
        assert!(of(&[]).is_unsaid() && !of(&["*"]).is_unsaid());
    }

    #[test]
    fn what_is_no_name_is_told() {
        for fine in [&[][..], &["王"], &["*"], &["城管*", "王"]] {
            assert_eq!(of(fine).problem(), None, "{fine:?}");
        }
        for wrong in [&[""][..], &["王", " "], &["**"], &["*王"], &["城*管"], &["\u{200b}*"]] {
            assert!(of(wrong).problem().is_some(), "{wrong:?}");
        }
        let many = SpeaksFor::of((0..=NAMES_MAX).map(|n| format!("n{n}")));
        assert!(many.problem().unwrap().contains("at most 1000"));
        assert!(many.through("x", "n7").unwrap().names.ends_with("n4 …"));
    }
}
