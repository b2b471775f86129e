//! A text becomes sound: what was recorded as it was recorded, the rest by a program beside us, in bounds of time and size.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

use super::{
    mandarin,
    pieces::{SpokenPiece, pieces},
    sound::Sound,
};

/// A voice that needs longer has hung itself up.
const READ_WITHIN: Duration = Duration::from_secs(10);
/// Three minutes at 22,050 Hz.
const WAV_BYTES_MAX: u64 = 8 << 20;
/// Of the program's memory.
const MEMORY_BYTES_MAX: u64 = 2 << 30;
/// Of a file that it writes: espeak-ng has libraries that ask for 64 MiB of shared memory at their start.
const FILE_BYTES_MAX: u64 = 128 << 20;
/// Of what it complains, kept for people.
const COMPLAINT_BYTES_MAX: u64 = 300;
/// What the program is told of the world: where programs are, and how texts are written. No secret of ours.
const SURROUNDINGS: &[(&str, &str)] = &[
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("LANG", "C.UTF-8"),
];
/// Between two pieces.
const GAP_MS: u32 = 150;

/// `[voice]`: how texts become sound.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VoiceConfig {
    /// Folder of recorded phrases, `NAME.wav`: a part of a text between two pauses that is `NAME` is heard as
    /// it was recorded. Read each time. Default none: everything is read by the program.
    pub phrases: Option<PathBuf>,
    /// The program that reads: it gets the text on its standard input and writes WAV to its standard output
    /// within 10 s; `{lang}` in an argument is `zh` or `en`. Default espeak-ng, which gets pinyin.
    pub command: Vec<String>,
    /// How names and words are read, as pinyin with figures for the tones, e.g. `"长行村" = "chang2 hang2
    /// cun1"`. For espeak-ng.
    pub readings: BTreeMap<String, String>,
}

impl VoiceConfig {
    /// Errors as (key, message).
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.command.first().is_some_and(|program| program.trim().is_empty()) {
            problems.push(("command", "its first word is the program, and is empty".into()));
        }
        for (word, said) in &self.readings {
            let is_one = |one: &str| {
                let (letters, tone) = one.split_at(one.len().saturating_sub(1));
                !letters.is_empty()
                    && letters.chars().all(|c| c.is_ascii_lowercase() || c == 'ü')
                    && ["1", "2", "3", "4", "5"].contains(&tone)
            };
            if said.is_empty() || !said.is_ascii() || !said.split(' ').all(is_one) {
                let message = format!(
                    "`{word}` = `{said}`: expected pinyin with figures for the tones, such as `chong2 qing4`"
                );
                problems.push(("readings", message));
            }
        }
        problems
    }

    /// Warnings as (key, message): what may be right by the time it is needed.
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        let phrases = self.phrases.as_deref().filter(|folder| !folder.is_dir());
        let missing = |folder: &Path| format!("{}: no such folder yet", folder.display());
        phrases.map(|folder| ("phrases", missing(folder))).into_iter().collect()
    }

    /// The sound of a text that [`crate::domain::speakable`] has cleaned. The error is one sentence.
    pub(super) async fn sound(&self, text: &str) -> Result<Sound, String> {
        let mut sound = Sound::default();
        for piece in pieces(text, |name| self.phrase(name).is_some()) {
            if !sound.0.is_empty() {
                sound.append(Sound::silence(GAP_MS));
            }
            sound.append(match piece {
                SpokenPiece::Recorded(name) => self.recorded(name).await?,
                SpokenPiece::Read(text) => self.read(text).await?,
            });
        }
        match sound.0.is_empty() {
            true => Err("there is nothing in it that can be spoken".into()),
            false => Ok(sound),
        }
    }

    /// The file of a phrase, if it is recorded.
    fn phrase(&self, name: &str) -> Option<PathBuf> {
        let plain = !name.contains(['/', '\\', '\0']) && !name.starts_with('.');
        let file = self.phrases.as_deref().filter(|_| plain)?.join(format!("{name}.wav"));
        file.is_file().then_some(file)
    }

    async fn recorded(&self, name: &str) -> Result<Sound, String> {
        let Some(file) = self.phrase(name) else { return Err(format!("`{name}` is gone")) };
        let wrong = |why: String| format!("{}: {why}", file.display());
        let opened = tokio::fs::File::open(&file).await;
        let mut bytes = Vec::new();
        let opened = opened.map_err(|error| wrong(error.to_string()))?;
        let read = opened.take(WAV_BYTES_MAX).read_to_end(&mut bytes).await;
        read.map_err(|error| wrong(error.to_string()))?;
        Sound::of_wav(&bytes).map_err(wrong)
    }

    async fn read(&self, text: &str) -> Result<Sound, String> {
        let chinese = mandarin::is_chinese(text);
        if self.command.is_empty() {
            let (voice, text) = match chinese {
                true => ("cmn-latn-pinyin", mandarin::reading(text, &self.readings)),
                false => ("en", text.to_owned()),
            };
            let args = ["-v", voice, "-s", "150", "--stdin", "--stdout"];
            return run("espeak-ng", &args.map(str::to_owned), &text).await;
        }
        let lang = if chinese { "zh" } else { "en" };
        let args: Vec<String> =
            self.command[1..].iter().map(|one| one.replace("{lang}", lang)).collect();
        run(&self.command[0], &args, text).await
    }
}

