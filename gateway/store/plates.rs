//! Plates in the journal: sealed under a key of their day, which is destroyed when the days of their kind are over.
//!
//! The journal is never rewritten, and is copied into backups. So what must not be kept in it is in it under a key
//! that stands elsewhere, in no backup: when that is gone, nobody opens the plate any more, in no copy.

use std::{fs, io};

use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};

use super::{
    Store,
    format::hex,
    own_keys::{KEY_BYTES, random, read_key, unhex, write_key},
    sealed::{seal, unseal},
};

/// Of a plate and its seal; whatever is longer is none.
const SEALED_CHARS_MAX: usize = 400;

/// The key of a day, for plates that are kept so many days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PlateKey {
    day: Date,
    days: u32,
}

impl PlateKey {
    /// `2026-12-01.30`.
    fn name(self) -> String {
        format!("{}.{}", self.day, self.days)
    }

    fn of_name(name: &str) -> Option<Self> {
        let (day, days) = name.split_once('.')?;
        let key = Self { day: day.parse().ok()?, days: days.parse().ok()? };
        (key.name() == name).then_some(key)
    }

    /// Whether what was sealed on its day has been kept for its days.
    fn is_over(self, today: Date) -> bool {
        let end = self.day.checked_add(i64::from(self.days).days());
        end.is_ok_and(|end| end < today)
    }
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

impl Store {
    /// A plate, sealed: it can be opened for so many days, and never again. Blocks on the disk for a moment.
    pub fn seal_plate(&self, plate: &str, at: Timestamp, days: u32) -> Result<String, String> {
        let which = PlateKey { day: day(at), days };
        let key = match self.plate_key(which)? {
            Some(key) => key,
            None => self.make_plate_key(which)?,
        };
        let name = which.name();
        Ok(format!("{name}.{}", hex(&seal(&key, name.as_bytes(), plate.as_bytes())?)))
    }

    /// The plate; none, if its days are over, or if it was sealed elsewhere. Blocks on the disk.
    pub fn open_plate(&self, sealed: &str) -> Option<String> {
        let (name, sealed) =
            sealed.rsplit_once('.').filter(|_| sealed.len() <= SEALED_CHARS_MAX)?;
        let key = self.plate_key(PlateKey::of_name(name)?).ok()??;
        String::from_utf8(unseal(&key, name.as_bytes(), &unhex(sealed)?).ok()?).ok()
    }

    /// Destroys the keys of plates whose days are over; how many.
    pub(super) fn forget_plates(&self, now: Timestamp) -> io::Result<usize> {
        let files = match fs::read_dir(self.inner.data_folder.plate_keys()) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error),
        };
        let mut forgotten = 0;
        for file in files {
            let path = file?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if PlateKey::of_name(name).is_some_and(|key| key.is_over(day(now))) {
                fs::remove_file(&path)?;
                forgotten += 1;
            }
        }
        Ok(forgotten)
    }

    fn plate_key(&self, key: PlateKey) -> Result<Option<[u8; KEY_BYTES]>, String> {
        read_key(&self.inner.data_folder.plate_keys().join(key.name()))
    }

    fn make_plate_key(&self, which: PlateKey) -> Result<[u8; KEY_BYTES], String> {
        let key = random::<KEY_BYTES>()?;
        write_key(&self.inner.data_folder.plate_keys(), &which.name(), &key)?;
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        domain::NoMeter,
        store::{Config, open},
    };

    fn store(folder: &std::path::Path) -> Store {
        let config = Config { min_free_bytes: 0, ..Config::at(folder) };
        open(&config, &[], Arc::new(NoMeter)).unwrap().store
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn p10_a_plate_opens_for_its_days_and_never_again_and_each_kind_has_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let made = at("2026-12-01T23:59:59Z");
        let short = store.seal_plate("晋B12345", made, 7).unwrap();
        let long = store.seal_plate("晋B33333", made, 90).unwrap();
        assert!(!short.contains("12345") && short.starts_with("2026-12-01.7."), "{short}");
        assert_ne!(short, store.seal_plate("晋B12345", made, 7).unwrap(), "never the same nonce");
        let opens = || (store.open_plate(&short), store.open_plate(&long));
        let (one, other) = (Some("晋B12345".to_owned()), Some("晋B33333".to_owned()));
        assert_eq!(opens(), (one.clone(), other.clone()));
        // To the end of the seventh day after it.
        assert_eq!(store.forget_plates(at("2026-12-08T23:59:59Z")).unwrap(), 0);
        assert_eq!(opens(), (one, other.clone()));
        assert_eq!(store.forget_plates(at("2026-12-09T00:00:00Z")).unwrap(), 1);
        assert_eq!(opens(), (None, other));
        assert_eq!(store.forget_plates(at("2027-03-02T00:00:00Z")).unwrap(), 1);
        assert_eq!(opens(), (None, None));
    }

    #[test]
    fn what_was_sealed_elsewhere_changed_or_is_none_does_not_open() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (here, there) = (store(here.path()), store(there.path()));
        let sealed = here.seal_plate("晋B12345", at("2026-12-01T00:00:00Z"), 7).unwrap();
        assert_eq!(there.open_plate(&sealed), None);
        there.seal_plate("晋B99999", at("2026-12-01T00:00:00Z"), 7).unwrap();
        assert_eq!(there.open_plate(&sealed), None, "another key of that name");
        let odd =
            ["", ".", "..", "../../x.7.00", "2026-12-01.7.", "2026-12-01.07.00", "2026-12-01.7.zz"];
        for odd in odd {
            assert_eq!(here.open_plate(odd), None, "{odd}");
        }
        let other_day = sealed.replacen("2026-12-01", "2026-12-02", 1);
        here.seal_plate("晋B99999", at("2026-12-02T00:00:00Z"), 7).unwrap();
        assert_eq!(here.open_plate(&other_day), None, "the seal names its day");
        assert_eq!(here.open_plate(&sealed[..sealed.len() - 2]), None, "cut off");
    }
}
