//! Profiles as makers write them, and which of them are taken.

use super::*;
use crate::{domain::seed, sources::onvif::read::parse};

/// One profile in short: token, source, encoder, codec, size.
fn short(
    token: &str,
    source: &str,
    encoder: &str,
    codec: VideoCodec,
    (width, height): (u32, u32),
) -> Profile {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Profile {
        token: token.into(),
        name: String::new(),
        source: some(source),
        view: some(source),
        encoder: some(encoder),
        video: (width > 0).then_some(VideoFormat { codec, width, height, fps: None, gop: None }),
    }
}

use VideoCodec::{H264, H265, Jpeg};

/// Tokens of what is taken.
fn taken(profiles: &[Profile], source: Option<&str>) -> (String, Option<String>) {
    let choice = choose(profiles, source).unwrap_or_else(|why| panic!("{why}"));
    (choice.main.token, choice.sub.map(|sub| sub.token))
}

fn pair(main: &str, sub: Option<&str>) -> (String, Option<String>) {
    (main.into(), sub.map(Into::into))
}

/// As Hikvision answers, in version 1: the group of pictures is an element.
const ONE: &str = r#"<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope" xmlns:trt="http://www.onvif.org/ver10/media/wsdl" xmlns:tt="http://www.onvif.org/ver10/schema"><env:Body><trt:GetProfilesResponse>
<trt:Profiles token="Profile_1" fixed="true"><tt:Name>mainStream</tt:Name><tt:VideoSourceConfiguration token="VideoSourceToken"><tt:Name>VideoSourceConfig</tt:Name><tt:UseCount>2</tt:UseCount><tt:SourceToken>VideoSource_1</tt:SourceToken><tt:Bounds x="0" y="0" width="2688" height="1520"/></tt:VideoSourceConfiguration><tt:VideoEncoderConfiguration token="VideoEncoderToken_1"><tt:Name>VideoEncoder_1</tt:Name><tt:UseCount>1</tt:UseCount><tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>2688</tt:Width><tt:Height>1520</tt:Height></tt:Resolution><tt:Quality>3</tt:Quality><tt:RateControl><tt:FrameRateLimit>20</tt:FrameRateLimit><tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>6144</tt:BitrateLimit></tt:RateControl><tt:H264><tt:GovLength>40</tt:GovLength><tt:H264Profile>Main</tt:H264Profile></tt:H264></tt:VideoEncoderConfiguration><tt:PTZConfiguration token="P"><tt:Name>PTZ</tt:Name></tt:PTZConfiguration></trt:Profiles>
<trt:Profiles token="Profile_2" fixed="true"><tt:Name>subStream</tt:Name><tt:VideoSourceConfiguration token="VideoSourceToken"><tt:SourceToken>VideoSource_1</tt:SourceToken></tt:VideoSourceConfiguration><tt:VideoEncoderConfiguration token="VideoEncoderToken_2"><tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>640</tt:Width><tt:Height>360</tt:Height></tt:Resolution></tt:VideoEncoderConfiguration></trt:Profiles>
<trt:Profiles token="audio"><tt:Name>talk</tt:Name></trt:Profiles>
</trt:GetProfilesResponse></env:Body></env:Envelope>"#;

/// Version 2: the group of pictures is an attribute, limits are fractions, prefixes are others.
const TWO: &str = r#"<S:Envelope xmlns:S="http://www.w3.org/2003/05/soap-envelope" xmlns:m="http://www.onvif.org/ver20/media/wsdl" xmlns="http://www.onvif.org/ver10/schema"><S:Body><m:GetProfilesResponse>
<m:Profiles token="a"><m:Name>Main</m:Name><m:Configurations><m:VideoSource token="v"><SourceToken>s</SourceToken></m:VideoSource><m:VideoEncoder token="e1" GovLength="100" Profile="Main"><Encoding>H265</Encoding><Resolution><Width>3840</Width><Height>2160</Height></Resolution><RateControl ConstantBitRate="false"><FrameRateLimit>12.5</FrameRateLimit></RateControl></m:VideoEncoder></m:Configurations></m:Profiles>
<m:Profiles token="b"><m:Name>Named</m:Name><m:Configurations><m:VideoSource token="v"/><m:VideoEncoder token="e2"/></m:Configurations></m:Profiles>
</m:GetProfilesResponse></S:Body></S:Envelope>"#;