/// Runs the program on this text. It never outlives this call.
async fn run(program: &str, args: &[String], text: &str) -> Result<Sound, String> {
    let wrong = |why: &str| format!("voice `{program}`: {why}");
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .env_clear()
        .envs(SURROUNDINGS.iter().copied())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => wrong("is not installed"),
            _ => wrong(&format!("cannot be started: {error}")),
        })?;
    bound(&child);
    let spoken = tokio::time::timeout(READ_WITHIN, talk(&mut child, text)).await;
    let (wav, complaint) = spoken
        .map_err(|_| wrong(&format!("has not finished within {READ_WITHIN:?}")))?
        .map_err(|error| wrong(&error.to_string()))?;
    if wav.len() as u64 >= WAV_BYTES_MAX {
        return Err(wrong("speaks without end"));
    }
    Sound::of_wav(&wav).map_err(|why| {
        let said = crate::domain::clean_cut(complaint.trim(), 200);
        wrong(&if said.is_empty() { format!("what it wrote {why}") } else { said })
    })
}

/// It may use so much of the box and no more; a program that is over already needs no bound.
fn bound(child: &Child) {
    let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) else { return };
    let most = |most| Rlimit { current: Some(most), maximum: Some(most) };
    for (resource, most) in [
        (Resource::Cpu, most(READ_WITHIN.as_secs())),
        (Resource::As, most(MEMORY_BYTES_MAX)),
        (Resource::Core, most(0)),
        (Resource::Fsize, most(FILE_BYTES_MAX)),
    ] {
        let _ = prlimit(Some(pid), resource, most);
    }
}

async fn talk(child: &mut Child, text: &str) -> std::io::Result<(Vec<u8>, String)> {
    let (mut wav, mut complaint) = (Vec::new(), Vec::new());
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let give = async {
        if let Some(mut input) = input {
            // Who does not want to hear the end of it has his reasons, which are in what he writes.
            drop(input.write_all(text.as_bytes()).await);
            drop(input.shutdown().await);
        }
    };
    let take = async {
        match output {
            Some(output) => output.take(WAV_BYTES_MAX).read_to_end(&mut wav).await,
            None => Ok(0),
        }
    };
    let hear = async {
        match errors {
            Some(errors) => errors.take(COMPLAINT_BYTES_MAX).read_to_end(&mut complaint).await,
            None => Ok(0),
        }
    };
    let ((), taken, _) = tokio::join!(give, take, hear);
    taken?;
    Ok((wav, String::from_utf8_lossy(&complaint).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(command: &[&str]) -> VoiceConfig {
        let command = command.iter().map(|one| (*one).to_owned()).collect();
        VoiceConfig { command, ..VoiceConfig::default() }
    }

    fn tone(samples: usize) -> Vec<u8> {
        let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\0\0\0\0\0\0\x10\0data\xff\xff\xff\xff".to_vec();
        wav.extend((0..samples).flat_map(|_| 500i16.to_le_bytes()));
        wav
    }

    #[tokio::test]
    async fn what_is_recorded_is_heard_and_a_program_reads_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("水位上涨.wav"), tone(800)).unwrap();
        std::fs::write(folder.path().join("read.wav"), tone(1_600)).unwrap();
        let read = folder.path().join("read.wav").display().to_string();
        let mut voice = by(&[
            "sh",
            "-c",
            &format!("cat > '{read}.text'; cat '{read}'; echo {{lang}} > '{read}.lang'"),
        ]);
        voice.phrases = Some(folder.path().to_owned());
        let sound = voice.sound("水位上涨，请离开。").await.unwrap();
        assert_eq!(sound.0.len(), 800 + 1_200 + 1_600);
        assert_eq!(std::fs::read_to_string(format!("{read}.text")).unwrap(), "请离开。");
        assert_eq!(std::fs::read_to_string(format!("{read}.lang")).unwrap(), "zh\n");
        assert!(voice.sound("../read，水位上涨").await.is_ok(), "no file outside the folder");
        std::fs::write(folder.path().join("水位上涨.wav"), "no sound").unwrap();
        let why = voice.sound("水位上涨").await.unwrap_err();
        assert!(why.contains("水位上涨.wav: is no WAV"), "{why}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_complains_or_writes_nonsense_is_told_in_a_sentence() {
        for (command, why) in [
            (&["/nowhere/voice"] as &[&str], "voice `/nowhere/voice`: is not installed"),
            (&["sh", "-c", "echo no such voice >&2; exit 1"], "voice `sh`: no such voice"),
            (&["sh", "-c", "echo nonsense"], "voice `sh`: what it wrote is no WAV"),
            (&["true"], "voice `true`: what it wrote is no WAV"),
        ] {
            let told = by(command).sound("请离开").await.unwrap_err();
            assert!(told.starts_with(why), "{told}");
        }
        assert!(by(&["cat"]).sound("，。").await.unwrap_err().starts_with("there is nothing"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_program_that_hangs_is_ended() {
        let told = by(&["sleep", "1000"]).sound("请离开").await.unwrap_err();
        assert_eq!(told, "voice `sleep`: has not finished within 10s");
    }

    #[tokio::test]
    async fn one_that_speaks_without_end_is_cut() {
        let told = by(&["yes"]).sound("请离开").await.unwrap_err();
        assert_eq!(told, "voice `yes`: speaks without end");
    }

    #[test]
    fn readings_are_pinyin() {
        let with = |said: &str| VoiceConfig {
            readings: BTreeMap::from([("重庆".to_owned(), said.to_owned())]),
            ..VoiceConfig::default()
        };
        assert!(with("chong2 qing4").problems().is_empty());
        for wrong in ["", "chong qing", "chong2  qing4", "Chong2", "chong6", "2", "重庆"] {
            assert_eq!(with(wrong).problems().len(), 1, "{wrong}");
        }
    }
}
