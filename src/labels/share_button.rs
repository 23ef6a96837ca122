//! The button that copies a link to the page.

pub(crate) const NAME: &str = "Copy link";
/// Both words of the name. A narrow page shows the second one.
pub(crate) const COPY: &str = "Copy";
pub(crate) const LINK: &str = "link";
pub(crate) const HINT: &str = "Copies a link with the channel, the subscriptions, the filter, the search, the view and the message in the form";
pub(crate) const TOO_LONG: &str = "the message in the form, which is too long";
pub(crate) const DRAFT_PROPERTIES: &str = "the properties of the message in the form";
pub(crate) const USER_NAME: &str = "user name";
pub(crate) const PASSWORD: &str = "password";
pub(crate) const WILL: &str = "will";
pub(crate) const REFUSED_FILTERS: &str = "filters that the broker refuses";

/// The parts of the set-up that the link does not carry.
pub(crate) fn left_out_of_link(left_out: &[&str]) -> String {
    match left_out {
        [] => "Link copied.".to_owned(),
        [one] => format!("Link copied. Not in it: {one}."),
        [first @ .., last] => format!("Link copied. Not in it: {} and {last}.", first.join(", ")),
    }
}
