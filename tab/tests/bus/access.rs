//! The rules of a channel hold wherever the broker is.

use std::sync::Arc;

use tab::access::{Permission, Rule, Users};
use tab::api::QoS;

use crate::world::{World, id};

const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;
const NOT_AUTHORIZED: u8 = 0x87;

#[test]
fn a_rule_holds_for_clients_of_all_tabs_and_under_the_next_broker() {
    let mut world = World::durable(0);
    let rule = Rule::deny(Permission::Publish, "secret/#").unwrap();
    world.access = Arc::new(Users::new().with_anonymous(true).with_rules(vec![rule]));
    for number in 1..=3 {
        world.open(id(number));
        world.pass(1_000);
        world.connect(id(number));
    }
    for broker in [1, 2] {
        assert_eq!(world.brokers(broker..=3), [id(broker)]);
        for (topic, expected) in [
            ("secret/a", NOT_AUTHORIZED),
            ("public/a", NO_MATCHING_SUBSCRIBERS),
        ] {
            for tab in broker..=3 {
                let request = world.publish(id(tab), topic, "", QoS::AtLeastOnce);
                world.pass(100);
                assert_eq!(
                    world.reason_code(id(tab), request),
                    Some(expected),
                    "{tab}: {topic}"
                );
            }
        }
        world.close(id(broker));
        world.pass(1_000);
    }
}
