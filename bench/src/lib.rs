//! The measured loops of the engine. They run natively and as WebAssembly. They have no clock: the caller measures the time.

mod churn;
mod clients;
mod hostile;
mod matching;
mod retained;
mod routing;
#[cfg(target_arch = "wasm32")]
mod wasm;
pub mod workload;

pub use churn::Churn;
pub use clients::Clients;
pub use hostile::{HOSTILE, Hostile};
pub use matching::Matching;
pub use retained::{RetainedLookup, WILDCARD_FILTERS};
pub use routing::Routing;
