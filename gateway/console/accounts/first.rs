//! The code for the first account: made at the machine, good once, for a quarter of an hour, while there is none.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::secret;
use crate::base::write_whole_secret;

/// In the data folder.
const FILE: &str = "first-account.json";
/// 60 bits.
const LETTERS: usize = 12;
/// How long it is good.
pub(super) const GOOD_FOR: SignedDuration = SignedDuration::from_mins(15);

#[derive(Serialize, Deserialize)]
struct KeptCode {
    sha256: String,
    until: Timestamp,
}

fn file(data: &Path) -> PathBuf {
    data.join(FILE)
}

/// Makes one; the one before is good no more. The code, and until when.
pub(super) fn make(data: &Path, now: Timestamp) -> Result<(String, Timestamp), String> {
    let code = secret::random_code(LETTERS)?;
    let until = now.saturating_add(GOOD_FOR).map_err(|error| error.to_string())?;
    let sha256 = secret::hex(&secret::hash(&secret::plain_code(&code)));
    let bytes =
        serde_json::to_vec(&KeptCode { sha256, until }).map_err(|error| error.to_string())?;
    let told = |error: std::io::Error| format!("{}: {error}", file(data).display());
    write_whole_secret(&file(data), &bytes).map_err(told)?;
    Ok((code, until))
}

/// The one that is good now.
fn kept(data: &Path, now: Timestamp) -> Option<KeptCode> {
    let kept: KeptCode = serde_json::from_slice(&std::fs::read(file(data)).ok()?).ok()?;
    let began = kept.until.saturating_sub(GOOD_FOR).ok()?;
    // A clock that was set back makes it good no longer.
    (began <= now && now < kept.until).then_some(kept)
}

/// Whether one waits to be used.
pub(super) fn waits(data: &Path, now: Timestamp) -> bool {
    kept(data, now).is_some()
}

/// Whether this is the code.
pub(super) fn fits(data: &Path, code: &str, now: Timestamp) -> bool {
    let Some(kept) = kept(data, now) else { return false };
    let given = secret::hex(&secret::hash(&secret::plain_code(code)));
    given.as_bytes().ct_eq(kept.sha256.as_bytes()).into()
}

/// It is used.
pub(super) fn end(data: &Path) -> Result<(), String> {
    match std::fs::remove_file(file(data)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", file(data).display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_for_a_quarter_of_an_hour_and_until_it_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let (data, now) = (folder.path(), Timestamp::from_second(1_800_000_000).unwrap());
        let after = |s: i64| now + SignedDuration::from_secs(s);
        assert!(!waits(data, now) && !fits(data, "", now));
        let (code, until) = make(data, now).unwrap();
        assert_eq!(until, after(900));
        assert!(fits(data, &code, now) && fits(data, &code.to_lowercase(), after(899)));
        assert!(!fits(data, &code, after(900)) && !fits(data, &code, after(-1)));
        assert!(!fits(data, &code[1..], now) && !fits(data, "", now));
        let text = std::fs::read_to_string(file(data)).unwrap();
        assert!(!text.contains(&code) && !text.contains(&secret::plain_code(&code)));
        let (second, _) = make(data, now).unwrap();
        assert!(!fits(data, &code, now) && fits(data, &second, now));
        end(data).unwrap();
        assert!(!fits(data, &second, now));
        end(data).unwrap();
    }
}
