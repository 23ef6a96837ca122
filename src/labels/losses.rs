//! Messages that the broker dropped.

use tabmq_worker::api::DropReason;

use super::figures::{count, messages};
use crate::state::drops::Loss;

/// The name of a client: the short tab id if its client id was made from a tab's id.
fn client(client_id: &str) -> &str {
    let tab = client_id.strip_prefix("tab-");
    let is_made = |tab: &&str| tab.len() == 16 && tab.bytes().all(|it| it.is_ascii_hexdigit());
    tab.filter(is_made)
        .and_then(|tab| tab.get(..4))
        .unwrap_or(client_id)
}

/// Messages that the broker has dropped for a client.
pub(crate) fn loss(loss: &Loss) -> String {
    let when = match loss.seconds {
        0 | 1 => "in the last second".to_owned(),
        seconds => format!("in the last {} seconds", count(seconds)),
    };
    format!(
        "Dropped {} for {} {when}: {}.",
        messages(loss.messages),
        client(&loss.client_id),
        loss.reason
    )
}

/// Messages that the broker has dropped for this tab.
pub(crate) fn own_loss(dropped: u64, reason: DropReason) -> String {
    format!(
        "The broker dropped {} for this tab: {reason}.",
        messages(dropped)
    )
}
