//! Topic filters as specified, independent of the broker's own matching.

/// Whether `filter` matches `topic`, which does not start with `$`.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    // `a/#` also matches `a`.
    if let Some(parent) = filter.strip_suffix("/#")
        && matches(parent, topic)
    {
        return true;
    }
    let mut names = topic.split('/');
    for level in filter.split('/') {
        if level == "#" {
            return true;
        }
        match names.next() {
            Some(name) if level == "+" || level == name => {}
            Some(_) | None => return false,
        }
    }
    names.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_specified() {
        for (filter, topic) in [
            ("#", "a/b"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("+/b/#", "a/b"),
            ("+", "a"),
            ("a/+/c", "a/b/c"),
        ] {
            assert!(matches(filter, topic), "{filter} {topic}");
        }
        for (filter, topic) in [
            ("a", "a/b"),
            ("a/b", "a"),
            ("+", "a/b"),
            ("a/+", "a"),
            ("a/+", "a/b/c"),
            ("b/#", "a"),
        ] {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
    }
}
