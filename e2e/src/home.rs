//! Simulated messages of the devices in a home.

use crate::message::Message;

const ROOMS: [(&str, f64); 4] = [
    ("bathroom", 23.5),
    ("bedroom", 18.0),
    ("kitchen", 21.0),
    ("living-room", 20.5),
];

/// The messages of one round. Their values differ from round to round.
#[must_use]
pub fn home(round: u32) -> Vec<Message> {
    let time = f64::from(round);
    let mut messages = Vec::new();
    for (place, (room, warmth)) in (0_u32..).zip(ROOMS) {
        let temperature = warmth + (time / 4.0 + f64::from(place)).sin();
        let humidity = 48.0 + 6.0 * (time / 7.0 + f64::from(place)).cos();
        messages.push(
            Message::new(
                format!("home/{room}/temperature"),
                format!("{temperature:.1}"),
            )
            .qos(1)
            .retained(),
        );
        messages.push(Message::new(
            format!("home/{room}/climate"),
            format!(
                r#"{{"temperature":{temperature:.2},"humidity":{humidity:.1},"battery":{}}}"#,
                97 - place
            ),
        ));
        if (round + place).is_multiple_of(4) {
            let lamp = if (round / 4 + place).is_multiple_of(2) {
                r#"{"state":"on","brightness":180,"colour":{"x":0.45,"y":0.41}}"#
            } else {
                r#"{"state":"off"}"#
            };
            let topic = format!("home/{room}/lamp");
            messages.push(Message::new(topic, lamp).qos(2).retained());
        }
    }
    let power = 340.0 + 120.0 * (time / 3.0).sin();
    messages.push(Message::new("home/meter/power", format!("{power:.0}")));
    if round.is_multiple_of(5) {
        let door = if round.is_multiple_of(2) {
            "open"
        } else {
            "closed"
        };
        messages.push(Message::new("home/door", door).qos(2).retained());
        messages.push(Message::new("alarms/smoke", "").qos(1));
    }
    if round.is_multiple_of(6) {
        messages.push(Message::new(
            "home/hall/note",
            "Grüße aus dem Flur 🙂\nBack at six.",
        ));
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_has_every_qos_retained_values_and_json() {
        let all: Vec<Message> = (0..10).flat_map(home).collect();
        for qos in 0..=2 {
            assert!(all.iter().any(|it| it.qos == qos), "{qos}");
        }
        assert!(all.iter().any(|it| it.retain) && all.iter().any(|it| !it.retain));
        let json = all.iter().filter(|it| it.payload.starts_with('{'));
        for message in json {
            let parsed = serde_json::from_str::<serde_json::Value>(&message.payload);
            assert!(parsed.is_ok(), "{}", message.payload);
        }
    }
}
