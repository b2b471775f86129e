//! Every word that a record of the journal may have, and the format of data folder that knows it.
//!
//! `WORDS` is the list of format 3, and closed with it: a word that is added goes into `NEWER_WORDS` with the format that
//! it raises, and the word as which the formats before read it. What serde says of each type is held against the two.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde::{
    Deserializer,
    de::{DeserializeOwned, Visitor},
    forward_to_deserialize_any,
};
use sha2::{Digest, Sha256};

use super::{
    Sums,
    facts::{Carried, Fact, Occasion},
    format::{FORMAT_VERSION, OLDEST_WRITTEN},
    ledger::Ledger,
    newer_words::{NEWER_WORDS, NewerWord},
};
use crate::domain::{
    AccessEvent, AccountRole, AskFor, Class, Datum, DismissReason, DutyRole, Entry, Kind, Level,
    Light, LimitEvent, LimitStep, Measure, Outcome, Posture, PreRollLimit, PressForm, ReplyTo,
    ReplyVia, SourceKind, Stage, Tier, TokenScope, What,
};

/// Words of format 3 and those before, by the Rust name of their type.
const WORDS: &str = include_str!("../../tests/stores/words-3.txt");
/// Of that file. It changes as long as format 3 has not been released, and never again.
const WORDS_SHA256: &str = "150d26dba0bcbb347c7c49dde3a27512b58db5e695c5955b3ff773192cebcfac";

/// Enums of the domain that stand in no record, and where they do.
const NOT_IN_RECORDS: &[(&str, &str)] = &[
    ("Ailment", "devices.json"),
    ("Colour", "the detail of an incident, as text that nothing reads back"),
    ("HwDecode", "the configuration"),
    ("LimitSpan", "the configuration"),
    ("OrderTo", "a request of the console"),
    ("VehicleList", "the list of vehicles"),
    ("VehicleStanding", "the configuration, and a detail as text that nothing reads back"),
];

/// Asks a type for its words, as serde derives them.
struct Asker;

#[derive(Debug)]
struct Words(Vec<&'static str>);

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
impl std::error::Error for Words {}
impl serde::de::Error for Words {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self(Vec::new())
    }
    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(expected.to_vec())
    }
}

impl<'de> Deserializer<'de> for Asker {
    type Error = Words;

