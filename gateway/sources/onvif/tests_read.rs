//! Answers as cameras give them, and as they should never.

use super::*;

const PULLED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope" xmlns:tev="http://www.onvif.org/ver10/events/wsdl" xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" xmlns:tns1="http://www.onvif.org/ver10/topics" xmlns:tt="http://www.onvif.org/ver10/schema"><env:Body><tev:PullMessagesResponse><tev:CurrentTime>2026-11-25T04:00:00Z</tev:CurrentTime><tev:TerminationTime>2026-11-25T04:01:00Z</tev:TerminationTime>
<wsnt:NotificationMessage><wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">tns1:RuleEngine/CellMotionDetector/Motion</wsnt:Topic><wsnt:Message><tt:Message UtcTime="2026-11-25T04:00:00Z" PropertyOperation="Changed"><tt:Source><tt:SimpleItem Name="VideoSourceConfigurationToken" Value="VideoSourceToken"/><tt:SimpleItem Name="Rule" Value="MyMotionDetectorRule"/></tt:Source><tt:Data><tt:SimpleItem Name="IsMotion" Value="true"/></tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage>
<wsnt:NotificationMessage><wsnt:Topic>tns1:VideoSource/tns1:MotionAlarm</wsnt:Topic><wsnt:Message><tt:Message PropertyOperation="Initialized"><tt:Source/><tt:Data><tt:SimpleItem Value="0" Name="State"></tt:SimpleItem></tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage>
<wsnt:NotificationMessage><wsnt:Topic>tns1:Device/Trigger/DigitalInput</wsnt:Topic><wsnt:Message/></wsnt:NotificationMessage>
</tev:PullMessagesResponse></env:Body></env:Envelope>"#;

#[test]
fn notices_are_read_whatever_their_prefixes_and_names() {
    let document = parse(PULLED).unwrap();
    let read = notices(&document);
    assert_eq!(
        read,
        [
            Notice {
                topic: "RuleEngine/CellMotionDetector/Motion".into(),
                source: "VideoSourceConfigurationToken=VideoSourceToken;Rule=MyMotionDetectorRule;"
                    .into(),
                operation: Operation::Changed,
                on: Some(true),
            },
            Notice {
                topic: "VideoSource/MotionAlarm".into(),
                source: String::new(),
                operation: Operation::Initialized,
                on: Some(false),
            },
        ]
    );
    assert_eq!(fault(&document), None);
}

#[test]
fn an_address_with_headers_of_its_own_is_kept_whole() {
    // As Axis answers: the subscription's id is no part of its address.
    let text = r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:d="http://www.axis.com/2009/event" xmlns:t="http://www.onvif.org/ver10/events/wsdl" xmlns:w="http://www.w3.org/2005/08/addressing"><s:Body><t:CreatePullPointSubscriptionResponse><t:SubscriptionReference><w:Address> http://192.0.2.5/onvif/services </w:Address><w:ReferenceParameters><d:SubscriptionId>4&amp;2</d:SubscriptionId></w:ReferenceParameters></t:SubscriptionReference></t:CreatePullPointSubscriptionResponse></s:Body></s:Envelope>"#;
    let point = subscription(&parse(text).unwrap()).unwrap();
    assert_eq!(point.address, "http://192.0.2.5/onvif/services");
    let headers = format!("<x>{}</x>", point.headers);
    let headers = parse(&headers).unwrap();
    let id = first(headers.root(), "SubscriptionId").unwrap();
    assert_eq!(id.tag_name().namespace(), Some("http://www.axis.com/2009/event"));
    assert_eq!(id.text(), Some("4&2"));
    let mark = ("http://www.w3.org/2005/08/addressing", "IsReferenceParameter");
    assert_eq!(id.attribute(mark), Some("true"));
}

