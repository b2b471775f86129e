//! A file that does not answer whoever opens it, by the preloaded library of `tests/rig/hang.c`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::preloaded;

/// The preloaded library, and the file that it hangs on.
pub(crate) struct HangingFile {
    library: PathBuf,
    file: PathBuf,
    gate: PathBuf,
}

impl HangingFile {
    /// Hangs from the beginning.
    pub(crate) fn build(folder: &Path, file: &Path) -> Self {
        let library = folder.join("hang.so");
        preloaded("hang.c", &library);
        let gate = folder.join("hangs");
        fs::write(&gate, "").unwrap();
        Self { library, file: file.to_path_buf(), gate }
    }

    pub(crate) fn environment(&self) -> [(&'static str, String); 3] {
        let text = |path: &Path| path.display().to_string();
        [
            ("LD_PRELOAD", text(&self.library)),
            ("HANG_FILE", text(&self.file)),
            ("HANG_WHILE", text(&self.gate)),
        ]
    }

    /// Whoever waits for it has it.
    pub(crate) fn answers(&self) {
        fs::remove_file(&self.gate).unwrap();
    }
}
