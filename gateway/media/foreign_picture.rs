//! A picture that a stranger sent: opened by a child process under limits, made anew, and nothing kept but its pixels.
//!
//! Decoders are where outside bytes do most harm. They run in a child, which is this program once more
//! (`gridpost clean-picture`), with no environment, no files, no privileges to gain, and bounds of memory,
//! time and pixels. What it says is outside bytes again: the JPEG that it made must be one of known
//! segments, with no metadata and of the stated size. A child that dies costs its own picture.

mod confine;
mod decode;
mod segments;

use std::{
    fmt::{self, Display, Formatter},
    process::Stdio,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    sync::Semaphore,
    time::timeout,
};

pub use confine::be_confined;
pub(super) use decode::SIDE_MAX;
pub use decode::cleaned_here;

/// Bytes of a picture as it is sent, at most.
pub const FOREIGN_PICTURE_BYTES_MAX: usize = 5 << 20;
/// Bytes that a child may answer: a picture of 1920 x 1920 takes far less.
const ANSWER_BYTES_MAX: u64 = 12 << 20;
/// Children at once, of officers' pictures.
const CHILDREN_MAX: usize = 2;
/// Officers' pictures that are being opened or wait for it.
const PICTURES_MAX: usize = 12;
/// Children at once, of residents' pictures.
const RESIDENTS_CHILDREN_MAX: usize = 1;
/// Residents' pictures that are being opened or wait for it.
const RESIDENTS_PICTURES_MAX: usize = 6;
/// A child that is not done by then is ended: it has far less computing time, and may sleep.
const CHILD_WITHIN: Duration = Duration::from_secs(20);
/// What a picture waits for its turn, at most.
const TURN_WITHIN: Duration = Duration::from_secs(40);

/// Who sends a picture. Each has places of its own: what anybody may send keeps no officer waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentBy {
    /// Somebody with the token or a link.
    Officer,
    /// Somebody at a public page.
    Resident,
}

/// Pictures that are being opened or wait for it, and children at once.
struct Places {
    pictures: Semaphore,
    children: Semaphore,
}

static OFFICERS: Places = Places::new(PICTURES_MAX, CHILDREN_MAX);
static RESIDENTS: Places = Places::new(RESIDENTS_PICTURES_MAX, RESIDENTS_CHILDREN_MAX);

impl Places {
    const fn new(pictures: usize, children: usize) -> Self {
        let (pictures, children) = (Semaphore::const_new(pictures), Semaphore::const_new(children));
        Self { pictures, children }
    }

    fn of(sent_by: SentBy) -> &'static Self {
        match sent_by {
            SentBy::Officer => &OFFICERS,
            SentBy::Resident => &RESIDENTS,
        }
    }
}

/// A picture made anew: JPEG, upright, at most 1920 pixels a side, without any metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanPicture {
    /// The file.
    pub jpeg: Vec<u8>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// Why a picture was not taken. It shows as a sentence in English; [`Refused::zh`] is for who sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refused {
    /// There are no bytes.
    Empty,
    /// More than [`FOREIGN_PICTURE_BYTES_MAX`] bytes.
    TooLarge,
    /// A file of this kind, which is not opened here.
    Unsupported(String),
    /// It does not begin as any picture does.
    NoPicture,
    /// So many pixels across and down.
    TooManyPixels(u32, u32),
    /// It begins as a picture and does not go on as one.
    Broken,
    /// It would take more memory or time than a photo does.
    TooCostly,
    /// Many others are being opened.
    Busy,
    /// The gateway could not open it: its own fault, and not the picture's.
    NotNow,
}

