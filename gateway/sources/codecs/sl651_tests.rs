//! Golden frames of SL 651-2014 (the published ones whose checks were computed), and all that is wrong.

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    domain::{Body, Now},
    sources::codecs::sl651_body,
};

const REPORT_30: &str = "7E7E010012345678123430002B020003591011154947F1F1001234567848F0F0591011154920190000052619000005392300000127381211150320FA";
const REPORT_31: &str = "7E7E05001122334403E831004E020031170718110005F1F1001122334448F0F01707181005041800000539230000012200000122000002850001049000010490FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF0001049000010490037AC7";
const REPORT_33: &str = "7E7E1000123456781234330038020002140612021500F1F1001234567850F0F01406120215F460000000000000000000000000261900002020190000101A1900001038121209037C62";
const REPORT_34: &str = "7E7E05001122334403E8340068020033170718110014F1F1001122334448F0F01707181005F4600500000014FFFFFFFFFF0000F0F017071811002619000040F0F01707181005F5C0000C000C001C00310031FFFFFFFFFFFFFFFFFFFF00310031F0F0170718110039230001049020190000403812109903F502";
const REAL_30: &str = "7E7E0101000000011234300033020040201126142746F1F1010000000148F0F0201126142720190000002619000000392300000075381212087A0829FFA011028803E43B";
const ASCII_32: &str = "013031353031303132333435363030303033323030334502303030313236303930393038303030305354203530313031323334353620482054542032363039303930383030205A20362E33382056542031322E3530200336454241";

fn bytes(hex: &str) -> Vec<u8> {
    packed(hex)
}

fn frame(hex: &str) -> StationFrame {
    let bytes = bytes(hex);
    match step(&bytes, true) {
        Step::Frame(frame, used) => {
            assert_eq!(used, bytes.len());
            *frame
        }
        other => panic!("{other:?}"),
    }
}

fn at(text: &str) -> Now {
    Now { wall: text.parse().unwrap(), mono_ms: 0 }
}

/// What its readings are, a line each.
fn readings(hex: &str, now: &str) -> Vec<String> {
    let mut read = sl651_body::read(&frame(hex), "sl651", at(now)).unwrap();
    let Body::Gauge(report) = read.gauges.remove(0).body else { panic!("no gauge") };
    let time = |at: jiff::Timestamp| beijing(at).strftime("%d %H:%M").to_string();
    report.readings.iter().map(|one| format!("{} {:?}", time(one.at), one.measure)).collect()
}

#[test]
fn published_frames_are_read() {
    let one = frame(REPORT_30);
    assert_eq!((one.centre, &*one.station, one.function), (1, "0012345678", 0x30));
    assert_eq!((one.password, one.serial(), one.more), (0x1234, Some(3), false));
    let keepalive = frame("7E7E00987654321012342F0008027E0822101110074703C3AE");
    assert_eq!((keepalive.function, keepalive.serial()), (0x2F, Some(0x7E08)));
    let real = frame(REAL_30);
    assert_eq!(real.station, "0100000001");
    let text = frame(ASCII_32);
    assert_eq!((&*text.station, text.function, text.serial()), ("5010123456", 0x32, Some(1)));
    for whole in [
        "7E7E01001234567812342F0008020003591011155111036BCA",
        "7E7E05001122334403E832002B020034170718110016F1F1001122334448F0F01707181100201900004026190000403923000104903812109903A421",
        "7E7E05001122334403E833002B020026170718102202F1F1001122334448F0F01707181022201900004026190000403923000104903812110203F511",
        "7E7E05001122334403E83A0025020037170718110226F1F1001122334448F0F01707181005F4600500000014FFFFFFFFFF000003074E",
        "7E7E0500112233441234460015020023170718102008F1F100112233444520000004000315C1",
    ] {
        frame(whole);
    }
}

