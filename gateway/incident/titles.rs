//! The message catalogue: what an officer reads of each kind, Chinese first.

use crate::domain::{Kind, SourceInfo, Title};

/// Title of an incident of `kind` at a source.
pub(super) fn title(kind: Kind, source: &SourceInfo) -> Title {
    let (zh, en) = kind.words();
    Title { zh: format!("{}：{zh}", source.name), en: format!("{}: {en}", source.name) }
}
