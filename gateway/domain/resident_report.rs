//! What a resident reports on the public page 邹全办, and what the site's own sources should have seen of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Evidence, Grid, Kind, RuleId, SourceId, Title};

/// The public page as a source: its id in incidents.
pub const REPORTS_SOURCE: &str = "reports";
/// And its name for people.
pub const REPORTS_NAME: &str = "邹全办";

/// One report, as it goes to the desk: cleaned, within its bounds, its picture on disk. Nothing of it says
/// who sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResidentReport {
    /// Lower-case hex of the SHA-256 of its look-up number. The number itself is with the resident alone.
    pub number_sha256: String,
    /// In the resident's words; may be empty where there is a picture.
    pub text: String,
    /// The grid that was chosen.
    pub grid: Option<Grid>,
    /// A place of the site's list, by its name.
    pub place: Option<String>,
    /// The place in the resident's own words.
    pub own_place: Option<String>,
    /// Made anew, without metadata.
    pub picture: Option<Evidence>,
    /// Why a picture that was sent is not there.
    pub picture_refused: Option<Title>,
    /// `zh` or `en`: in which language the page was shown.
    pub language: &'static str,
}

impl ResidentReport {
    /// What it is known by: the same one sent twice is one.
    pub fn key(&self) -> String {
        format!("{REPORTS_SOURCE}/{}", self.number_sha256)
    }

    /// Where, for people: the place of the list, then the resident's own words.
    pub fn address(&self) -> Option<String> {
        let both: Vec<&str> =
            [&self.place, &self.own_place].into_iter().flatten().map(String::as_str).collect();
        (!both.is_empty()).then(|| both.join("，"))
    }
}

/// 漏报: what of the site's own should have told before a resident did. At least one is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Missed {
    /// As what it should have been told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// By which rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleId>,
    /// By which camera, gauge or other source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceId>,
}
