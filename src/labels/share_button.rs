//! The button that copies a link to the page.

/// The parts of the set-up that the link does not carry.
pub(crate) fn left_out_of_link(left_out: &[&str]) -> String {
    match left_out {
        [] => "Link copied.".to_owned(),
        [one] => format!("Link copied. Not in it: {one}."),
        [first @ .., last] => format!("Link copied. Not in it: {} and {last}.", first.join(", ")),
    }
}