#[test]
fn clocks_services_and_refusals() {
    let clock = "<a><UTCDateTime><Time><Hour>5</Hour><Minute>0</Minute><Second>1</Second></Time><Date><Year>2026</Year><Month>11</Month><Day>25</Day></Date></UTCDateTime></a>";
    let now: Timestamp = "2026-11-25T04:00:00Z".parse().unwrap();
    let offset = |text: &str| clock_offset(&parse(text).unwrap(), now);
    assert_eq!(offset(clock), Some(SignedDuration::from_secs(3_601)));
    assert_eq!(offset(&clock.replace("<Month>11", "<Month>99999")), None);
    let services = format!(
        "<a><Service><Namespace>http://www.onvif.org/ver10/media/wsdl</Namespace><XAddr>http://h/m</XAddr></Service><Service><Namespace>{EVENTS}</Namespace><XAddr>http://h/e</XAddr></Service></a>"
    );
    assert_eq!(events_address(&parse(&services).unwrap()), Some("http://h/e".into()));
    let capabilities = "<a><Device><XAddr>http://h/d</XAddr></Device><Events><XAddr>http://h/e</XAddr></Events></a>";
    assert_eq!(events_address(&parse(capabilities).unwrap()), Some("http://h/e".into()));
    assert_eq!(events_address(&parse("<a><Media><XAddr>x</XAddr></Media></a>").unwrap()), None);
    let refused = "<e><Fault><Code><Value>e:Sender</Value><Subcode><Value>ter:NotAuthorized</Value></Subcode></Code><Reason><Text>Sender not Authorized</Text></Reason></Fault></e>";
    let fault = fault(&parse(refused).unwrap()).unwrap();
    assert!(fault.is_user && !fault.is_unknown);
    assert_eq!(fault.reason, "Sender not Authorized");
}

#[test]
fn the_address_of_a_stream_is_read_however_often_it_was_escaped() {
    let of = |text: &str| stream_address(&parse(text).unwrap());
    let one =
        "<r xmlns:t=\"u\"><MediaUri><t:Uri>\n rtsp://h:554/c?a=1&amp;b=2 </t:Uri></MediaUri></r>";
    assert_eq!(of(one).as_deref(), Some("rtsp://h:554/c?a=1&b=2"));
    assert_eq!(of(&one.replace("&amp;", "&amp;amp;")), of(one));
    let data = "<Uri><![CDATA[rtsp://h:554/c?a=1&b=2]]></Uri>";
    assert_eq!(of(data), of(one));
    assert_eq!(of("<Uri> </Uri>"), None);
    assert_eq!(of("<Url>rtsp://h/</Url>"), None);
}

#[test]
fn a_camera_writes_no_line_of_ours() {
    let text = "<e><Fault><Reason><Text>no\n2026 ERROR forged\u{202e}&#x9b;31m</Text></Reason></Fault></e>";
    let fault = fault(&parse(text).unwrap()).unwrap();
    assert_eq!(fault.reason, "no 2026 ERROR forged  31m");
}

/// P7: bytes from outside. Cut anywhere, nested deeper than a stack, growing by entities.
#[test]
fn nothing_that_a_camera_answers_brings_us_down() {
    for at in (0..PULLED.len()).filter(|at| PULLED.is_char_boundary(*at)) {
        if let Ok(document) = parse(&PULLED[..at]) {
            panic!("half an answer is no answer: {at} {document:?}");
        }
    }
    let deep = format!("{}{}", "<a>".repeat(15_000), "</a>".repeat(15_000));
    if let Ok(document) = parse(&deep) {
        assert!(notices(&document).is_empty() && fault(&document).is_none());
    }
    let deeper = "<a>".repeat(300_000);
    assert!(parse(&deeper).is_err());
    let many = format!("<a>{}</a>", "<b/>".repeat(100_000));
    assert!(parse(&many).unwrap_err().contains("limit"));
    let bomb = "<!DOCTYPE a [<!ENTITY b \"bbbbbbbb\"><!ENTITY c \"&b;&b;&b;\">]><a>&c;</a>";
    assert!(parse(bomb).is_err());
}
