//! Topic names and topic filters.

/// Whether a topic name matches a topic filter (MQTT 5.0, 4.7); for a shared subscription, the filter in it.
///
/// ```
/// # use tabmq_worker::topic_matches;
/// assert!(topic_matches("home/+/temperature", "home/kitchen/temperature"));
/// assert!(!topic_matches("#", "$SYS/broker/uptime"));
/// ```
#[must_use]
pub fn topic_matches(topic_filter: &str, topic: &str) -> bool {
    let topic_filter = topic_filter
        .strip_prefix("$share/")
        .and_then(|shared| shared.split_once('/'))
        .map_or(topic_filter, |(_group, filter)| filter);
    if topic.starts_with('$') && topic_filter.starts_with(['#', '+']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in topic_filter.split('/') {
        match (wanted, levels.next()) {
            // Also matches the parent: "a/#" matches "a".
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_match_filters_as_the_specification_says() {
        for (filter, topic) in [
            ("#", "a/b"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("a/+", "a/b"),
            ("+/+", "/b"),
            ("a/+/c", "a//c"),
            ("$SYS/#", "$SYS/x"),
            ("$share/g/a/+", "a/b"),
        ] {
            assert!(topic_matches(filter, topic), "{filter} matches {topic}");
        }
        for (filter, topic) in [
            ("a", "a/b"),
            ("a/b", "a"),
            ("a/+", "a"),
            ("a/+", "a/b/c"),
            ("#", "$SYS/x"),
            ("+/x", "$SYS/x"),
            ("$share/g/#", "$SYS/x"),
        ] {
            assert!(!topic_matches(filter, topic), "{filter} leaves out {topic}");
        }
    }
}
