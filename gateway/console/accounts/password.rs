//! Passwords: what may be one, its argon2id hash, and comparing, at most two at once whoever asks.

use std::sync::OnceLock;

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version,
    password_hash::SaltString,
};
use tokio::sync::Semaphore;

use super::secret;

/// Characters at the least.
const PASSWORD_MIN: usize = 10;
/// Bytes at the most: what is hashed has a bound.
const PASSWORD_BYTES_MAX: usize = 1_024;
/// Each takes 19 MiB and a twentieth of a second of one core.
const AT_ONCE: usize = 2;
/// So many wait for their turn; further ones are told to come again.
const WAITING_MAX: usize = 32;

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);
static PLACES: Semaphore = Semaphore::const_new(AT_ONCE + WAITING_MAX);

/// OWASP's first choice: 19 MiB, two passes, one lane.
fn argon2() -> Argon2<'static> {
    let params = Params::new(19_456, 2, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// What is wrong with a password for this name; no rule but its length, and that it is not the name.
pub(super) fn problem(password: &str, name: &str) -> Option<String> {
    if password.chars().count() < PASSWORD_MIN {
        return Some(format!("password: expected at least {PASSWORD_MIN} characters"));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Some(format!("password: expected at most {PASSWORD_BYTES_MAX} bytes"));
    }
    // The name alone, once or again and again.
    let without = password.to_lowercase().replace(&name.to_lowercase(), "");
    let is_name = without.chars().all(|c| !c.is_alphanumeric());
    is_name.then(|| "password: it is the name of the account".to_owned())
}

/// Its hash, which says how it was made. Blocks for a twentieth of a second.
pub(super) fn hashed(password: &str) -> Result<String, String> {
    let told = |error: &dyn std::fmt::Display| format!("the password cannot be hashed: {error}");
    let salt = secret::random(16)?;
    let salt = SaltString::encode_b64(&salt).map_err(|error| told(&error))?;
    let hash = argon2().hash_password(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string()).map_err(|error| told(&error))
}

/// Whether it is the password of this hash. Without one it takes as long, and is not: nobody learns by the
/// clock which accounts there are.
fn fits(password: &str, hash: Option<&str>) -> bool {
    static NOBODYS: OnceLock<String> = OnceLock::new();
    let nobodys = || NOBODYS.get_or_init(|| hashed("nobody's password").unwrap_or_default());
    let text = hash.unwrap_or_else(|| nobodys());
    let Ok(parsed) = PasswordHash::new(text) else { return false };
    let same = argon2().verify_password(password.as_bytes(), &parsed).is_ok();
    same && hash.is_some()
}

/// Too many wait already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Busy;

/// As [`fits`], at its turn.
pub(super) async fn compare(password: String, hash: Option<String>) -> Result<bool, Busy> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Ok(false);
    }
    in_turn(move || fits(&password, hash.as_deref())).await
}

/// Does what hashes a password, at its turn.
pub(crate) async fn in_turn<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Busy> {
    let Ok(_place) = PLACES.try_acquire() else { return Err(Busy) };
    let Ok(turn) = TURNS.acquire().await else { return Err(Busy) };
    // The turn ends with the work, also where nobody waits for it any more.
    let work = move || {
        let _turn = turn;
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| Busy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_ten_characters_and_is_not_the_name() {
        for (password, name, fine) in [
            ("123456789", "li", false),
            ("1234567890", "li", true),
            ("一二三四五六七八九十", "li", true),
            ("一二三四五六七八九", "li", false),
            (&"x".repeat(1_024), "li", true),
            (&"x".repeat(1_025), "li", false),
            ("lijianguo1", "LiJianguo1", false),
            ("lijian-lijian", "LIJIAN", false),
            ("lijianguo12", "lijianguo1", true),
        ] {
            assert_eq!(problem(password, name).is_none(), fine, "{password} of {name}");
        }
    }

    #[test]
    fn a_hash_fits_its_password_alone_and_says_what_it_cost() {
        let hash = hashed("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, hashed("correct horse").unwrap(), "each has its own salt");
        assert!(fits("correct horse", Some(&hash)));
        assert!(!fits("correct horsf", Some(&hash)));
        assert!(!fits("", Some(&hash)));
        assert!(!fits("correct horse", Some("")));
        assert!(!fits("nobody's password", None), "of no account");
    }
}
