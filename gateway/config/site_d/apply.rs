//! Changes of what was applied: checked first, written whole, kept in versions, undone, told to the journal.
//!
//! The version is written first, and counts from the moment `applied.toml` is renamed into its place: a
//! cut anywhere leaves the old one or the new one. A version beyond the one in effect never was in
//! effect, and the next one takes its number. `versions/noted` says up to which the journal knows.

use std::{
    fmt,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;

use super::{Folder, HEAD, VERSIONS, Version, lost, read_file, version_of};
use crate::{
    base::{give_to_owner_of, lock_file, write_whole_secret},
    config::{Config, Difference, Problem, data_path, env::Environment, parse_laid, read::Layer},
    domain::clean_cut,
};

/// Versions that are kept.
const VERSIONS_MAX: usize = 20;
/// Somebody else applies for longer than this: he hangs.
const LOCK_WITHIN: Duration = Duration::from_secs(3);
/// Characters of who and why.
const TEXT_CHARS_MAX: usize = 200;
/// Up to which version the journal knows.
const NOTED: &str = "noted";
const SECOND_LINE: &str = "# 由 gridpost 写入，请勿手改；撤销用 gridpost config undo (written by gridpost, which alone changes it)\n";

/// One change of what was applied.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A key of a section, or of the item of a list with this id, which is made where there is none. The
    /// value is as typed in TOML: `${NAME}` is a variable, `$$` a dollar sign.
    Set { section: String, id: Option<String>, key: String, value: toml::Value },
    /// The item is taken away, also where the hand-written file has it.
    Remove { section: String, id: String },
    /// What was applied of this key counts no more: the hand-written file or the default does.
    Forget { section: String, id: Option<String>, key: String },
}

impl fmt::Display for Change {
    /// By name, never by value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |section: &str, id: &Option<String>| match id {
            Some(id) => format!("{section} {id}"),
            None => section.to_owned(),
        };
        match self {
            Self::Set { section, id, key, .. } => write!(f, "{}: {key}", place(section, id)),
            Self::Remove { section, id } => write!(f, "{section} {id}: removed"),
            Self::Forget { section, id, key } => {
                write!(f, "{}: {key} as before", place(section, id))
            }
        }
    }
}

/// What somebody wants applied, together or not at all.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The version that he saw; another one by now refuses it.
    pub on: u32,
    /// Who, as claimed.
    pub by: String,
    /// For people.
    pub why: String,
    /// In this order.
    pub all: Vec<Change>,
}

/// What somebody wants undone.
#[derive(Clone, Debug)]
pub struct Undo {
    /// As [`Changes::on`]: of two who undo the same one, the second is told.
    pub on: u32,
    /// Back to this version (0: nothing applied); default: what stood before the one in effect.
    pub to: Option<u32>,
    /// Who, as claimed.
    pub by: String,
}

/// Why nothing was applied; nothing was written.
#[derive(Debug)]
pub enum Refusal {
    /// The configuration would not be sound.
    Wrong(Vec<Problem>),
    /// Somebody else was first.
    Meanwhile(Box<Version>),
    /// It needs a restart, a sentence each.
    Frozen(Vec<String>),
    /// It would take away whole parts: asked again with a second word, it is done.
    Takes(Vec<String>),
    /// Everything is so already.
    Nothing,
    /// No such version is kept; those that are.
    NoVersion(u32, Vec<u32>),
    /// The disk, or somebody who holds the lock.
    Failed(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(problems) => {
                let errors = problems.iter().filter(|one| !one.warning).count();
                write!(
                    f,
                    "{errors} error(s) in the configuration as it would be; nothing was written"
                )
            }
            Self::Meanwhile(other) => write!(
                f,
                "version {} was applied meanwhile by {} ({}): look again",
                other.version, other.by, other.why
            ),
            Self::Frozen(sentences) => write!(f, "{}", sentences.join("; ")),
            Self::Takes(losses) => {
                write!(f, "this would take away {}: ask again with --confirm", losses.join(", "))
            }
            Self::Nothing => write!(f, "nothing differs from what is applied"),
            Self::NoVersion(version, kept) => {
                write!(
                    f,
                    "version {version} is not kept; there are {kept:?} and 0, nothing applied"
                )
            }
            Self::Failed(why) => write!(f, "{why}"),
        }
    }
}

