use broker::access::AllowAll;
use broker::packet::publish::PublishPacket;

use super::*;
use crate::api::ConnectOptions;
use crate::endpoint::packets;

const CONNECTION: ConnectionNo = ConnectionNo(1);

#[test]
fn a_tab_that_ignores_the_window_is_reset() {
    let settings = Settings {
        turn_work_max: 1,
        waiting_bytes_max: 20_000,
        ..Settings::default()
    };
    let state = State {
        is_durable: false,
        pieces: &[],
        access: Box::new(AllowAll),
    };
    let now = Time::from_ms(1_000);
    let [own, other] = [1, 2].map(TabId::from_entropy);
    let (mut broker, _) = HostedBroker::new(now, Term(1), own, state, &settings);
    let mut out = Vec::new();
    broker.on_bind(now, other, 1, &mut out);
    let mut lane = LaneEnd::new(broker.lane(other), 1, settings.to_broker());
    let options = ConnectOptions::default();
    let connect = packets::connect(&options, "c", true, false, 1, 1 << 20);
    let connect = Packet::Connect(Box::new(connect));
    let publish = PublishPacket::new("t", vec![b'x'; 1_000], broker::QoS::AtMostOnce);
    let publish = Packet::Publish(publish);
    let mut sent = 0;
    let mut send = |broker: &mut HostedBroker, packet: &Packet| {
        let version = ProtocolVersion::V5;
        lane.push(CONNECTION, version, packet).unwrap();
        let mut out = Vec::new();
        lane.flush(|_, frame| {
            sent += frame.len();
            let decoded = Frame::decode(&frame).unwrap();
            broker.on_frame(now, other, (decoded, frame.len()), &mut out);
        });
        let is_reset = out
            .iter()
            .any(|output| matches!(output, HostedBrokerOutput::Broken(tab) if *tab == other));
        (is_reset, sent)
    };
    assert!(!send(&mut broker, &connect).0);
    // The time stands still, so the broker is behind after the first packet.
    let sent = loop {
        let (is_reset, sent) = send(&mut broker, &publish);
        if is_reset {
            break sent;
        }
        assert!(sent < 30_000, "{sent} bytes wait");
    };
    assert!(
        sent > 15_000,
        "reset after {sent} bytes, far below the bound"
    );
    assert!(!broker.is_behind());
    // It may bind again.
    broker.on_bind(now, other, 2, &mut out);
    let confirmed = out.last();
    assert!(
        matches!(confirmed, Some(HostedBrokerOutput::Confirm(..))),
        "{confirmed:?}"
    );
}
