//! What each packet of a device leads to, and the answers in its version's own form.

use mqtt_protocol_core::mqtt::{
    packet::{Packet, Qos, v3_1_1, v5_0},
    result_code::{
        DisconnectReasonCode, PubackReasonCode, PubrecReasonCode, SubackReasonCode,
        SubackReturnCode, UnsubackReasonCode,
    },
};

use super::{Answered, DeviceSession};
use crate::{
    sources::intake::connect::{self, Welcome},
    wire::guests::Trust,
};

impl DeviceSession<'_> {
    pub(super) async fn packet(&mut self, packet: Packet) -> Result<(), String> {
        match packet {
            Packet::V3_1_1Connect(connect) => {
                let welcome = connect::v3(self.shared, &connect);
                self.welcome(welcome).await
            }
            Packet::V5_0Connect(connect) => {
                let welcome = connect::v5(self.shared, &connect);
                self.welcome(welcome).await
            }
            Packet::V3_1_1Publish(publish) => {
                let (topic, payload) = (publish.topic_name(), publish.payload().as_slice());
                let (id, qos) = (publish.packet_id(), publish.qos());
                self.publication(topic, payload, (id, qos, publish.dup())).await
            }
            Packet::V5_0Publish(publish) => {
                let (topic, payload) = (publish.topic_name(), publish.payload().as_slice());
                let (id, qos) = (publish.packet_id(), publish.qos());
                self.publication(topic, payload, (id, qos, publish.dup())).await
            }
            Packet::V3_1_1Pubrel(pubrel) => {
                let done = v3_1_1::Pubcomp::builder().packet_id(pubrel.packet_id()).build();
                self.send(done.map(Into::into)).await
            }
            Packet::V5_0Pubrel(pubrel) => {
                let done = v5_0::Pubcomp::builder().packet_id(pubrel.packet_id()).build();
                self.send(done.map(Into::into)).await
            }
            Packet::V3_1_1Disconnect(_) => {
                self.left = true;
                Ok(())
            }
            Packet::V5_0Disconnect(disconnect) => {
                let with_will = Some(DisconnectReasonCode::DisconnectWithWillMessage);
                if disconnect.reason_code() == with_will {
                    return Err("left, and wants its will to be said".into());
                }
                self.left = true;
                Ok(())
            }
            other => self.refuse(other).await,
        }
    }

    /// Nothing is sent to devices: every subscription is refused, every end of one granted.
    async fn refuse(&mut self, packet: Packet) -> Result<(), String> {
        match packet {
            Packet::V3_1_1Subscribe(subscribe) => {
                let codes = vec![SubackReturnCode::Failure; subscribe.entries().len()];
                let no =
                    v3_1_1::Suback::builder().packet_id(subscribe.packet_id()).return_codes(codes);
                self.send(no.build().map(Into::into)).await
            }
            Packet::V5_0Subscribe(subscribe) => {
                let codes = vec![SubackReasonCode::NotAuthorized; subscribe.entries().len()];
                let no =
                    v5_0::Suback::builder().packet_id(subscribe.packet_id()).reason_codes(codes);
                self.send(no.build().map(Into::into)).await
            }
            Packet::V3_1_1Unsubscribe(unsubscribe) => {
                let done = v3_1_1::Unsuback::builder().packet_id(unsubscribe.packet_id()).build();
                self.send(done.map(Into::into)).await
            }
            Packet::V5_0Unsubscribe(unsubscribe) => {
                let none = UnsubackReasonCode::NoSubscriptionExisted;
                let codes = vec![none; unsubscribe.entries().len()];
                let done = v5_0::Unsuback::builder()
                    .packet_id(unsubscribe.packet_id())
                    .reason_codes(codes);
                self.send(done.build().map(Into::into)).await
            }
            _ => Ok(()),
        }
    }

    /// Answers the CONNECT; from now on it is known, and an earlier connection of it ends.
    async fn welcome(&mut self, welcome: Welcome) -> Result<(), String> {
        let Welcome { connack, hello } = welcome;
        if let Ok(hello) = &hello {
            let dialects = self.shared.dialects.borrow().clone();
            let user = hello.user.as_deref();
            self.guest.is(hello.name(&self.from.to_string()), Trust::Known);
            let names = [Some(hello.client.as_str()), user].into_iter().flatten();
            let names = names.map(str::to_owned).chain(self.shared.bound_to(&dialects, user));
            for name in names.filter(|name| self.shared.shows(&dialects, user, name)) {
                if let Some(device) = dialects.listed_id(&name) {
                    self.guest.speaks_for(device.as_str());
                }
            }
        }
        self.send(connack).await?;
        let hello = hello?;
        self.origins = hello.origins(self.guest.number(), self.from);
        self.hello = Some(hello);
        self.frames.allow();
        Ok(())
    }

    pub(super) async fn acknowledge(&mut self, answer: &Answered) -> Result<(), String> {
        self.in_flight -= 1;
        if !answer.stored {
            self.unstored = true;
            return Err("not stored; the device must send again".into());
        }
        let Some(id) = answer.packet_id else { return Ok(()) };
        self.unsettled.remove(&id);
        let v5 = self.hello.as_ref().is_some_and(|hello| hello.v5);
        let packet = match (answer.qos, v5) {
            (Qos::AtMostOnce, _) => return Ok(()),
            (Qos::AtLeastOnce, false) => {
                v3_1_1::Puback::builder().packet_id(id).build().map(Into::into)
            }
            (Qos::AtLeastOnce, true) => v5_0::Puback::builder()
                .packet_id(id)
                .reason_code(PubackReasonCode::Success)
                .build()
                .map(Into::into),
            (Qos::ExactlyOnce, false) => {
                v3_1_1::Pubrec::builder().packet_id(id).build().map(Into::into)
            }
            (Qos::ExactlyOnce, true) => v5_0::Pubrec::builder()
                .packet_id(id)
                .reason_code(PubrecReasonCode::Success)
                .build()
                .map(Into::into),
        };
        self.send(packet).await
    }

    async fn send<E: std::fmt::Debug>(&mut self, packet: Result<Packet, E>) -> Result<(), String> {
        let packet = packet.map_err(|error| format!("an answer could not be made: {error:?}"))?;
        let events = self.connection.send(packet);
        self.handle(events).await
    }
}
