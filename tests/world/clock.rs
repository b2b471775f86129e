//! A process whose clock is wrong, by the preloaded library of `tests/rig/clock.c`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::preloaded;

/// The preloaded clock, and the file that moves it.
pub(crate) struct WrongClock {
    library: PathBuf,
    offset: PathBuf,
}

impl WrongClock {
    pub(crate) fn build(folder: &Path) -> Self {
        let library = folder.join("clock.so");
        preloaded("clock.c", &library);
        Self { library, offset: folder.join("offset") }
    }

    /// Seconds from the true time; takes hold at once.
    pub(crate) fn is_off_by(&self, seconds: i64) {
        // In place: the process holds the file open.
        fs::write(&self.offset, seconds.to_ne_bytes()).unwrap();
    }

    pub(crate) fn environment(&self) -> [(&'static str, String); 2] {
        let text = |path: &Path| path.display().to_string();
        [("LD_PRELOAD", text(&self.library)), ("CLOCK_OFFSET", text(&self.offset))]
    }
}
