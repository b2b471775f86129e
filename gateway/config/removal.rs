//! What a new configuration would take away altogether: a file that was cut off reads like one that wants less. Pure.

use super::{Config, diff::Contents};

/// A list of buttons this long that loses more than half of them at once was probably cut off.
const LIST_MIN: usize = 10;

impl Config {
    /// What would be gone altogether if `new` took the place of this one, a phrase each: a way in for
    /// devices, the web's own section, all sinks, all or most of the buttons. Empty: nothing of the kind.
    pub fn losses(&self, new: &Self) -> Vec<String> {
        let mut gone = Vec::new();
        let mut ask = |goes: bool, what: String| gone.extend(goes.then_some(what));
        ask(self.intake.is_some() && new.intake.is_none(), "[intake]".into());
        ask(self.links.is_some() && new.links.is_none(), "[links]".into());
        let stations = |config: &Self| config.weather.sl651.is_some();
        ask(stations(self) && !stations(new), "[sl651]".into());
        ask(self.reports.is_some() && new.reports.is_none(), "[reports]".into());
        let web = |config: &Self| Contents::is_default_web(&config.web);
        ask(!web(self) && web(new), "[web] (it would be as by default)".into());
        let all = |old: usize, new: usize| old > 0 && new == 0;
        let (old, left) = (self.mqtt.len(), new.mqtt.len());
        ask(all(old, left), format!("every [[mqtt]] ({old})"));
        let (old, left) = (self.sinks.len(), new.sinks.len());
        ask(all(old, left), format!("every [[sink]] ({old})"));
        let (old, left) = (self.buttons.len(), new.buttons.len());
        ask(all(old, left), format!("every button ({old})"));
        let stays = |id: &str| new.buttons.iter().any(|button| button.id == id);
        let missing = self.buttons.iter().filter(|button| !stays(&button.id)).count();
        let most = left > 0 && old >= LIST_MIN && missing * 2 > old;
        ask(most, format!("{missing} of {old} buttons"));
        gone
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, env::FixedEnvironment, parse};

    fn config(text: &str) -> Config {
        let text = format!("[site]\nid = \"demo\"\n{text}");
        let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
        config.unwrap_or_else(|| panic!("{problems:?}"))
    }

    fn buttons(from: usize, to: usize) -> String {
        (from..to).map(|n| format!("[[button]]\nid = \"b-{n}\"\n")).collect()
    }

    #[test]
    fn a_file_that_was_cut_off_names_what_it_would_take_away_and_a_change_names_nothing() {
        let sink =
            |id: &str| format!("[[sink]]\nid = \"{id}\"\nkind = \"http\"\nurl = \"http://h/\"\n");
        let door = "[intake]\nallow_anonymous = true\n";
        let parts = [
            "[web]\nlisten = \"127.0.0.1:1234\"\n".to_owned(),
            door.to_owned(),
            "[links]\nlisten = \"127.0.0.1:8688\"\nurl = \"https://h/\"\n".to_owned(),
            "[sl651]\n".to_owned(),
            "[[mqtt]]\nid = \"m\"\nurl = \"mqtt://h\"\n".to_owned(),
            sink("a"),
            sink("b"),
            buttons(0, 20),
        ];
        let whole = config(&parts.concat());
        let losses = |text: &str| whole.losses(&config(text));
        assert_eq!(losses(&parts.concat()), Vec::<String>::new());
        assert_eq!(
            losses(""),
            [
                "[intake]",
                "[links]",
                "[sl651]",
                "[web] (it would be as by default)",
                "every [[mqtt]] (1)",
                "every [[sink]] (2)",
                "every button (20)"
            ]
        );
        // Cut after each part: whatever is missing is named, until nothing is.
        for kept in 0..parts.len() {
            assert!(!losses(&parts[..kept].concat()).is_empty(), "{kept}");
        }
        let with = |list: String| losses(&[parts[..7].concat(), list].concat());
        assert_eq!(with(buttons(0, 9)), ["11 of 20 buttons"]);
        assert_eq!(with(buttons(0, 10)), Vec::<String>::new(), "half of them");
        assert_eq!(with(buttons(11, 40)), ["11 of 20 buttons"], "others in their place");
        // One of two sinks, and anything that is added.
        let less = [&parts[..6], &parts[7..]].concat().concat();
        assert_eq!(losses(&less), Vec::<String>::new());
        assert_eq!(config("").losses(&whole), Vec::<String>::new());
        let few = config(&buttons(0, 9));
        assert_eq!(few.losses(&config(&buttons(0, 1))), Vec::<String>::new(), "nine are few");
        assert_eq!(few.losses(&config("")), ["every button (9)"]);
    }
}