/// What to write: the keys alone, without the two lines at the head.
struct Planned {
    folder: Folder,
    version: Version,
    text: String,
}

/// Applies changes over the hand-written file at `file`: they are in effect with the next reload.
/// `confirmed`: they may take away whole parts. Blocks on the disk.
pub fn apply(
    file: &Path,
    environment: &dyn Environment,
    now: Timestamp,
    changes: &Changes,
    confirmed: bool,
) -> Result<Version, Refusal> {
    let site = Site::read(file, environment)?;
    let _lock = site.folder.lock()?;
    site.plan(changes, now, confirmed)?.write()
}

/// As [`apply`], and writes nothing: the text of `applied.toml` as it would be.
pub fn try_out(
    file: &Path,
    environment: &dyn Environment,
    now: Timestamp,
    changes: &Changes,
) -> Result<String, Refusal> {
    Ok(Site::read(file, environment)?.plan(changes, now, true)?.text)
}

/// The number of what is applied now, for [`Undo::on`].
pub fn seen(file: &Path, environment: &dyn Environment) -> Result<u32, Refusal> {
    Ok(Site::read(file, environment)?.folder.current())
}

/// Goes back to an earlier version, as a new one: what is undone can be undone. Blocks on the disk.
pub fn undo(
    file: &Path,
    environment: &dyn Environment,
    now: Timestamp,
    undo: &Undo,
    confirmed: bool,
) -> Result<Version, Refusal> {
    let site = Site::read(file, environment)?;
    let _lock = site.folder.lock()?;
    let current = site.folder.current();
    if current != undo.on {
        return Err(site.meanwhile(current));
    }
    let none = |number| Refusal::NoVersion(number, site.folder.kept());
    let to = undo.to.or(current.checked_sub(1)).ok_or_else(|| none(0))?;
    let body = match to {
        0 => String::new(),
        number if number > current => return Err(none(number)),
        number => {
            let kept = read_file(&site.folder.version_file(number)).map_err(|_| none(number))?;
            body_of(&kept.0).to_owned()
        }
    };
    let why = format!("back to version {to}");
    let planned = site.check(body, (&undo.by, &why), vec![why.clone()], now, confirmed)?;
    planned.write()
}

/// Versions in effect since that the journal does not know, the oldest first. [`note`] says that it does.
pub fn unnoted(data: &Path) -> Vec<Version> {
    let (all, _) = super::versions(data);
    let noted = fs::read_to_string(Folder::of(data).noted()).ok();
    let noted: u32 = noted.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    all.into_iter().filter(|one| one.version > noted).collect()
}

/// The journal knows of this version.
pub fn note(data: &Path, version: u32) -> io::Result<()> {
    write_whole_secret(&Folder::of(data).noted(), format!("{version}\n").as_bytes())
}

/// The hand-written file and what lies over it.
struct Site<'e> {
    file: String,
    text: String,
    folder: Folder,
    environment: &'e dyn Environment,
}

impl<'e> Site<'e> {
    fn read(file: &Path, environment: &'e dyn Environment) -> Result<Self, Refusal> {
        let text = fs::read_to_string(file)
            .map_err(|error| Refusal::Failed(format!("{}: {error}", file.display())))?;
        let file = file.display().to_string();
        let folder = Folder::of(&data_path(&file, &text, environment));
        Ok(Self { file, text, folder, environment })
    }

