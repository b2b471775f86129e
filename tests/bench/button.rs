//! A button's MQTT 3.1.1 in the fewest bytes, so that the client costs next to nothing.

/// CONNECT with a clean session.
pub(crate) fn connect(client: &str) -> Vec<u8> {
    let mut packet = vec![0x10, 12 + client.len() as u8, 0, 4];
    packet.extend_from_slice(b"MQTT\x04\x02\x00\x3c\x00");
    packet.push(client.len() as u8);
    packet.extend_from_slice(client.as_bytes());
    packet
}

/// PUBLISH with QoS 1 of a press.
pub(crate) fn press(device: &str, id: u16) -> Vec<u8> {
    let topic = b"gridpost/bench/button/b";
    let payload = format!("{{\"device\":\"{device}\",\"event\":\"press\",\"id\":\"1\"}}");
    let mut packet = vec![0x32, (4 + topic.len() + payload.len()) as u8, 0, topic.len() as u8];
    packet.extend_from_slice(topic);
    packet.extend_from_slice(&id.to_be_bytes());
    packet.extend_from_slice(payload.as_bytes());
    packet
}
