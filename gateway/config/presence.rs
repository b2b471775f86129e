//! What is wrong between places at which devices are counted, brokers and the intake.

use super::{button::ButtonConfig, problem::did_you_mean, read::Document, sections::Items};
use crate::sources::{intake, mqtt, presence};

/// A hundred would be a plan of who walks where.
const PLACES_MAX: usize = 64;

pub(super) fn check(
    document: &mut Document<'_>,
    places: &Items<presence::Config>,
    (brokers, intake): (&Items<mqtt::Config>, Option<&intake::Config>),
    site: &str,
) {
    if places.len() > PLACES_MAX {
        let message = format!("{} places; at most {PLACES_MAX} are counted", places.len());
        document.problem(&["presence"], message, None);
    }
    for (index, place) in places {
        let known = || brokers.iter().map(|(_, broker)| broker.id.as_str());
        if let Some(broker) = place.broker.as_deref().filter(|id| !known().any(|one| one == *id)) {
            let message = format!("no [[mqtt]] is called `{broker}`");
            let hint = did_you_mean(broker, known());
            document.problem(&["presence", index, "broker"], message, hint);
        }
        let (key, by_intake) = match place.user {
            Some(_) => ("user", true),
            None => ("topics", place.broker.is_none()),
        };
        if by_intake && intake.is_none() {
            let message = "its sensors would come to [intake], which is not there; or name the broker that they speak at";
            document.problem(&["presence", index, key], message.into(), None);
        }
    }
    let all: Vec<&presence::Config> = places.iter().map(|(_, place)| place).collect();
    let asked: Vec<(&str, Vec<String>)> =
        brokers.iter().map(|(_, one)| (one.id.as_str(), one.topics(&site.into()))).collect();
    let asked = asked.iter().map(|(id, topics)| (*id, topics.as_slice()));
    for (at, key, message) in presence::clashes(&all, asked) {
        let index = places[at].0.clone();
        document.problem(&["presence", &index, key], message, None);
    }
}

/// What a sensor's user says is never read as a press: no button may be his.
pub(super) fn check_users(
    document: &mut Document<'_>,
    places: &Items<presence::Config>,
    buttons: &[ButtonConfig],
) {
    for (index, place) in places {
        let own = |button: &&ButtonConfig| button.user.is_some() && button.user == place.user;
        if let Some(button) = buttons.iter().find(own) {
            let message = format!(
                "button {} speaks as him too: its presses would be counted as a sensor's, and call nobody",
                button.id
            );
            document.problem(&["presence", index, "user"], message, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{env::FixedEnvironment, parse};

    fn told(text: &str) -> (bool, Vec<String>) {
        let text = format!("[site]\nid = \"x\"\n{text}");
        let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
        (config.is_some(), problems.iter().map(ToString::to_string).collect())
    }

    const BROKER: &str = "[[mqtt]]\nid = \"yard\"\nurl = \"mqtt://h\"\n";
    const PLACE: &str = "[[presence]]\nid = \"p\"\ntopics = [\"wifi/p\"]\n";

    #[test]
    fn who_hears_the_sensors_must_be_there() {
        let fine = [
            format!("[intake]\nallow_anonymous = true\n{PLACE}"),
            format!("{BROKER}{PLACE}broker = \"yard\"\n"),
        ];
        for text in fine {
            let (is_fine, told) = told(&text);
            assert!(is_fine, "{told:?}");
        }
        for (text, part) in [
            (PLACE.to_owned(), "presence[1].topics: its sensors would come to [intake]"),
            (
                format!("{BROKER}{PLACE}broker = \"yrad\"\n"),
                // A broker's address may hold a password: no value of such a key is shown.
                "presence[1].broker: no [[mqtt]] is called `…` (did you mean `yard`?)",
            ),
            (
                format!("{BROKER}topics = [\"#\"]\n{PLACE}broker = \"yard\"\n"),
                "addresses would lie on the broker's disk",
            ),
            (
                format!("{BROKER}{PLACE}broker = \"yard\"\nk = 9\n"),
                "presence[1].k: 9 would tell of so few that each is known: at least 10",
            ),
            (
                "[intake]\nallow_anonymous = true\n[[presence]]\nid = \"p\"\nuser = \"u\"\n[[button]]\nid = \"b\"\nuser = \"u\"\n".into(),
                "presence[1].user: button b speaks as him too",
            ),
            (
                format!("{BROKER}{PLACE}broker = \"yard\"\n[[button]]\nid = \"p\"\n"),
                "`p` is used twice",
            ),
        ] {
            let (is_fine, told) = told(&text);
            assert!(!is_fine && told.iter().any(|line| line.contains(part)), "{part}: {told:#?}");
        }
    }
}