    fn plan(&self, changes: &Changes, now: Timestamp, confirmed: bool) -> Result<Planned, Refusal> {
        let current = self.folder.current();
        if let Some(current) = self.folder.lost() {
            let path = self.folder.applied();
            return Err(Refusal::Failed(format!("{}: {}", path.display(), lost(current))));
        }
        if current != changes.on {
            return Err(self.meanwhile(current));
        }
        let text = match read_file(&self.folder.applied()) {
            Ok((text, _)) if self.folder.is_torn(&text, version_of(&text).as_ref()) => {
                return Err(self.broken(current, "is cut off"));
            }
            Ok((text, _)) => text,
            Err(_) if !self.folder.is_there() => String::new(),
            Err(why) => return Err(self.broken(current, &why)),
        };
        let mut table: toml::Table =
            toml::from_str(&text).map_err(|error| self.broken(current, error.message()))?;
        for change in &changes.all {
            put(&mut table, change).map_err(Refusal::Failed)?;
        }
        let body = toml::to_string(&table).map_err(|error| Refusal::Failed(error.to_string()))?;
        if body == body_of(&text) {
            return Err(Refusal::Nothing);
        }
        let names = changes.all.iter().map(ToString::to_string).collect();
        self.check(body, (&changes.by, &changes.why), names, now, confirmed)
    }

    fn broken(&self, current: u32, why: &str) -> Refusal {
        let path = self.folder.applied();
        let hint = format!("`gridpost config undo --to {current}` writes it anew as it was");
        Refusal::Failed(format!("{}: {why}; {hint}", path.display()))
    }

    fn meanwhile(&self, current: u32) -> Refusal {
        let text = read_file(&self.folder.applied()).ok();
        let version = text.and_then(|(text, _)| version_of(&text));
        let unknown = || Version {
            version: current,
            at: Timestamp::UNIX_EPOCH,
            by: "?".into(),
            why: "?".into(),
            changes: Vec::new(),
        };
        Refusal::Meanwhile(Box::new(version.unwrap_or_else(unknown)))
    }

    /// The whole configuration as it would be.
    fn check(
        &self,
        body: String,
        (by, why): (&str, &str),
        changes: Vec<String>,
        now: Timestamp,
        confirmed: bool,
    ) -> Result<Planned, Refusal> {
        let one_line = |text: &str| clean_cut(text, TEXT_CHARS_MAX);
        let version = Version {
            version: self.folder.current() + 1,
            at: now,
            by: one_line(by),
            why: one_line(why),
            changes,
        };
        let head =
            serde_json::to_string(&version).map_err(|why| Refusal::Failed(why.to_string()))?;
        let text = format!("{HEAD}{head}\n{SECOND_LINE}{body}");
        let own = self.folder.applied().display().to_string();
        let mut layers = self.folder.read().layers;
        let (before, _) = self.parse(&layers);
        layers.retain(|layer| layer.file != own);
        layers.push(Layer { file: own, text: text.clone() });
        let (after, problems) = self.parse(&layers);
        let Some(after) = after else { return Err(Refusal::Wrong(problems)) };
        if let Some(before) = before {
            let frozen = Difference::between(&before, &after).frozen();
            if !frozen.is_empty() {
                return Err(Refusal::Frozen(frozen));
            }
            let losses = before.losses(&after);
            if !losses.is_empty() && !confirmed {
                return Err(Refusal::Takes(losses));
            }
        }
        Ok(Planned { folder: self.folder.clone(), version, text })
    }

    fn parse(&self, layers: &[Layer]) -> (Option<Config>, Vec<Problem>) {
        parse_laid(&self.file, &self.text, layers, self.environment)
    }
}

/// Without the two lines at the head.
fn body_of(text: &str) -> &str {
    let rest = match text.strip_prefix(HEAD) {
        Some(rest) => rest.split_once('\n').map_or("", |(_, rest)| rest),
        None => text,
    };
    rest.strip_prefix(SECOND_LINE).unwrap_or(rest)
}

