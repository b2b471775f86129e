//! `[[speaker]]`, `[[announce]]` and `[voice]`: each read and checked, and made into one sink a speaker.

use std::collections::BTreeSet;

use super::{
    problem::did_you_mean,
    read::Document,
    sections::{Items, nothing},
    site::SiteConfig,
};
use crate::{
    domain::SourceInfo,
    rules,
    sinks::{AnnounceConfig, Config, SpeakerConfig, SpeakerSinkConfig, VoiceConfig},
};

/// The three sections, as typed.
pub(super) struct Speakers {
    pub(super) all: Items<SpeakerConfig>,
    announce: Items<AnnounceConfig>,
    voice: Option<VoiceConfig>,
}

impl Speakers {
    pub(super) fn read(document: &mut Document<'_>) -> Self {
        Self {
            all: document.each("speaker", SpeakerConfig::problems, SpeakerConfig::warnings),
            announce: document.each("announce", AnnounceConfig::problems, nothing),
            voice: document.one("voice", VoiceConfig::problems, VoiceConfig::warnings),
        }
    }

    /// What is wrong between them and the rest, and the sinks that they are. `sources` know where each
    /// speaker is.
    pub(super) fn check(
        &self,
        document: &mut Document<'_>,
        (rules, sinks): (&Items<rules::Config>, &[Config]),
        (site, sources): (&SiteConfig, &[SourceInfo]),
    ) -> Vec<Config> {
        for (index, speaker) in &self.all {
            if sinks.iter().any(|sink| sink.id().as_str() == speaker.id) {
                let message = format!("`{}` is a [[sink]] already", speaker.id);
                document.problem(&["speaker", index, "id"], message, None);
            }
        }
        self.check_names(document, rules, sources);
        let sink = |speaker: &SpeakerConfig| {
            let of = sources.iter().find(|source| source.id.as_str() == speaker.id);
            let about = self.announce.iter().map(|(_, one)| one);
            Config::Speaker(Box::new(SpeakerSinkConfig {
                speaker: speaker.clone(),
                announce: about.filter(|one| one.concerns(&speaker.id)).cloned().collect(),
                voice: self.voice.clone().unwrap_or_default(),
                grid: of.and_then(|one| one.grid.as_ref()).map(|grid| grid.code.clone()),
                timezone: site.timezone.clone(),
            }))
        };
        self.all.iter().map(|(_, speaker)| sink(speaker)).collect()
    }

    /// Names of what is not there; and an announcement that nobody would ever hear.
    fn check_names(
        &self,
        document: &mut Document<'_>,
        rules: &Items<rules::Config>,
        sources: &[SourceInfo],
    ) {
        let speakers: BTreeSet<&str> = self.all.iter().map(|(_, one)| one.id.as_str()).collect();
        let rules: BTreeSet<&str> = rules.iter().map(|(_, one)| one.id.as_str()).collect();
        let known: BTreeSet<&str> = sources.iter().map(|one| one.id.as_str()).collect();
        let in_a_grid = |id: &&str| {
            sources.iter().any(|source| source.id.as_str() == *id && source.grid.is_some())
        };
        for (index, one) in &self.announce {
            for (key, named, known, what) in [
                ("speakers", &one.speakers, &speakers, "[[speaker]]"),
                ("rules", &one.rules, &rules, "[[rule]]"),
                ("sources", &one.sources, &known, "camera, drone, button or gauge"),
            ] {
                for name in named.iter().filter(|name| !known.contains(name.as_str())) {
                    let hint = did_you_mean(name, known.iter().copied());
                    let message = format!("no {what} has the id `{name}`");
                    document.problem(&["announce", index, key], message, hint);
                }
            }
            if one.speakers.is_empty() && !speakers.iter().any(&in_a_grid) {
                let message = "no speaker stands in a grid: nothing is said; name speakers here, or give them `grid` or `place`";
                document.warning(&["announce", index, "speakers"], message.into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{env::FixedEnvironment, parse};

    const SITE: &str = "[site]\nid = \"x\"\n";

    fn speaker(id: &str, way: &str) -> String {
        format!("[[speaker]]\nid = \"{id}\"\nway = \"{way}\"\n")
    }

    #[test]
    fn what_is_wrong_between_speakers_and_the_rest_is_told() {
        let text = [
            SITE,
            "[[sink]]\nid = \"hall\"\nkind = \"jsonl\"\npath = \"-\"\n",
            "[[rule]]\nid = \"lane\"\nkind = \"fire-lane\"\n",
            "[[camera]]\nid = \"gate\"\nurl = \"rtsp://h/1\"\n",
            &speaker("hall", "sip:192.0.2.7"),
            &speaker("gate", "sip:192.0.2.8"),
            &speaker("yard", "sips:1"),
            "[[announce]]\nid = \"a\"\nrules = [\"lnae\"]\nspeakers = [\"hal\"]\nsources = [\"gat\"]\nzh = \"请\"\n",
            "[[announce]]\nid = \"b\"\nkinds = [\"fallen\"]\nzh = \"请\"\n",
        ]
        .concat();
        let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(config.is_none() || lines.iter().any(|line| line.contains("error")));
        for part in [
            "speaker[1].id: `hall` is a [[sink]] already",
            "speaker[2].id: `gate` is used twice",
            "speaker[3].way: `sips`: expected sip:, rtp://",
            "announce[1].rules: no [[rule]] has the id `lnae` (did you mean `lane`?)",
            "announce[1].speakers: no [[speaker]] has the id `hal` (did you mean `hall`?)",
            "announce[1].sources: no camera, drone, button or gauge has the id `gat`",
            "announce[2].speakers: no speaker stands in a grid",
        ] {
            assert!(lines.iter().any(|line| line.contains(part)), "{part} not in {lines:#?}");
        }
    }

    #[test]
    fn a_speaker_is_a_sink_with_what_is_said_there() {
        let announce =
            "[[announce]]\nid = \"a\"\nkinds = [\"fallen\"]\nspeakers = [\"yard\"]\nzh = \"请\"\n";
        let (hall, yard) = (speaker("hall", "sip:192.0.2.7"), speaker("yard", "sip:192.0.2.8"));
        let text = [SITE, &hall, &yard, announce].concat();
        let (config, problems) = parse("a.toml", &text, &FixedEnvironment::default());
        let config = config.unwrap_or_else(|| panic!("{problems:?}"));
        let of = |sink: &crate::sinks::Config| {
            let crate::sinks::Config::Speaker(one) = sink else { panic!("another kind") };
            (one.speaker.id.clone(), one.announce.len())
        };
        let said: Vec<(String, usize)> = config.sinks.iter().map(of).collect();
        assert_eq!(said, [("hall".to_owned(), 0), ("yard".to_owned(), 1)]);
    }
}
