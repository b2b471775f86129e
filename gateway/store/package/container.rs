//! The file of a package: a zip without compression, whose every byte follows from names and contents, so that a
//! reader can tell any other byte. Any tool opens it.
//!
//! No field is free: times are 1980-01-01, attributes 0, names UTF-8; entries stand one behind the other and in
//! the same order in the directory; nothing stands before, between or behind them. 4 GiB is the most.

use std::io::{self, Read, Write};

const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// Names are UTF-8.
const FLAGS: u16 = 1 << 11;
/// 1980-01-01, the first day that the format knows.
const DATE: u16 = 0x0021;
const VERSION: u16 = 20;
const LOCAL_BYTES: usize = 30;
/// Of one file, and of the whole package.
pub(super) const BYTES_MAX: u64 = u32::MAX as u64 - (1 << 20);
/// Records, chain, manifest, and what an incident can have of evidence.
pub(super) const FILES_MAX: usize = 1_000;
const NAME_BYTES_MAX: usize = 200;

/// One file in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ZipEntry {
    pub(super) name: String,
    pub(super) crc: u32,
    pub(super) bytes: u32,
    offset: u32,
}

impl ZipEntry {
    /// What both headers say of it.
    fn common(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for value in [VERSION, FLAGS, 0, 0, DATE] {
            out.extend(value.to_le_bytes());
        }
        for value in [self.crc, self.bytes, self.bytes] {
            out.extend(value.to_le_bytes());
        }
        out.extend((self.name.len() as u16).to_le_bytes());
        out.extend(0u16.to_le_bytes());
        out
    }

    fn local(&self) -> Vec<u8> {
        [&LOCAL.to_le_bytes()[..], &self.common(), self.name.as_bytes()].concat()
    }

    fn central(&self) -> Vec<u8> {
        let mut out = CENTRAL.to_le_bytes().to_vec();
        out.extend(VERSION.to_le_bytes());
        out.extend(self.common());
        out.extend([0; 10]);
        out.extend(self.offset.to_le_bytes());
        out.extend(self.name.as_bytes());
        out
    }
}

/// The directory and its end, behind the last entry.
fn tail(entries: &[ZipEntry], at: u32) -> Vec<u8> {
    let mut out: Vec<u8> = entries.iter().flat_map(ZipEntry::central).collect();
    let bytes = out.len() as u32;
    out.extend(END.to_le_bytes());
    out.extend([0; 4]);
    for _ in 0..2 {
        out.extend((entries.len() as u16).to_le_bytes());
    }
    out.extend(bytes.to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0; 2]);
    out
}

/// CRC-32 as zip has it (IEEE, reflected).
#[derive(Clone, Copy)]
pub(super) struct Crc(u32);

impl Crc {
    pub(super) fn new() -> Self {
        Self(!0)
    }

    pub(super) fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = TABLE[usize::from(self.0 as u8 ^ byte)] ^ (self.0 >> 8);
        }
    }

    pub(super) fn value(self) -> u32 {
        !self.0
    }
}

static TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let (mut value, mut bit) = (n as u32, 0);
        while bit < 8 {
            value = if value & 1 == 1 { 0xEDB8_8320 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        table[n] = value;
        n += 1;
    }
    table
}

/// Writes one, entry by entry.
pub(super) struct Writing<W> {
    out: W,
    entries: Vec<ZipEntry>,
    at: u64,
}

impl<W: Write> Writing<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, entries: Vec::new(), at: 0 }
    }

    /// A file of so many bytes with this CRC, read from `from`.
    pub(super) fn put(
        &mut self,
        name: &str,
        (bytes, crc): (u64, u32),
        from: &mut dyn Read,
    ) -> io::Result<()> {
        if self.at + bytes > BYTES_MAX || self.entries.len() >= FILES_MAX {
            let message =
                format!("a package holds at most {BYTES_MAX} bytes and {FILES_MAX} files");
            return Err(io::Error::other(message));
        }
        let name = name.to_owned();
        let entry = ZipEntry { name, crc, bytes: bytes as u32, offset: self.at as u32 };
        let head = entry.local();
        self.out.write_all(&head)?;
        let copied = io::copy(&mut from.take(bytes), &mut self.out)?;
        if copied != bytes {
            return Err(io::Error::other(format!("{}: it changed while it was read", entry.name)));
        }
        self.at += head.len() as u64 + bytes;
        self.entries.push(entry);
        Ok(())
    }

    /// A file that is in memory.
    pub(super) fn put_bytes(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut crc = Crc::new();
        crc.take(content);
        self.put(name, (content.len() as u64, crc.value()), &mut &*content)
    }

    /// The directory; what was written to, and how many bytes that is.
    pub(super) fn finish(mut self) -> io::Result<(W, u64)> {
        let tail = tail(&self.entries, self.at as u32);
        self.out.write_all(&tail)?;
        Ok((self.out, self.at + tail.len() as u64))
    }
}