impl Refused {
    /// The same picture may be taken later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Busy | Self::NotNow)
    }

    /// What was wrong and what to do, for who sent it.
    pub fn zh(&self) -> String {
        match self {
            Self::Empty => "图片是空的，请重新选择。".into(),
            Self::TooLarge => "图片超过 5 MB，请选小一点的，或先截图再上传。".into(),
            Self::Unsupported(what) if what == "HEIC" => {
                "HEIC 格式打不开：请先截图再上传，或在手机“设置－相机－格式”里选“兼容性最佳”。"
                    .into()
            }
            Self::Unsupported(what) => {
                format!("{what} 格式不能上传，请用 JPEG、PNG 或 WebP 图片。")
            }
            Self::NoPicture => "这个文件不是图片，请用 JPEG、PNG 或 WebP 图片。".into(),
            Self::TooManyPixels(width, height) => {
                format!("图片太大（{width} × {height} 像素），请先截图再上传。")
            }
            Self::Broken => "图片已损坏，打不开，请重新拍一张。".into(),
            Self::TooCostly => "图片打不开（占用过多），请先截图再上传。".into(),
            Self::Busy => "现在上传图片的人很多，请过一分钟再试，或先不附图片。".into(),
            Self::NotNow => "现在打不开图片，请过一会儿再试，或先不附图片。".into(),
        }
    }
}

impl Display for Refused {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => to.write_str("the picture has no bytes"),
            Self::TooLarge => to.write_str("the picture has more than 5 MB"),
            Self::Unsupported(what) => {
                write!(to, "the picture is {what}: expected JPEG, PNG or WebP")
            }
            Self::NoPicture => to.write_str("the file is no picture: expected JPEG, PNG or WebP"),
            Self::TooManyPixels(width, height) => {
                write!(to, "the picture is too large: {width} x {height} pixels")
            }
            Self::Broken => to.write_str("the picture is damaged"),
            Self::TooCostly => to.write_str("the picture takes too much memory or time to open"),
            Self::Busy => to.write_str("too many pictures are being opened; try again in a minute"),
            Self::NotNow => to.write_str("pictures cannot be opened now; try again later"),
        }
    }
}

impl std::error::Error for Refused {}

/// What a child tells before the bytes of the picture.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Told {
    Clean { width: u32, height: u32 },
    Refused(Refused),
}

/// A line of JSON, then the JPEG; for the child's stdout.
pub fn told_to_parent(outcome: Result<CleanPicture, Refused>) -> Vec<u8> {
    let (told, jpeg) = match outcome {
        Ok(CleanPicture { jpeg, width, height }) => (Told::Clean { width, height }, jpeg),
        Err(refused) => (Told::Refused(refused), Vec::new()),
    };
    let mut bytes = serde_json::to_vec(&told).unwrap_or_default();
    bytes.push(b'\n');
    bytes.extend(jpeg);
    bytes
}

/// Makes a stranger's picture (JPEG, PNG, WebP; at most 5 MB) anew, in a child process: of officers' at
/// most two at once, twelve with those that wait; of residents' one and six. Of a moving picture the first
/// one counts. Whoever stops waiting for the answer ends the child.
pub async fn clean(sent_by: SentBy, bytes: &[u8]) -> Result<CleanPicture, Refused> {
    // What costs nothing to see is seen here, and starts no child.
    decode::format_of(bytes)?;
    let places = Places::of(sent_by);
    let _place = places.pictures.try_acquire().map_err(|_| Refused::Busy)?;
    let turn = timeout(TURN_WITHIN, places.children.acquire()).await;
    let _turn = turn.map_err(|_| Refused::Busy)?.map_err(|_| Refused::NotNow)?;
    let mut child = start().map_err(|error| {
        tracing::warn!(%error, "a child for a picture cannot be started");
        Refused::NotNow
    })?;
    match timeout(CHILD_WITHIN, answer_of(&mut child, bytes)).await {
        Ok(answer) => understood(&answer),
        Err(_) => {
            // Dropped, it would be ended as well; waited for, its memory is free before the next begins.
            let _ = child.kill().await;
            tracing::warn!("a picture of a stranger took longer than {CHILD_WITHIN:?} to open");
            Err(Refused::TooCostly)
        }
    }
}

/// This program once more, also when its file has been replaced meanwhile.
fn start() -> std::io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.arg("clean-picture").env_clear().current_dir("/");
    // Where the libraries of this program lie, if somewhere else: the child needs them to start.
    if let Some(libraries) = std::env::var_os("LD_LIBRARY_PATH") {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    command.kill_on_drop(true).spawn()
}

