//! Programs that may reply in any name, where the site names who grants: as sentences for whoever set it up. Pure.

use super::Config;
use crate::sinks;

/// Tokens that are told by name.
const TOLD_MAX: usize = 5;

/// The token of the site, platforms, and these API tokens: those of which nobody has said in whose names they reply.
/// Where anybody may grant there is nothing to say; with `*` somebody has said it. The error is why the tokens are
/// not known.
pub fn unbounded_senders(config: &Config, tokens: Result<Vec<String>, String>) -> Vec<String> {
    if !config.life.named_grants || config.people().next().is_none() {
        return Vec::new();
    }
    let why = "may reply in the name of anybody, so grant what another asked and verify what another handled";
    let mut told = Vec::new();
    if config.web.speaks_for.is_unsaid() {
        told.push(format!(
            "web.speaks_for: whoever has the token of the site {why}: name whose names it may use, or \"*\" for anybody"
        ));
    }
    for sink in &config.sinks {
        let sinks::Config::Profile(platform) = sink else { continue };
        if platform.takes_replies() && platform.speaks_for.is_unsaid() {
            told.push(format!(
                "sink {}: speaks_for: its platform {why}: name whose names it may use, or \"*\" for anybody",
                platform.id
            ));
        }
    }
    let tokens = tokens.unwrap_or_else(|why| {
        told.push(format!("API tokens: in whose names they reply is not known: {why}"));
        Vec::new()
    });
    let more = if tokens.len() > TOLD_MAX { " and others" } else { "" };
    let names = tokens.iter().take(TOLD_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    if !names.is_empty() {
        told.push(format!(
            "API tokens {names}{more}: whoever has one {why}: make another with --speaks-for"
        ));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::unbounded_senders;
    use crate::config::{env::FixedEnvironment, parse};

    const PROFILE: &str = "name = \"x\"\n[[send]]\nopens = true\npath = \"a\"\n";
    const HEARS: &str = "[push]\n[reply]\ncase = \"/case\"\nid = \"/id\"\nstatus = \"/status\"\n[inward]\n\"1\" = \"verified\"\n";

    #[test]
    fn who_may_use_any_name_is_told_where_names_count_and_where_nobody_has_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let (deaf, hears) = (folder.path().join("deaf.toml"), folder.path().join("hears.toml"));
        std::fs::write(&deaf, PROFILE).unwrap();
        std::fs::write(&hears, format!("{PROFILE}{HEARS}")).unwrap();
        let told = |life: &str,
                    web: &str,
                    (profile, sink): (&std::path::Path, &str),
                    tokens: &[&str]| {
            let text = format!(
                "[site]\nid = \"x\"\n[web]\n{web}\n{life}\n[[sink]]\nid = \"district\"\nkind = \"profile\"\nurl = \"https://h/\"\nprofile_file = {profile:?}\n{sink}\n"
            );
            let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
            let config = config.unwrap_or_else(|| panic!("{problems:?}"));
            let tokens: Vec<String> = tokens.iter().map(|name| (*name).to_owned()).collect();
            let said = unbounded_senders(&config, Ok(tokens));
            said.iter().map(|one| one.split(':').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let named = "[[life.contact]]\nlevel = \"community\"\nname = \"李建国\"";
        let loose = "[life]\nnamed_grants = false\n[[life.contact]]\nlevel = \"community\"\nname = \"李建国\"";
        let said = "speaks_for = [\"李建国\"]";
        let any = "speaks_for = [\"*\"]";
        let all = ["web.speaks_for", "sink district", "API tokens desk"];
        assert_eq!(told(named, "", (&hears, ""), &["desk"]), all);
        assert_eq!(told(named, "", (&deaf, ""), &[]), all[..1]);
        assert_eq!(told(named, said, (&hears, ""), &[]), all[1..2]);
        assert_eq!(told(named, any, (&hears, said), &["desk"]), all[2..]);
        for (life, web, sink) in [(named, said, any), (loose, "", ""), ("", "", "")] {
            let tokens: &[&str] = if life == named { &[] } else { &["desk"] };
            assert_eq!(told(life, web, (&hears, sink), tokens), Vec::<String>::new(), "{life}");
        }
        let many = ["a", "b", "c", "d", "e", "f"];
        assert_eq!(told(named, any, (&deaf, ""), &many), ["API tokens a, b, c, d, e and others"]);
    }

    #[test]
    fn tokens_that_cannot_be_read_are_not_taken_for_none() {
        let text = "[site]\nid = \"x\"\n[web]\nspeaks_for = [\"*\"]\n[[life.contact]]\nlevel = \"community\"\nname = \"李建国\"\n";
        let (config, _) = parse("a.toml", text, &FixedEnvironment::default());
        let told = unbounded_senders(&config.unwrap(), Err("accounts.json: denied".into()));
        assert_eq!(
            told,
            ["API tokens: in whose names they reply is not known: accounts.json: denied"]
        );
    }

    #[test]
    fn what_is_no_name_is_told_at_its_key() {
        let text = "[site]\nid = \"x\"\n[web]\nspeaks_for = [\"王\", \" \"]\n";
        let (config, problems) = parse("a.toml", text, &FixedEnvironment::default());
        assert!(config.is_none());
        let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(told[0].contains("error: web.speaks_for: ` `: expected a name"), "{told:?}");
    }
}
