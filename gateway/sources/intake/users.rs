//! The file of users: who may connect, by which password; and what each may do, in lines that begin with `@`.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use subtle::ConstantTimeEq;

use crate::{domain::SpeaksFor, sources::rights::Grants, wire::file_stamp::read_text};

/// What the lines are.
const EXPECTED: &str = "expected name:password, `@name speaks-for device, …`, `@name may cancel, reply, posture` or `@name answers-for person, …`";

/// One user.
#[derive(Clone, Default)]
pub(super) struct User {
    password: String,
    pub(super) grants: Grants,
}

impl User {
    pub(super) fn has_password(&self, given: &[u8]) -> bool {
        self.password.as_bytes().ct_eq(given).into()
    }
}

/// By name.
pub(super) type Users = HashMap<String, User>;

/// The error names the file and the line.
pub(super) fn read(path: &Path) -> Result<Users, String> {
    let text =
        read_text(path).map_err(|error| format!("{}: cannot be read: {error}", path.display()))?;
    parse(path, &text)
}

/// The same of a text.
pub(super) fn parse(path: &Path, text: &str) -> Result<Users, String> {
    let mut users = Users::new();
    for (number, line) in lines(text).filter(|(_, line)| right(line).is_none()) {
        let (name, password) = pair(line).ok_or_else(|| at(path, number, EXPECTED))?;
        let user = User { password: password.to_owned(), grants: Grants::default() };
        users.insert(name.to_owned(), user);
    }
    for (number, (name, verb, what)) in lines(text).filter_map(|(n, line)| Some((n, right(line)?)))
    {
        // One that is not there protects nobody: it is a slip.
        let user = users.get_mut(name).ok_or_else(|| {
            at(path, number, &format!("`{name}` has no line name:password in this file"))
        })?;
        grant(&mut user.grants, verb, what).map_err(|why| at(path, number, &why))?;
    }
    Ok(users)
}

/// What is wrong with a file that can be read, and what is doubtful, each with its line: whoever has no
/// password is anybody, and of two passwords of one name only the last counts.
pub(super) fn slips(path: &Path) -> (Vec<String>, Vec<String>) {
    // One that cannot be read is told where it is read.
    let text = read_text(path).unwrap_or_default();
    let (mut wrong, mut doubtful, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    let pairs = lines(&text).filter(|(_, line)| right(line).is_none());
    for (number, (name, password)) in pairs.filter_map(|(n, line)| Some((n, pair(line)?))) {
        if password.is_empty() {
            let why = format!("`{name}` has no password: anybody could be it");
            wrong.push(at(path, number, &why));
        }
        if !names.insert(name) {
            let why = format!("`{name}` stands here twice; the last one counts");
            doubtful.push(at(path, number, &why));
        }
    }
    (wrong, doubtful)
}

/// Lines that say something, with their numbers.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// Name and password.
fn pair(line: &str) -> Option<(&str, &str)> {
    line.split_once(':').filter(|(name, _)| !name.is_empty())
}

fn at(path: &Path, number: usize, why: &str) -> String {
    format!("{}:{number}: {why}", path.display())
}

/// Name, verb and what follows it. A line of a user has a colon before any verb.
fn right(line: &str) -> Option<(&str, &str, &str)> {
    let rest = line.strip_prefix('@')?;
    ["speaks-for", "answers-for", "may"].into_iter().find_map(|verb| {
        let (name, what) = rest.split_once(&format!(" {verb} "))?;
        (!name.contains(':')).then_some((name.trim(), verb, what))
    })
}

fn grant(grants: &mut Grants, verb: &str, what: &str) -> Result<(), String> {
    let words = || what.split(',').map(str::trim).filter(|word| !word.is_empty());
    if words().next().is_none() {
        return Err(format!("`{verb}` says nothing: {EXPECTED}"));
    }
    if verb == "answers-for" {
        let before = grants.answers_for.names().iter().cloned();
        let all = before.chain(words().map(str::to_owned)).collect::<Vec<_>>();
        grants.answers_for = SpeaksFor::of(all);
        return grants.answers_for.problem().map_or(Ok(()), Err);
    }
    for word in words() {
        match (verb, word) {
            ("speaks-for", device) => {
                grants.devices.insert(device.to_owned());
            }
            (_, "cancel") => grants.cancel = true,
            (_, "reply") => grants.reply = true,
            (_, "posture") => grants.posture = true,
            (_, other) => {
                return Err(format!("`{other}`: expected cancel, reply or posture"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Users, String> {
        parse(Path::new("users"), text)
    }

    #[test]
    fn users_of_today_are_read_as_ever_and_lines_of_rights_beside_them() {
        let text = "# who\n@duty may reply, posture\nbtn-a:se:cret\n\nduty:x\n@hub:pw may x\n  hub two:p w \n@btn-a speaks-for btn-a\n@hub two speaks-for a1, b2,\n@hub two may cancel\n@duty answers-for 王警官, 李 A\n@duty answers-for 城管*\n";
        let users = of(text).unwrap();
        assert_eq!(users.len(), 4);
        assert!(users["btn-a"].has_password(b"se:cret") && !users["btn-a"].has_password(b"se"));
        assert!(users["@hub"].has_password(b"pw may x"), "a colon comes first");
        let duty = &users["duty"].grants;
        assert!(duty.reply && duty.posture && !duty.cancel && duty.devices.is_empty());
        assert_eq!(duty.answers_for.names(), ["王警官", "李 A", "城管*"]);
        let hub = &users["hub two"];
        assert!(hub.has_password(b"p w") && hub.grants.cancel && !hub.grants.reply);
        assert!(hub.grants.answers_for.is_unsaid());
        assert_eq!(hub.grants.devices.iter().collect::<Vec<_>>(), ["a1", "b2"]);
    }

    #[test]
    fn a_slip_is_told_with_its_line() {
        for (text, told) in [
            ("a:b\nc\n", "users:2: expected name:password"),
            (":b\n", "users:1: expected name:password"),
            ("@a may reply\n", "users:1: `a` has no line name:password"),
            ("a:b\n@a may rule\n", "users:2: `rule`: expected cancel, reply or posture"),
            ("a:b\n@a speaks-for ,\n", "users:2: `speaks-for` says nothing"),
            ("a:b\n@a answers-for ,\n", "users:2: `answers-for` says nothing"),
            ("a:b\n@a answers-for 王, *李\n", "users:2: `*李`: expected a name"),
            ("a:b\n@a speak-for c\n", "users:2: expected name:password, `@name speaks-for"),
        ] {
            let error = of(text).err().unwrap_or_default();
            assert!(error.starts_with(told), "{error}");
        }
    }
}
