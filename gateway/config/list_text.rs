//! The text of a list as spreadsheets save it: whichever encoding, ends of lines and separator they chose.

use encoding_rs::{Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE};

/// The text in one form: no byte order mark, lines that end with `\n`.
pub(super) struct ListText {
    pub(super) text: String,
    /// Between the cells: comma, semicolon or tab.
    pub(super) separator: u8,
}

/// The error is a sentence for whoever saved the list.
pub(super) fn read(bytes: &[u8]) -> Result<ListText, String> {
    let decoded = decode(bytes).ok_or_else(|| {
        "is neither UTF-8 nor GBK: save it as “CSV UTF-8” (另存为 CSV UTF-8)".to_owned()
    })?;
    let text = decoded.replace("\r\n", "\n").replace('\r', "\n");
    let first = text.lines().next().unwrap_or_default();
    let count = |separator: char| first.matches(separator).count();
    // The first of those that are there most often.
    let [comma, semicolon, tab] = [',', ';', '\t'].map(count);
    let separator = match (comma, semicolon, tab) {
        (comma, semicolon, tab) if tab > comma && tab >= semicolon => b'\t',
        (comma, semicolon, _) if semicolon > comma => b';',
        _ => b',',
    };
    Ok(ListText { text, separator })
}

fn decode(bytes: &[u8]) -> Option<String> {
    let whole = |encoding: &'static Encoding, bytes: &[u8]| {
        encoding.decode_without_bom_handling_and_without_replacement(bytes).map(Into::into)
    };
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return whole(encoding, &bytes[mark..]);
    }
    // Wide characters without a mark: a list begins with ASCII, so every second byte is 0.
    match bytes {
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => return whole(UTF_16LE, bytes),
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => return whole(UTF_16BE, bytes),
        _ => {}
    }
    whole(UTF_8, bytes).or_else(|| whole(GB18030, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whichever_way_it_was_saved_it_is_the_same_list() {
        let list = "id,name\nb1,张秀英\n";
        let crlf = list.replace('\n', "\r\n");
        let wide = |unit: fn(u16) -> [u8; 2], mark: &[u8]| -> Vec<u8> {
            mark.iter().copied().chain(crlf.encode_utf16().flat_map(unit)).collect()
        };
        let saved: [Vec<u8>; 8] = [
            list.into(),
            crlf.clone().into(),
            list.replace('\n', "\r").into(),
            format!("\u{feff}{list}").into(),
            GB18030.encode(&crlf).0.into_owned(),
            wide(u16::to_le_bytes, &[0xff, 0xfe]),
            wide(u16::to_be_bytes, &[0xfe, 0xff]),
            wide(u16::to_le_bytes, &[]),
        ];
        for (n, bytes) in saved.iter().enumerate() {
            let read = read(bytes).unwrap_or_else(|why| panic!("{n}: {why}"));
            assert_eq!((read.text.as_str(), read.separator), (list, b','), "{n}");
        }
        assert!(
            read(b"id,name\nb1,\xff\xff\n")
                .unwrap_or_else(|why| ListText { text: why, separator: 0 })
                .text
                .starts_with("is neither")
        );
        assert_eq!(read("id;name,x;y".as_bytes()).unwrap().separator, b';');
        assert_eq!(read("id\tname\tx,y".as_bytes()).unwrap().separator, b'\t');
        assert_eq!(read(b"id").unwrap().separator, b',');
    }
}
