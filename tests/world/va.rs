//! A device that decodes: libva with a driver of our own, whose hardware is libavcodec.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::root;

/// The driver, built, and a display to open it on; both end with the test.
pub(crate) struct VaDevice {
    folder: TempDir,
    screen: Child,
    /// For `hw_device`.
    pub(crate) display: String,
}

impl VaDevice {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let flags = Command::new("pkg-config")
            .args(["--cflags", "--libs", "libavcodec", "libavutil", "libva"])
            .output()
            .unwrap();
        assert!(flags.status.success(), "{}", String::from_utf8_lossy(&flags.stderr));
        let built = Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .arg(folder.path().join("swtest_drv_video.so"))
            .arg(root().join("tests/devices/va_software.c"))
            .args(String::from_utf8(flags.stdout).unwrap().split_whitespace())
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let mut screen = Command::new("Xvfb")
            .args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "64x64x24"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut number = String::new();
        BufReader::new(screen.stdout.take().unwrap()).read_line(&mut number).unwrap();
        assert!(!number.trim().is_empty(), "Xvfb did not start");
        Self { folder, screen, display: format!(":{}", number.trim()) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a process needs to find the driver.
    pub(crate) fn env(&self) -> Vec<(&'static str, String)> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        vec![
            ("LIBVA_DRIVERS_PATH", text(self.folder.path().to_owned())),
            ("LIBVA_DRIVER_NAME", "swtest".into()),
            ("VA_SOFTWARE_COUNT", text(self.file("count"))),
            ("VA_SOFTWARE_FAIL", text(self.file("fail"))),
        ]
    }

    /// Decoded by it so far.
    pub(crate) fn pictures(&self) -> u64 {
        fs::metadata(self.file("count")).map_or(0, |data| data.len())
    }

    /// From now on each picture is an error, as of a device that was reset under its driver.
    pub(crate) fn break_down(&self) {
        fs::write(self.file("fail"), "").unwrap();
    }
}

impl Drop for VaDevice {
    fn drop(&mut self) {
        let _ = self.screen.kill();
        let _ = self.screen.wait();
    }
}