/// What a reader hears: the beginning of each file, and its bytes.
pub(super) trait Hears {
    /// The next file is called so, and has so many bytes.
    fn begins(&mut self, name: &str, bytes: u64) -> Result<(), String>;
    /// The next bytes of it.
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), String>;
    /// That was all of it.
    fn ends(&mut self) -> Result<(), String>;
}

/// Reads a package to its last byte, which must all be as a writer would have written them. The error is a
/// sentence for people.
pub(super) fn read(from: &mut dyn Read, hears: &mut dyn Hears) -> Result<(), String> {
    let cut = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => "the file is cut off".to_owned(),
        _ => format!("the file cannot be read: {error}"),
    };
    let (mut entries, mut at) = (Vec::<ZipEntry>::new(), 0u64);
    let mut mark = [0; 4];
    loop {
        from.read_exact(&mut mark).map_err(cut)?;
        if mark != LOCAL.to_le_bytes() {
            break;
        }
        if entries.len() >= FILES_MAX {
            return Err(format!("it holds more than {FILES_MAX} files"));
        }
        let entry = read_local(from, at).map_err(cut)??;
        let head = entry.local().len() as u64;
        hears.begins(&entry.name, entry.bytes.into())?;
        let mut crc = Crc::new();
        let (mut left, mut chunk) = (entry.bytes as usize, vec![0; 1 << 16]);
        while left > 0 {
            let part = left.min(chunk.len());
            from.read_exact(&mut chunk[..part]).map_err(cut)?;
            crc.take(&chunk[..part]);
            hears.bytes(&chunk[..part])?;
            left -= part;
        }
        if crc.value() != entry.crc {
            return Err(format!("{}: its bytes were changed (CRC)", entry.name));
        }
        hears.ends()?;
        at += head + u64::from(entry.bytes);
        entries.push(entry);
    }
    let expected = tail(&entries, u32::try_from(at).map_err(|_| "it is too large")?);
    let mut found = mark.to_vec();
    from.take(expected.len() as u64 + 1).read_to_end(&mut found).map_err(cut)?;
    match found == expected {
        true => Ok(()),
        false if expected.starts_with(&found) => Err("the file is cut off".into()),
        false if found.starts_with(&expected) => Err("something was added behind its end".into()),
        false => Err("its directory does not say what is in it".into()),
    }
}

/// The head of an entry, whose mark was read; an error inside: it is none that we write.
fn read_local(from: &mut dyn Read, at: u64) -> io::Result<Result<ZipEntry, String>> {
    let mut head = [0; LOCAL_BYTES - 4];
    from.read_exact(&mut head)?;
    let u32_at =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let name_bytes = usize::from(u16::from_le_bytes([head[22], head[23]]));
    if name_bytes > NAME_BYTES_MAX {
        return Ok(Err("the head of a file in it was changed".into()));
    }
    let mut name = vec![0; name_bytes];
    from.read_exact(&mut name)?;
    let offset = u32::try_from(at).unwrap_or(u32::MAX);
    let entry = String::from_utf8(name).ok().map(|name| ZipEntry {
        name,
        crc: u32_at(10),
        bytes: u32_at(14),
        offset,
    });
    // Whatever it says beside name, length and CRC has one right value.
    let entry = entry.filter(|entry| entry.local()[4..LOCAL_BYTES] == head[..] && at <= BYTES_MAX);
    Ok(entry.ok_or_else(|| "the head of a file in it was changed".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nothing;

    impl Hears for Nothing {
        fn begins(&mut self, _: &str, _: u64) -> Result<(), String> {
            Ok(())
        }
        fn bytes(&mut self, _: &[u8]) -> Result<(), String> {
            Ok(())
        }
        fn ends(&mut self) -> Result<(), String> {
            Ok(())
        }
    }

    #[test]
    fn the_crc_is_the_one_of_zip() {
        let mut crc = Crc::new();
        crc.take(b"1234");
        crc.take(b"56789");
        assert_eq!(crc.value(), 0xCBF4_3926, "the check value of CRC-32/ISO-HDLC");
    }

    #[test]
    fn a_header_has_one_right_value_for_every_bit() {
        let mut writing = Writing::new(Vec::new());
        writing.put_bytes("a.txt", b"").unwrap();
        writing.put_bytes("证据/b.bin", b"xyz").unwrap();
        let (bytes, count) = writing.finish().unwrap();
        assert_eq!(bytes.len() as u64, count);
        assert_eq!(read(&mut &bytes[..], &mut Nothing), Ok(()));
        for bit in 0..bytes.len() * 8 {
            let mut bent = bytes.clone();
            bent[bit / 8] ^= 1 << (bit % 8);
            let said = read(&mut &bent[..], &mut Nothing);
            assert!(said.is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(read(&mut &bytes[..len], &mut Nothing).is_err(), "cut at {len}");
        }
        let longer = [&bytes[..], b"x"].concat();
        assert!(read(&mut &longer[..], &mut Nothing).is_err());
    }
}