#[test]
fn both_versions_are_read_whatever_their_prefixes() {
    let one = profiles(&parse(ONE).unwrap());
    assert_eq!(one.len(), 3);
    let shown: Vec<String> = one.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            "mainStream (H.264 2688×1520, 20 fps, key frames 2.0 s apart)",
            "subStream (H.264 640×360)",
            "talk"
        ]
    );
    assert_eq!(taken(&one, None), pair("Profile_1", Some("Profile_2")));
    let mut two = profiles(&parse(TWO).unwrap());
    assert_eq!(two[0].to_string(), "Main (H.265 3840×2160, 12.5 fps, key frames 8.0 s apart)");
    assert_eq!((is_vague(&two[0]), is_vague(&two[1])), (false, true));
    // Of one that only names its encoder, that encoder is asked for.
    let encoders = r#"<a><Configurations token="e2"><Encoding>video/H264</Encoding><Resolution><Width>704</Width><Height>396</Height></Resolution></Configurations></a>"#;
    fill_in(&mut two, &parse(encoders).unwrap());
    assert_eq!(two[1].to_string(), "Named (H.264 704×396)");
    assert_eq!(taken(&two, None), pair("a", Some("b")));
}

#[test]
fn the_largest_is_kept_and_the_smallest_that_suffices_is_looked_at() {
    let main = short("main", "s", "e1", H265, (2560, 1440));
    let table: &[(&[Profile], Option<&str>)] = &[
        // The main stream is not always the first, nor the second one small.
        (&[short("small", "s", "e2", H264, (640, 360)), main.clone()], Some("small")),
        (
            &[
                main.clone(),
                short("b", "s", "e2", H264, (1280, 720)),
                short("c", "s", "e3", H264, (320, 180)),
                short("d", "s", "e4", H264, (640, 360)),
            ],
            Some("c"),
        ),
        // The same shape comes first: 4:3 of a 16:9 picture may be cut off.
        (
            &[
                main.clone(),
                short("cut", "s", "e2", H264, (352, 288)),
                short("whole", "s", "e3", H264, (640, 352)),
            ],
            Some("whole"),
        ),
        (&[main.clone(), short("cut", "s", "e2", H264, (704, 576))], Some("cut")),
        // Too small to find anybody; another codec; the same encoder; as large; another lens.
        (&[main.clone(), short("qcif", "s", "e2", H264, (176, 144))], None),
        (&[main.clone(), short("319", "s", "e2", H264, (319, 180))], None),
        (&[main.clone(), short("320", "s", "e2", H264, (320, 180))], Some("320")),
        (&[main.clone(), short("jpeg", "s", "e2", Jpeg, (640, 360))], None),
        (&[main.clone(), short("again", "s", "e1", H265, (640, 360))], None),
        (&[main.clone(), short("twin", "s", "e2", H264, (2560, 1440))], None),
        (&[main.clone(), short("other", "t", "e2", H264, (640, 360))], None),
        (&[main.clone(), short("vague", "s", "e2", H264, (0, 0))], None),
        (
            &[
                main.clone(),
                short("jpeg", "s", "e2", Jpeg, (640, 360)),
                short("h264", "s", "e3", H264, (704, 396)),
            ],
            Some("h264"),
        ),
        // No source is named, no encoder either.
        (
            &[short("main", "", "", H264, (1920, 1080)), short("sub", "", "", H264, (640, 360))],
            Some("sub"),
        ),
        (std::slice::from_ref(&main), None),
    ];
    for (profiles, sub) in table {
        let choice = choose(profiles, None).unwrap_or_else(|why| panic!("{why}"));
        let names: Vec<&str> = profiles.iter().map(|one| one.token.as_str()).collect();
        assert_eq!(choice.main.token, "main", "{names:?}");
        assert_eq!(choice.sub.map(|one| one.token).as_deref(), *sub, "{names:?}");
        assert!(choice.why.starts_with("clips: main"), "{}", choice.why);
    }
}

