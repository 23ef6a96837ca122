//! The results of publishing and subscribing.

use tabmq_worker::api::{Problem, QoS, Role, Subscription};
use tabmq_worker::hooks::{PublishStatus, Published};
use tabmq_worker::{Reason, RequestError, SubscriptionStatus};

use super::figures::{count, limit, qos_level};
use super::publish;
use super::topic_names::filter_problem;

/// The result of the publications.
pub(crate) fn publish_result(status: &PublishStatus, role: Role) -> String {
    let pending = status.pending as u64;
    if pending > 0 {
        let messages = if pending == 1 { "message" } else { "messages" };
        let pending = count(pending);
        return match role {
            Role::Waiting => {
                format!("{pending} {messages} queued, to be sent in order once there is a broker.")
            }
            Role::Client { .. } | Role::Broker { .. } => {
                format!("{pending} {messages} sent, not acknowledged yet.")
            }
        };
    }
    let Some(Published {
        number,
        qos,
        result,
    }) = &status.last
    else {
        return publish::FIRST.to_owned();
    };
    let number = count(*number);
    match (result, qos) {
        (Ok(_), QoS::AtMostOnce) => format!("Message {number} sent (QoS 0 is not acknowledged)."),
        (Ok(Reason(NO_MATCHING_SUBSCRIBERS)), QoS::AtLeastOnce | QoS::ExactlyOnce) => {
            format!("Message {number} published, but nobody is subscribed to its topic (0x10).")
        }
        (Ok(_), QoS::AtLeastOnce | QoS::ExactlyOnce) => {
            format!("Message {number} published and acknowledged.")
        }
        (Err(RequestError::Reason(reason)), _) => {
            format!("Message {number} refused by the broker: {reason}.")
        }
        (Err(RequestError::Problem(Problem::TooLarge { maximum })), _) => format!(
            "Not sent. The message is larger than the {} that the broker accepts.",
            limit(*maximum)
        ),
        (Err(RequestError::Problem(why)), _) => format!("Not sent. {why}"),
        (Err(RequestError::Closed), _) => format!(
            "The connection ended before message {number} was acknowledged. It may or may not have arrived."
        ),
    }
}

/// MQTT's reason code "No matching subscribers".
const NO_MATCHING_SUBSCRIBERS: u8 = 0x10;

/// The broker's answer to a subscription.
fn grant(status: &SubscriptionStatus) -> String {
    match status {
        SubscriptionStatus::Suspended => "Not connected".to_owned(),
        SubscriptionStatus::Requested => "Requested…".to_owned(),
        SubscriptionStatus::Granted(qos) => format!("QoS {}", qos_level(*qos)),
        SubscriptionStatus::Refused(why) => format!("Refused: {why}"),
    }
}

/// The result of a subscription. For a refused one, an error in it that is more precise than the broker's reason.
pub(crate) fn grant_of(subscription: &Subscription, status: &SubscriptionStatus) -> String {
    let is_shared = subscription.topic_filter.starts_with("$share/");
    match (status, filter_problem(&subscription.topic_filter)) {
        (SubscriptionStatus::Refused(_), Some(problem)) => problem.to_owned(),
        (SubscriptionStatus::Refused(_), None) if is_shared && subscription.no_local => {
            "Shared subscriptions can’t use No Local.".to_owned()
        }
        _ => grant(status),
    }
}