    /// An enum with a tag: a word that none has, so that the error names all.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Words> {
        let tagged = ["entry", "carried"].map(|tag| (tag, "no such word"));
        visitor.visit_map(serde::de::value::MapDeserializer::new(tagged.into_iter()))
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Words> {
        Err(Words(words.to_vec()))
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Words> {
        Err(Words(fields.to_vec()))
    }
    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

fn words_of<T: DeserializeOwned>() -> BTreeSet<String> {
    let words = T::deserialize(Asker).err().map(|words| words.0).unwrap_or_default();
    assert!(!words.is_empty(), "{} has no words", std::any::type_name::<T>());
    words.into_iter().map(str::to_owned).collect()
}

macro_rules! words {
    ($($name:ident)*) => {
        BTreeMap::from([$((stringify!($name).to_owned(), words_of::<$name>()),)*])
    };
}

/// As they are now. Of the ledger the fields too: numbers by name.
fn now() -> BTreeMap<String, BTreeSet<String>> {
    words! {
        AccessEvent AccountRole AskFor Carried Class Datum DismissReason DutyRole Entry Kind Ledger
        Level Light LimitEvent LimitStep Measure Occasion Outcome Posture PreRollLimit PressForm
        ReplyTo ReplyVia SourceKind Stage Sums Tier TokenScope What
    }
}

fn listed() -> BTreeMap<String, BTreeSet<String>> {
    let lines = WORDS.lines().filter(|line| !line.starts_with('#'));
    let line = |line: &str| {
        let (of, words) = line.split_once(": ").expect("Type: word word");
        (of.to_owned(), words.split(' ').map(str::to_owned).collect())
    };
    lines.map(line).collect()
}

#[test]
fn every_word_of_a_record_is_known_to_a_format() {
    let mut known = listed();
    for word in NEWER_WORDS {
        known.entry(word.of.into()).or_default().insert(word.word.into());
    }
    for (of, words) in now() {
        let known = known.remove(&of).unwrap_or_default();
        let added: Vec<_> = words.difference(&known).collect();
        assert!(
            added.is_empty(),
            "{of} has new words, {added:?}: a program of format {FORMAT_VERSION} that is gone back to could not read their records. \
             Raise FORMAT_VERSION (store/format.rs) and list them in NEWER_WORDS (store/newer_words.rs) with that number"
        );
        let gone: Vec<_> = known.difference(&words).collect();
        assert!(gone.is_empty(), "{of} has lost {gone:?}: journals are full of them");
    }
    assert!(known.is_empty(), "types that are asked for nothing: {known:?}");
}

#[test]
fn the_list_of_a_format_is_closed() {
    let sha256: String = Sha256::digest(WORDS).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        sha256, WORDS_SHA256,
        "tests/stores/words-3.txt has changed: boxes run programs of format 3, which know these words alone"
    );
}

/// What is wrong with a list of newer words.
fn wrong_with(
    words: &[NewerWord],
    known: &BTreeMap<String, BTreeSet<String>>,
    own: u32,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for word in words {
        let name = format!("{} {:?}", word.of, word.word);
        if !(4..=own).contains(&word.since) {
            wrong.push(format!("{name}: format {} is not above 3 and at most {own}", word.since));
        }
        let knows = |said: &str| known.get(word.of).is_some_and(|words| words.contains(said));
        let older = |one: &&NewerWord| {
            one.of == word.of && one.word == word.read_as && one.since < word.since
        };
        if !knows(word.read_as) && !words.iter().any(|one| older(&one)) {
            wrong.push(format!("{name}: {:?} is no older word of it", word.read_as));
        }
        if knows(word.word) {
            wrong.push(format!("{name}: is not new"));
        }
    }
    wrong
}

#[test]
fn each_newer_word_raises_the_format_and_has_an_older_one() {
    assert_eq!(wrong_with(NEWER_WORDS, &listed(), FORMAT_VERSION), [""; 0]);
    assert!((1..=FORMAT_VERSION).contains(&OLDEST_WRITTEN));
    // And a list that is wrong is found to be.
    let word = |word, since, read_as| NewerWord { of: "Kind", word, since, read_as };
    let known = listed();
    assert_eq!(
        wrong_with(&[word("smoke", 4, "seen"), word("fire", 5, "smoke")], &known, 5),
        [""; 0]
    );
    for bad in [
        word("smoke", 3, "seen"),
        word("smoke", 6, "seen"),
        word("smoke", 4, "fire"),
        word("fallen", 4, "seen"),
        NewerWord { of: "Nothing", word: "smoke", since: 4, read_as: "seen" },
    ] {
        assert_eq!(wrong_with(&[bad], &known, 5).len(), 1, "{bad:?}");
    }
    assert_eq!(
        wrong_with(&[word("fire", 4, "smoke"), word("smoke", 5, "seen")], &known, 5).len(),
        1
    );
}

/// Names of enums that are written and read as JSON, in these sources.
fn enums_of(text: &str) -> Vec<String> {
    let (mut found, mut attributes) = (Vec::new(), String::new());
    for line in text.lines() {
        let line = line.trim_start();
        let named = line.strip_prefix("pub enum ").or(line.strip_prefix("pub(super) enum "));
        match named {
            Some(rest) => {
                let name = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
                if attributes.contains("Deserialize") {
                    found.push(name.to_owned());
                }
                attributes.clear();
            }
            // Attributes, which may go over several lines, and words about it.
            None if line.ends_with('}') || line.ends_with('{') || line.ends_with(';') => {
                attributes.clear()
            }
            None => attributes.push_str(line),
        }
    }
    found
}

#[test]
fn every_enum_of_the_domain_is_asked_or_stands_in_no_record() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("gateway");
    let asked = now();
    let (mut files, mut seen) =
        (vec![root.join("store/facts.rs"), root.join("store/ledger.rs")], 0);
    files.extend(fs::read_dir(root.join("domain")).unwrap().map(|file| file.unwrap().path()));
    for file in files.iter().filter(|file| file.extension().is_some_and(|it| it == "rs")) {
        for name in enums_of(&fs::read_to_string(file).unwrap()) {
            seen += 1;
            let elsewhere = NOT_IN_RECORDS.iter().any(|(one, _)| *one == name);
            assert!(
                asked.contains_key(&name) != elsewhere,
                "{name} of {}: ask it for its words in `now`, or say in NOT_IN_RECORDS where it stands",
                file.display()
            );
        }
    }
    assert!(seen >= asked.len(), "{seen} enums found");
}

#[test]
fn every_kind_of_record_is_known_to_a_format() {
    // A newer kind of record has no older word: an older program passes it over, keeps it and says so. What sinks are
    // owed, or a device was acknowledged for, must not be of one.
    let known: Vec<u8> = (0..=u8::MAX)
        .filter(|&kind| {
            let read = Fact::decode(kind, 1, b"{}");
            !read.is_err_and(|why| why.contains("is not known here"))
        })
        .collect();
    let listed: Vec<u8> = (1..=11).chain(14..=21).collect();
    assert_eq!(known, listed, "raise FORMAT_VERSION for a new kind of record");
}
