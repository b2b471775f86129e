//! The files of `tracks/`: one an hour, cut when it is large; bounded in days and bytes, the oldest leave first.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::PathBuf,
};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// A file of an hour is cut when it is this part of all that may be kept, so that little leaves at once.
const PARTS: u64 = 16;

/// The files, with their bounds.
pub(super) struct TrackFolder {
    path: PathBuf,
    keep: SignedDuration,
    max_bytes: u64,
    /// Name and bytes of the file that is written.
    current: Option<(String, u64)>,
    /// All others, oldest first.
    older: Vec<(String, u64)>,
    is_read: bool,
}

impl TrackFolder {
    /// Touches nothing.
    pub(super) fn new(path: PathBuf, keep_days: u32, max_bytes: u64) -> Self {
        let keep = SignedDuration::from_hours(24 * i64::from(keep_days));
        Self { path, keep, max_bytes, current: None, older: Vec::new(), is_read: false }
    }

    /// Whole lines at the end of the file of this hour; first, what is too old or too much leaves.
    pub(super) fn append(&mut self, lines: &[u8], now: Timestamp) -> io::Result<()> {
        fs::create_dir_all(&self.path)?;
        self.read()?;
        let (hour, part_bytes) = (hour(now), self.max_bytes / PARTS);
        let fits = self.current.as_ref().is_some_and(|(name, bytes)| {
            name.starts_with(&hour) && bytes + lines.len() as u64 <= part_bytes
        });
        if !fits {
            self.older.extend(self.current.take());
            self.older.sort();
            let name = self.new_name(&hour);
            self.current = Some((name, 0));
        }
        self.bound(lines.len() as u64, now)?;
        let Some((name, bytes)) = &mut self.current else { return Ok(()) };
        let path = self.path.join(name);
        let mut file = OpenOptions::new().read(true).create(true).append(true).open(&path)?;
        let before = file.metadata()?.len();
        let torn = before > 0 && !ends_with_a_line(&mut file)?;
        let more = [if torn { b"\n".as_slice() } else { b"" }, lines].concat();
        if let Err(error) = file.write_all(&more) {
            // A part of a line is of no use to anybody.
            let _ = file.set_len(before);
            *bytes = before;
            return Err(error);
        }
        *bytes = before + more.len() as u64;
        Ok(())
    }

    /// A name of this hour that no file has.
    fn new_name(&self, hour: &str) -> String {
        let parts = self.older.iter().filter(|(name, _)| name.starts_with(hour));
        // The last of them counts, for the first ones may have left.
        let last = parts.filter_map(|(name, _)| name.get(hour.len() + 1..hour.len() + 5)).max();
        let next = last.and_then(|number| number.parse::<u32>().ok()).map_or(0, |n| n + 1);
        format!("{hour}-{next:04}.jsonl")
    }

    /// What is there from before; once.
    fn read(&mut self) -> io::Result<()> {
        if self.is_read {
            return Ok(());
        }
        self.older.clear();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_ours(&name) {
                self.older.push((name, entry.metadata()?.len()));
            }
        }
        self.older.sort();
        self.is_read = true;
        Ok(())
    }

    /// Removes what is too old, and the oldest while there is not room for so many bytes more.
    fn bound(&mut self, more: u64, now: Timestamp) -> io::Result<()> {
        let oldest = now.checked_sub(self.keep).map(hour).unwrap_or_default();
        let held = |this: &Self| {
            let current = this.current.iter().map(|(_, bytes)| bytes);
            this.older.iter().map(|(_, bytes)| bytes).chain(current).sum::<u64>()
        };
        while let Some((name, _)) = self.older.first()
            && (name.as_str() < oldest.as_str() || held(self) + more > self.max_bytes)
        {
            self.remove_first()?;
        }
        Ok(())
    }

    /// What is too old leaves, also the file that was written last.
    pub(super) fn tidy(&mut self, now: Timestamp) -> io::Result<()> {
        if !self.path.is_dir() {
            return Ok(());
        }
        self.read()?;
        let hour = hour(now);
        if self.current.as_ref().is_some_and(|(name, _)| !name.starts_with(&hour)) {
            self.older.extend(self.current.take());
            self.older.sort();
        }
        self.bound(0, now)
    }

    /// Gives back some room: the oldest file leaves.
    pub(super) fn leave_oldest(&mut self) -> io::Result<()> {
        if self.path.is_dir() {
            self.read()?;
            self.older.extend(self.current.take());
            if !self.older.is_empty() {
                self.remove_first()?;
            }
        }
        Ok(())
    }

    fn remove_first(&mut self) -> io::Result<()> {
        let (name, _) = self.older.remove(0);
        match fs::remove_file(self.path.join(name)) {
            // Whoever deletes them by hand does no harm.
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// `2026-11-30T04`.
pub(super) fn hour(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H").to_string()
}

/// Whether the name is one that [`TrackFolder::new_name`] gives: anything else in the folder is let be.
pub(super) fn is_ours(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".jsonl") else { return false };
    stem.len() == 18
        && stem.chars().enumerate().all(|(n, c)| match n {
            4 | 7 | 13 => c == '-',
            10 => c == 'T',
            _ => c.is_ascii_digit(),
        })
}

fn ends_with_a_line(file: &mut File) -> io::Result<bool> {
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last[0] == b'\n')
}
