//! Errors in topic names and topic filters.

/// A sentence about an error in a topic filter; `None` if it is valid.
pub(crate) fn filter_problem(filter: &str) -> Option<&'static str> {
    let shared = match filter.strip_prefix("$share/") {
        None => filter,
        Some(rest) => {
            let Some((group, shared)) = rest.split_once('/') else {
                return Some("Invalid filter: $share/ needs a group and a filter.");
            };
            if group.is_empty() || group.contains(['+', '#']) {
                return Some("Invalid filter: $share/ needs a group without wildcards.");
            }
            shared
        }
    };
    if shared.is_empty() {
        return Some("Invalid filter: it is empty.");
    }
    if filter.contains('\0') {
        return Some("Invalid filter: it contains U+0000.");
    }
    if filter.len() > usize::from(u16::MAX) {
        return Some("Invalid filter: it is longer than 65,535 bytes.");
    }
    let levels: Vec<&str> = shared.split('/').collect();
    for (place, level) in levels.iter().enumerate() {
        if level.contains('#') {
            if *level != "#" {
                return Some("Invalid filter: # must be a level of its own.");
            }
            if place + 1 < levels.len() {
                return Some("Invalid filter: # must be the last level.");
            }
        }
        if level.contains('+') && *level != "+" {
            return Some("Invalid filter: + must be a level of its own.");
        }
    }
    None
}

/// A sentence about an error in a topic name; `None` if it is valid.
pub(crate) fn topic_problem(topic: &str) -> Option<String> {
    let wrong = topic
        .char_indices()
        .find(|(_, it)| matches!(it, '+' | '#' | '\0'));
    if let Some((offset, it)) = wrong {
        let place = topic.get(..offset).unwrap_or_default().chars().count() + 1;
        let it = if it == '\0' {
            "U+0000".to_owned()
        } else {
            it.to_string()
        };
        return Some(format!(
            "Not a topic name: {it} is not allowed (character {place})."
        ));
    }
    (topic.len() > usize::from(u16::MAX))
        .then(|| "Not a topic name: it is longer than 65,535 bytes.".to_owned())
}
