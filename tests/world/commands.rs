//! The commands of the binary that come to an end by themselves: `check`, `store …`, `models …`, and so on.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use super::{models, root};

/// What a command printed and how it ended.
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Both, as somebody at a terminal sees it.
    pub(crate) fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Ended with this code, and each of these is in what it printed.
    pub(crate) fn must_say<S: AsRef<str>>(&self, code: i32, parts: impl IntoIterator<Item = S>) {
        let said = self.said();
        assert_eq!(self.code, code, "{said}");
        let missing: Vec<S> =
            parts.into_iter().filter(|part| !said.contains(part.as_ref())).collect();
        let missing: Vec<&str> = missing.iter().map(AsRef::as_ref).collect();
        assert!(missing.is_empty(), "{missing:#?}\nnot in\n{said}");
    }
}

/// The binary with these arguments, in the root of the repository.
pub(crate) fn gridpost_command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gridpost"));
    command.args(args).env("GRIDPOST_MODELS", models()).current_dir(root());
    command
}

pub(crate) fn output(mut command: Command) -> Output {
    of(&command.output().unwrap())
}

fn of(ended: &std::process::Output) -> Output {
    Output {
        code: ended.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&ended.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&ended.stderr).into_owned(),
    }
}

/// Runs a command of gridpost to its end.
pub(crate) fn gridpost(args: &[&str]) -> Output {
    output(gridpost_command(args))
}

/// Likewise, with a line on its stdin.
pub(crate) fn gridpost_with_input(args: &[&str], line: &str) -> Output {
    let mut command = gridpost_command(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    of(&child.wait_with_output().unwrap())
}

/// `gridpost check` of this text, as the file `gridpost.toml` of a folder.
pub(crate) fn check_in(folder: &Path, text: &str) -> Output {
    let file = folder.join("gridpost.toml");
    fs::write(&file, text).unwrap();
    gridpost(&["check", "-c", &file.to_string_lossy()])
}

/// The same in a folder that has nothing else.
pub(crate) fn check(text: &str) -> Output {
    check_in(tempfile::tempdir().unwrap().path(), text)
}

/// `gridpost store …` on this folder; what it printed. It must end well.
pub(crate) fn store(data: &Path, args: &[&str]) -> String {
    let data = data.display().to_string();
    let output = gridpost(&[&["store"], args, &["--data", &data]].concat());
    assert_eq!(output.code, 0, "store {args:?}: {}", output.said());
    output.stdout
}

/// Everything in the store is sound, and the ledger's sums hold.
pub(crate) fn store_must_be_sound(data: &Path) {
    store(data, &["check"]);
    ledger(data);
}

/// The store's ledger, whose sums hold.
pub(crate) fn ledger(data: &Path) -> String {
    let told = store(data, &["ledger"]);
    assert!(told.contains("the sums hold"), "{told}");
    told
}

/// Another program; what it printed. It must end well.
pub(crate) fn run(program: impl AsRef<Path>, args: &[&str]) -> String {
    let program = program.as_ref();
    let done = Command::new(program).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{} {args:?}: {said}", program.display());
    String::from_utf8(done.stdout).unwrap()
}