/// Makes one change in the table of what was applied.
fn put(table: &mut toml::Table, change: &Change) -> Result<(), String> {
    match change {
        Change::Set { section, id, key, value } => {
            let keys = keys_of(table, section, id.as_deref())?;
            keys.remove("removed");
            keys.insert(key.clone(), value.clone());
        }
        Change::Remove { section, id } => {
            let keys = keys_of(table, section, Some(id))?;
            keys.retain(|key, _| key == "id");
            keys.insert("removed".into(), true.into());
        }
        Change::Forget { section, id, key } => {
            let keys = keys_of(table, section, id.as_deref())?;
            keys.remove(key);
        }
    }
    tidy(table);
    Ok(())
}

/// Nothing that says nothing.
fn tidy(table: &mut toml::Table) {
    for (_, value) in table.iter_mut() {
        if let Some(items) = value.as_array_mut() {
            items.retain(|item| item.as_table().is_none_or(|keys| keys.len() > 1));
        }
    }
    table.retain(|_, value| match value {
        toml::Value::Table(keys) => !keys.is_empty(),
        toml::Value::Array(items) => !items.is_empty(),
        _ => true,
    });
}

/// The keys of a section or item, made where there are none.
fn keys_of<'t>(
    table: &'t mut toml::Table,
    section: &str,
    id: Option<&str>,
) -> Result<&'t mut toml::Table, String> {
    let Some(id) = id else {
        let empty = toml::Value::Table(toml::Table::new());
        let value = table.entry(section).or_insert(empty);
        return value.as_table_mut().ok_or_else(|| format!("{section}: is a list; give an id"));
    };
    let value = table.entry(section).or_insert(toml::Value::Array(Vec::new()));
    let items = value.as_array_mut().ok_or_else(|| format!("{section}: is no list; give no id"))?;
    let is_it = |item: &toml::Value| item.get("id").and_then(toml::Value::as_str) == Some(id);
    let at = items.iter().position(is_it).unwrap_or_else(|| {
        let mut keys = toml::Table::new();
        keys.insert("id".into(), id.into());
        items.push(keys.into());
        items.len() - 1
    });
    items[at].as_table_mut().ok_or_else(|| format!("{section}: expected tables"))
}

impl Planned {
    fn write(self) -> Result<Version, Refusal> {
        let Self { folder, version, text } = self;
        let failed = |error: io::Error| {
            Refusal::Failed(format!("{}: cannot be written: {error}", folder.path.display()))
        };
        write_whole_secret(&folder.version_file(version.version), text.as_bytes())
            .map_err(failed)?;
        // From here on it is in effect.
        write_whole_secret(&folder.applied(), text.as_bytes()).map_err(failed)?;
        folder.prune(version.version);
        Ok(version)
    }
}

impl Folder {
    pub(super) fn noted(&self) -> PathBuf {
        self.path.join(VERSIONS).join(NOTED)
    }

    /// One at a time, whichever process it is of.
    fn lock(&self) -> Result<File, Refusal> {
        let failed = |error: io::Error| {
            Refusal::Failed(format!("{}: cannot be locked: {error}", self.path.display()))
        };
        let versions = self.path.join(VERSIONS);
        DirBuilder::new().recursive(true).mode(0o700).create(&versions).map_err(failed)?;
        // A command that root runs must leave nothing that the gateway cannot read.
        let data = self.path.parent().unwrap_or(&self.path);
        for made in [&self.path, &versions] {
            let folder = File::open(made).map_err(failed)?;
            give_to_owner_of(data, &folder).map_err(failed)?;
        }
        let locked = lock_file(data, &self.path.join("lock"), LOCK_WITHIN).map_err(failed)?;
        let why = "somebody else applies a change: try again";
        locked.ok_or_else(|| Refusal::Failed(why.into()))
    }

    /// Lets the oldest versions go; one that cannot be removed is removed the next time.
    fn prune(&self, current: u32) {
        let mut kept = self.kept();
        kept.retain(|number| *number <= current);
        let over = kept.len().saturating_sub(VERSIONS_MAX);
        for number in &kept[..over] {
            let _ = fs::remove_file(self.version_file(*number));
        }
    }
}
