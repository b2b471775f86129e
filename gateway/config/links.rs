//! For whom signed links may be: everybody whom the configuration names, and what of `link` leads nowhere.

use std::collections::HashSet;

use super::{Config, read::Document};
use crate::sinks;

impl Config {
    /// Everybody whom it names: on duty, told of limits, answering for an item, in a grid. Some more than once.
    pub fn people(&self) -> impl Iterator<Item = &str> {
        let routing = &self.routing;
        let shifts = routing.roster.iter().flat_map(|roster| &roster.shifts);
        let contacts = self.life.contact.iter().map(|contact| contact.name.as_str());
        let items = routing.routes.items.iter().filter_map(|item| item.person.as_deref());
        let otherwise = routing.routes.otherwise.iter().map(|one| one.person.as_str());
        shifts
            .map(|shift| shift.who.name.as_str())
            .chain(contacts)
            .chain(items)
            .chain(otherwise)
            .chain(self.grids.people())
    }
}

pub(super) fn check(document: &mut Document<'_>, config: &Config) {
    let people: HashSet<&str> = config.people().collect();
    if config.links.is_some() && people.is_empty() {
        let message = "nobody is named in this file or its lists: a link is for a person of the duty list, of [[life.contact]], of [routing] or of a grid";
        document.warning(&["links"], message.into());
    }
    for (index, sink) in config.sinks.iter().enumerate() {
        let index = index.to_string();
        let Some(link_for) = sink.links() else { continue };
        let Some(name) = &link_for.name else {
            if config.links.is_none() && matches!(sink, sinks::Config::Webhook(_)) {
                let message = "{link} stays empty: [links] is not in this file";
                document.warning(&["sink", &index, "body"], message.into());
            }
            continue;
        };
        let message = if config.links.is_none() {
            "[links] is not in this file: nobody gets a link".to_owned()
        } else if people.contains(name.as_str()) {
            continue;
        } else {
            format!(
                "nobody is called `{name}`: expected a person of the duty list, of [[life.contact]], of [routing] or of a grid"
            )
        };
        document.warning(&["sink", &index, "link_for"], message);
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{env::FixedEnvironment, parse};

    #[test]
    fn a_link_that_nobody_can_get_or_open_is_told() {
        let told = |links: &str, sink: &str| {
            let text = format!(
                "[site]\nid = \"x\"\n{links}\n[[life.contact]]\nlevel = \"community\"\nname = \"李建国\"\n[[sink]]\nid = \"a\"\nkind = \"webhook\"\nurl = \"https://h/\"\ncontent_type = \"text/plain\"\n{sink}\n"
            );
            let (_, problems) = parse("a.toml", &text, &FixedEnvironment::default());
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        let links = |more: &str| {
            format!(
                "[links]\nlisten = \"127.0.0.1:8688\"\nurl = \"https://reach.example/\"\n{more}"
            )
        };
        let body = "body = \"{title} {link}\"";
        assert_eq!(told(&links(""), body), "");
        assert_eq!(told(&links("valid_h = 1"), &format!("{body}\nlink_for = \"李建国\"")), "");
        assert_eq!(told(&links("valid_h = 720\npictures = true"), body), "");
        for (links, sink, part) in [
            (String::new(), body.to_owned(), "sink[1].body: {link} stays empty"),
            (
                links(""),
                format!("{body}\nlink_for = \"王芳\""),
                "link_for: nobody is called `王芳`",
            ),
            (String::new(), format!("{body}\nlink_for = \"李建国\""), "nobody gets a link"),
            (links(""), "body = \"x\"\nlink_for = \"李建国\"".into(), "needs {link} in `body`"),
            (links("valid_h = 0"), body.into(), "links.valid_h: 0: expected 1 to 720"),
            (links("valid_h = 721"), body.into(), "links.valid_h: 721: expected 1 to 720"),
            (
                links("").replace("127.0.0.1:8688", "0.0.0.0:8688"),
                body.into(),
                "warning: links.listen: 0.0.0.0:8688 is beyond loopback without TLS",
            ),
            (links("").replace("https:", "http:"), body.into(), "warning: links.url: plain http"),
            (links("").replace("https:", "ftp:"), body.into(), "error: links.url"),
            (links("").replace("example/", "example/?a=b"), body.into(), "error: links.url"),
            (
                links("").replace("example", &"e".repeat(100)),
                body.into(),
                "no text message holds such a link",
            ),
            (links("").replace("8688", "8686"), body.into(), "taken by [web]"),
        ] {
            let told = told(&links, &sink);
            assert!(told.contains(part), "{part} not in {told}");
        }
        let loopback = links("").replace("https://reach.example", "http://127.0.0.1:8688");
        assert_eq!(told(&loopback, body), "");
    }

    #[test]
    fn whoever_is_named_anywhere_may_have_one() {
        let text = "[site]\nid = \"x\"\n[[life.contact]]\nlevel = \"community\"\nname = \"李建国\"\n[routing]\notherwise = { department = \"综治中心\", person = \"周长\" }\n";
        let (config, problems) = parse("a.toml", text, &FixedEnvironment::default());
        let config = config.unwrap_or_else(|| panic!("{problems:?}"));
        assert_eq!(config.people().collect::<Vec<_>>(), ["李建国", "周长"]);
    }
}
