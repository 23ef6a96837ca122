//! Errors of requests.

use core::fmt;

use tab::api::Problem;

use super::reason::Reason;

/// The error of a request. It displays as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The broker refused it with this reason code, 0x80 or higher (MQTT 5.0, 2.4).
    Reason(Reason),
    /// It could not be sent. No broker has received it.
    Problem(Problem),
    /// The connection or the worker ended before the answer came; it is not known whether it was carried out.
    Closed,
}

impl RequestError {
    /// The reason code as a result.
    pub(crate) fn check(reason_code: u8) -> Result<Reason, Self> {
        match Reason(reason_code) {
            reason if reason.is_failure() => Err(Self::Reason(reason)),
            reason => Ok(reason),
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reason(reason) => write!(f, "{reason}"),
            Self::Problem(problem) => write!(f, "{problem}"),
            Self::Closed => f.write_str(
                "The connection ended before the answer came: it is not known whether it was carried out.",
            ),
        }
    }
}

impl core::error::Error for RequestError {}