#[test]
fn a_view_of_its_own_is_looked_at_last() {
    let mut cut = short("cut", "s", "e2", H264, (320, 180));
    cut.view = Some("a corner".into());
    let all = [
        short("main", "s", "e1", H264, (1920, 1080)),
        cut,
        short("whole", "s", "e3", H264, (640, 480)),
    ];
    assert_eq!(taken(&all, None), pair("main", Some("whole")));
}

#[test]
fn a_recorder_has_a_source_for_each_channel() {
    let all: Vec<Profile> = (1..=4_u32)
        .flat_map(|n| {
            let of = |kind: &str, size| {
                let (token, source) = (format!("{kind}{n}"), format!("channel {n}"));
                short(&token, &source, &token, H264, size)
            };
            [of("m", (1280 + n, 720)), of("s", (640, 360))]
        })
        .collect();
    assert_eq!(taken(&all, None), pair("m1", Some("s1")));
    assert_eq!(taken(&all, Some("channel 3")), pair("m3", Some("s3")));
    let why = choose(&all, None).map(|choice| choice.why).unwrap_or_default();
    assert!(why.contains("of source `channel 1`, 3 more: onvif_source"), "{why}");
    let why = choose(&all, Some("channel 5")).unwrap_err();
    assert!(why.contains("no video source `channel 5`; expected one of `channel 1`, "), "{why}");
}

#[test]
fn what_cannot_be_taken_is_told() {
    assert!(choose(&[], None).unwrap_err().contains("no profile"));
    let jpeg = [short("a", "s", "e", Jpeg, (1920, 1080))];
    let why = choose(&jpeg, None).unwrap_err();
    assert!(why.contains("its streams are JPEG; expected H.264 or H.265"), "{why}");
    // Nothing is said of any of them: the first is the main one with all makers.
    let vague = [short("a", "", "", H264, (0, 0)), short("b", "", "", H264, (0, 0))];
    assert_eq!(taken(&vague, None), pair("a", None));
}

#[test]
fn sizes_that_are_none_are_not_read() {
    let of = |width: &str, fps: &str| {
        let text =
            ONE.replace(">2688<", &format!(">{width}<")).replace(">20<", &format!(">{fps}<"));
        profiles(&parse(&text).unwrap()).swap_remove(0).video
    };
    for width in ["0", "-1", "16385", "99999999999999999999", "wide", ""] {
        assert_eq!(of(width, "20"), None, "{width}");
    }
    assert!(of("16384", "20").is_some());
    for fps in ["0", "-5", "NaN", "inf", "1e999", ""] {
        assert_eq!(of("2688", fps).and_then(|video| video.fps), None, "{fps}");
    }
}

/// Whatever a camera lists: what is taken exists, can be read, is of one source, and the one that is
/// looked at is the smaller one.
#[test]
fn whatever_is_listed_what_is_taken_fits() {
    use rand::{Rng, SeedableRng, rngs::StdRng};
    let seed = seed();
    let mut chance = StdRng::seed_from_u64(seed);
    for n in 0..2_000 {
        let all: Vec<Profile> = (0..chance.random_range(0..8))
            .map(|k| {
                let codec = [H264, H265, Jpeg, VideoCodec::Mpeg4, VideoCodec::Other]
                    [chance.random_range(0..5)];
                let source = ["", "s", "t"][chance.random_range(0..3)];
                let encoder = ["", "e1", "e2", "e3"][chance.random_range(0..4)];
                let size = [(0, 0), (176, 144), (320, 180), (640, 480), (1920, 1080)];
                short(&k.to_string(), source, encoder, codec, size[chance.random_range(0..5)])
            })
            .collect();
        let Ok(Choice { main, sub, .. }) = choose(&all, None) else { continue };
        let Some(large) = &main.video else {
            assert!(sub.is_none(), "seed {seed}, {n}: {all:?}");
            continue;
        };
        assert!(large.codec.is_read(), "seed {seed}, {n}: {all:?}");
        let Some(sub) = sub else { continue };
        let small = sub.video.unwrap();
        let fits = small.codec.is_read() && small.area() < large.area() && small.width >= 320;
        assert!(fits && sub.token != main.token, "seed {seed}, {n}: {all:?}");
        let apart = sub.source.is_some() && main.source.is_some() && sub.source != main.source;
        assert!(!apart, "seed {seed}, {n}: {all:?}");
    }
}