/// The same frame in another year, its check made anew.
fn in_2026(hex: &str) -> String {
    let mut bytes = bytes(&hex.replace("170718", "260718"));
    let n = bytes.len();
    let check = crc(&bytes[..n - 2]).to_be_bytes();
    bytes[n - 2..].copy_from_slice(&check);
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[test]
fn readings_have_their_own_time_and_are_exact() {
    let now = "2026-07-18T11:00:20+08:00";
    let slot = |time: &str, um: i64| format!("18 {time} Fallen {{ um: {um}, period_s: 300 }}");
    let expected = [
        slot("10:05", 500),
        slot("10:10", 0),
        slot("10:15", 0),
        slot("10:20", 0),
        slot("10:25", 2000),
        slot("10:55", 0),
        slot("11:00", 0),
        "18 11:00 TotalUm(4000)".into(),
        "18 11:00 LevelMm(10490)".into(),
        "18 11:00 TodayUm(4000)".into(),
    ];
    assert_eq!(readings(&in_2026(REPORT_34), now), expected);
    let series = readings(&in_2026(REPORT_31), now);
    assert_eq!(series.len(), 7, "five of twelve are marked invalid: {series:?}");
    assert_eq!(series[2], "18 10:15 LevelMm(285)");
    assert_eq!(series[6], "18 11:00 LevelMm(10490)");
}

#[test]
fn what_each_report_gives() {
    // 2017 lies before any clock that this program believes: read as of 2026, all is on arrival.
    for (hex, now, expected) in [
        (
            REAL_30,
            "2020-11-26T14:27:50+08:00",
            "26 14:27 TodayUm(0)|26 14:27 TotalUm(0)|26 14:27 LevelMm(75)",
        ),
        (ASCII_32, "2026-09-09T08:00:03+08:00", "09 08:00 LevelMm(6380)"),
        // Its clock says 2059: as long before its arrival as it was made before it was sent.
        (
            REPORT_30,
            "2026-07-01T12:00:47+08:00",
            "01 12:00 TodayUm(500)|01 12:00 TotalUm(500)|01 12:00 LevelMm(127)",
        ),
    ] {
        assert_eq!(readings(hex, now).join("|"), expected, "{hex}");
    }
    // Slots that end when it was sent, and an amount of an hour.
    let slots = readings(REPORT_33, "2026-07-01T12:00:00+08:00");
    assert_eq!(slots.len(), 15, "{slots:?}");
    assert_eq!(slots[0], "01 11:05 Fallen { um: 0, period_s: 300 }");
    assert_eq!(slots[12..14], ["01 12:00 TotalUm(2000)", "01 12:00 TodayUm(1000)"]);
    assert_eq!(slots[14], "01 12:00 Fallen { um: 1000, period_s: 3600 }");
}

#[test]
fn answers_are_those_of_the_published_exchanges() {
    for (report, time, end, answer) in [
        (
            REPORT_30,
            "2059-10-11T15:49:47+08:00",
            End::Stay,
            "7E7E00123456780112343080080200035910111549471B75D4",
        ),
        (
            REPORT_31,
            "2017-07-18T11:00:05+08:00",
            End::Stay,
            "7E7E00112233440503E83180080200311707181100051B291C",
        ),
        (
            REPORT_33,
            "2014-06-12T02:15:25+08:00",
            End::MayLeave,
            "7E7E001234567810123433800802000214061202152504DAAA",
        ),
    ] {
        let made = frame(report).answer(end, time.parse().unwrap());
        let made: String = made.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(made, answer);
    }
    let text = frame(ASCII_32).answer(End::MayLeave, "2026-09-09T08:00:05+08:00".parse().unwrap());
    assert_eq!(text[0], 1);
    assert!(text.starts_with(b"\x015010123456010000328010\x020001260909080005\x04"), "{text:?}");
    let check = String::from_utf8(text[text.len() - 4..].to_vec()).unwrap();
    assert_eq!(check, format!("{:04X}", crc(&text[..text.len() - 4])));
}

/// What becomes of these bytes, when no more come.
fn told(bytes: &[u8]) -> String {
    match step(bytes, true) {
        Step::Skip(_, reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bad_frames_say_what_is_wrong() {
    let good = bytes(REPORT_30);
    let changed = |at: usize, to: u8| {
        let mut bytes = good.clone();
        bytes[at] = to;
        bytes
    };
    assert!(told(&good[..40]).starts_with("truncated: 40 bytes came, the frame says 60"));
    assert!(told(&changed(30, 0x55)).contains("CRC 20FA: expected"));
    let mut swapped = good.clone();
    swapped.swap(58, 59);
    assert_eq!(told(&swapped), "CRC FA20: right but low byte first; expected 20FA");
    let mut little = good.clone();
    little.swap(11, 12);
    assert!(told(&little).contains("look swapped"), "{}", told(&little));
    assert!(told(&changed(11, 0x80)).contains("downlink"));
    assert!(told(b"GET / HTTP/1.1\r\n").contains("begin no frame"));
    // The published frames with wrong checks.
    let wrong = "7E7E0100123456781234350011020004591011155145F2F251312E32333420034602";
    assert!(told(&bytes(wrong)).contains("CRC 4602: expected D76F"));
    let wrong = "7e7e010011111112000032002b02002b200321153057f1f1001111111248f0f020032115303922000098362019000000261900000038122400037b54";
    assert!(told(&bytes(wrong)).contains("CRC 7B54: expected D001"));
}

#[test]
fn bytes_that_look_like_a_beginning_do_not_hide_a_frame_behind_them() {
    let whole = bytes(REPORT_30);
    // A modem's 7E, the rest of a frame, one that says it is long, an ASCII head, a wrong one before.
    let mut wrong = whole.clone();
    wrong[40] ^= 1;
    for (noise, skipped) in [
        (&b"\x7E"[..], 1),
        (b"\x7E\x7E", 2),
        (&whole[..40], 40),
        (&bytes("7E7E0100123456781234320FFF02")[..], 14),
        (b"\x01010012345678123432003E\x02", 24),
        (b"860000000000000\r\n+++\xFE", 21),
        (&wrong, wrong.len()),
    ] {
        let mut stream = noise.to_vec();
        stream.extend(&whole);
        let (mut at, mut in_vain) = (0, 0);
        loop {
            // More may come: it must not wait for what never will.
            match step_counted(&stream[at..], false, &mut in_vain) {
                Step::Skip(n, _) => at += n,
                Step::Frame(_, used) => {
                    assert_eq!((at, used), (skipped, whole.len()), "{noise:02X?}");
                    break;
                }
                Step::Wait => panic!("waits behind {noise:02X?}"),
            }
        }
    }
}

#[test]
fn a_frame_in_two_pieces_is_waited_for_and_several_in_one_are_taken() {
    for hex in [REPORT_30, REPORT_34, ASCII_32] {
        let whole = bytes(hex);
        for at in 1..whole.len() {
            assert_eq!(step(&whole[..at], false), Step::Wait, "{at} bytes of {hex}");
        }
        let twice = [whole.clone(), whole.clone()].concat();
        assert!(matches!(step(&twice, false), Step::Frame(_, used) if used == whole.len()));
    }
}

#[test]
fn bytes_without_a_right_to_our_time_are_counted() {
    // The pattern of the attack: heads without a start are not even summed up.
    let (mut in_vain, flood) = (0, b"\x7E\x7E\x0F".repeat(5_000));
    let mut at = 0;
    while let Step::Skip(n, _) = step_counted(&flood[at..], true, &mut in_vain) {
        at += n;
    }
    assert_eq!(in_vain, 0);
    // Heads, starts and ends that are right, and sums that are not.
    let mut long = bytes("7E7E0100123456781234320FFF02");
    long.resize(4_096 + 13, 0x55);
    long.extend([3, 0, 0]);
    assert!(matches!(step_counted(&long, true, &mut in_vain), Step::Skip(1, _)));
    assert!((4_000..5_000).contains(&in_vain), "{in_vain}");
}

#[test]
fn a_packet_of_several_may_be_longer_than_twelve_bits_say() {
    let mut long = bytes("7E7E0100123456781234321F4316001001");
    long.resize(14 + 0x1F43, 0x30);
    long.push(ETB);
    let check = crc(&long).to_be_bytes();
    long.extend(check);
    let Step::Frame(frame, used) = step(&long, false) else { panic!("no frame") };
    assert_eq!((used, frame.body.len()), (long.len(), 0x1F43 - 3));
    assert_eq!(frame.part, Some(Part { total: 1, number: 1 }));
}

#[test]
fn several_packets_and_frames_in_a_stream() {
    let mut stream = bytes("00FF7E");
    stream.extend(bytes(REPORT_30));
    stream.extend(bytes(ASCII_32));
    let (mut found, mut skipped) = (0, 0);
    let mut rest = &stream[..];
    while !rest.is_empty() {
        match step(rest, true) {
            Step::Frame(_, used) => {
                found += 1;
                rest = &rest[used..];
            }
            Step::Skip(n, _) => {
                skipped += n;
                rest = &rest[n..];
            }
            Step::Wait => break,
        }
    }
    assert_eq!((found, skipped), (2, 3));
}

#[test]
fn no_bytes_panic_and_every_step_goes_on() {
    let mut random = StdRng::seed_from_u64(crate::domain::seed());
    let samples = [REPORT_30, REPORT_31, REPORT_33, REPORT_34, REAL_30, ASCII_32].map(bytes);
    for _ in 0..20_000 {
        let mut bytes = samples[random.random_range(0..samples.len())].clone();
        for _ in 0..random.random_range(0..4) {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        if random.random() {
            // The check is right again: what is behind it must hold too.
            let n = bytes.len();
            if bytes[0] == 0x7E {
                let check = crc(&bytes[..n - 2]).to_be_bytes();
                bytes[n - 2..].copy_from_slice(&check);
            } else {
                let check = format!("{:04X}", crc(&bytes[..n - 4]));
                bytes[n - 4..].copy_from_slice(check.as_bytes());
            }
        }
        let mut rest = &bytes[..];
        loop {
            match step(rest, true) {
                Step::Wait => break,
                Step::Frame(frame, used) => {
                    assert!(used > 0 && used <= rest.len());
                    let _ = sl651_body::read(&frame, "t", at("2026-07-01T12:00:00Z"));
                    let _ = frame.answer(End::MayLeave, jiff::Timestamp::UNIX_EPOCH);
                    rest = &rest[used..];
                }
                Step::Skip(n, _) => {
                    assert!(n > 0 && n <= rest.len());
                    rest = &rest[n..];
                }
            }
        }
    }
}
