//! The stations' door: heads that promise a frame and are none, and reports in thousands of parts.

use std::{
    io::{self, Read, Write},
    time::Instant,
};

use super::{Doors, by, dial};

/// Parts of one report, as its head counts them.
const PARTS: u16 = 400;
const PART_BYTES: usize = 4_000;

/// Each third byte begins a frame whose length is the next bytes'.
pub(super) fn heads(doors: &Doors, until: Instant) {
    let bytes = b"\x7e\x7e\x0f".repeat(22_000);
    by(16, until, |_| {
        let mut stream = dial(doors.sl651)?;
        stream.write_all(&bytes)?;
        // Until it is sent away.
        while Instant::now() < until && stream.read(&mut [0; 1_024])? > 0 {}
        Ok(())
    });
}

/// Every part twice, the second time large: what was counted small must not become large.
pub(super) fn parts(doors: &Doors, until: Instant) {
    let all = |bytes: usize| -> Vec<u8> {
        (1..PARTS).flat_map(|number| part(number, &vec![0; bytes])).collect()
    };
    let (small, large) = (all(0), all(PART_BYTES));
    by(8, until, |_| -> io::Result<()> {
        let mut stream = dial(doors.sl651)?;
        stream.write_all(&small)?;
        stream.write_all(&large)?;
        while Instant::now() < until && stream.read(&mut [0; 1_024])? > 0 {}
        Ok(())
    });
}

/// SL 651-2014, 6.2: a frame in mode M3.
fn part(number: u16, body: &[u8]) -> Vec<u8> {
    let head = [(PARTS >> 4) as u8, ((PARTS & 15) << 4) as u8 | (number >> 8) as u8, number as u8];
    let length = (head.len() + body.len()) as u16;
    let mut frame = b"\x7e\x7e\x01\x00\x12\x34\x56\x78\x00\x00\x32".to_vec();
    frame.extend(length.to_be_bytes());
    frame.push(0x16);
    frame.extend(head);
    frame.extend(body);
    frame.push(0x17);
    let crc = frame.iter().fold(0xffff_u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xa001 } else { crc >> 1 }
        })
    });
    frame.extend(crc.to_be_bytes());
    frame
}