/// All that the child says; nothing, if it was ended by one of its limits.
async fn answer_of(child: &mut Child, bytes: &[u8]) -> Vec<u8> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let tell = async {
        if let Some(mut stdin) = stdin {
            // A child that reads no further has said why, or died.
            let _ = stdin.write_all(bytes).await;
        }
    };
    let hear = async {
        let mut answer = Vec::new();
        if let Some(stdout) = stdout {
            let _ = stdout.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await;
        }
        answer
    };
    let ((), answer) = tokio::join!(tell, hear);
    let ended = child.wait().await;
    if ended.as_ref().is_ok_and(|status| status.success()) {
        return answer;
    }
    tracing::warn!(?ended, "a picture of a stranger ended the child that opened it");
    Vec::new()
}

fn understood(answer: &[u8]) -> Result<CleanPicture, Refused> {
    let line = answer.iter().position(|byte| *byte == b'\n').ok_or(Refused::TooCostly)?;
    let (told, jpeg) = (&answer[..line], &answer[line + 1..]);
    match serde_json::from_slice(told) {
        // Its words go into records and onto pages: only ours are passed on.
        Ok(Told::Refused(Refused::Unsupported(name)))
            if !decode::NAMES.contains(&name.as_str()) =>
        {
            Err(Refused::Broken)
        }
        Ok(Told::Refused(refused)) => Err(refused),
        Ok(Told::Clean { width, height }) if segments::is_bare_jpeg(jpeg, width, height) => {
            Ok(CleanPicture { jpeg: jpeg.to_vec(), width, height })
        }
        _ => {
            tracing::warn!("a child that opened a stranger's picture answered what it must not");
            Err(Refused::Broken)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_child_says_is_not_believed() {
        let jpeg = crate::media::snapshot::jpeg(&[9; 8 * 4 * 3], 8, 4).unwrap();
        let picture = CleanPicture { jpeg, width: 8, height: 4 };
        assert_eq!(understood(&told_to_parent(Ok(picture.clone()))), Ok(picture.clone()));
        let refused = Refused::TooManyPixels(60_000, 60_000);
        assert_eq!(understood(&told_to_parent(Err(refused.clone()))), Err(refused));
        let wordy = Refused::Unsupported("<b>".repeat(1_000_000));
        assert_eq!(understood(&told_to_parent(Err(wordy))), Err(Refused::Broken));
        let gif = Refused::Unsupported("GIF".into());
        assert_eq!(understood(&told_to_parent(Err(gif.clone()))), Err(gif));
        let larger = CleanPicture { width: 9, ..picture.clone() };
        assert_eq!(understood(&told_to_parent(Ok(larger))), Err(Refused::Broken));
        let mut more = told_to_parent(Ok(picture.clone()));
        more.extend(b"<script>");
        assert_eq!(understood(&more), Err(Refused::Broken));
        for said in [&b""[..], b"x", b"{\"clean\":{", b"\n", b"{}\n"] {
            assert!(understood(said).is_err(), "{said:?}");
        }
    }

    #[tokio::test]
    async fn p11_residents_take_no_place_of_an_officer() {
        let taken = RESIDENTS.pictures.acquire_many(RESIDENTS_PICTURES_MAX as u32).await;
        let jpeg = crate::media::snapshot::jpeg(&[9; 8 * 4 * 3], 8, 4).unwrap();
        assert_eq!(clean(SentBy::Resident, &jpeg).await, Err(Refused::Busy));
        // The child of this program is none of the gateway's here: whatever it says, there was a place.
        let officer = clean(SentBy::Officer, &jpeg).await;
        assert!(!matches!(officer, Err(Refused::Busy)), "{officer:?}");
        drop(taken);
        assert!(!matches!(clean(SentBy::Resident, &jpeg).await, Err(Refused::Busy)));
    }

    #[test]
    fn every_refusal_says_in_two_languages_what_to_do() {
        let all = [
            Refused::Empty,
            Refused::TooLarge,
            Refused::Unsupported("GIF".into()),
            Refused::Unsupported("HEIC".into()),
            Refused::NoPicture,
            Refused::TooManyPixels(60_000, 60_000),
            Refused::Broken,
            Refused::TooCostly,
            Refused::Busy,
            Refused::NotNow,
        ];
        for refused in all {
            assert!(refused.zh().ends_with('。') && !refused.to_string().is_empty());
            let told = serde_json::to_vec(&refused).unwrap();
            assert_eq!(serde_json::from_slice::<Refused>(&told).unwrap(), refused);
        }
    }
}
