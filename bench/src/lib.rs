//! What is measured of the engine. These loops run natively and as WebAssembly, and neither has a clock: whoever runs
//! them times them.

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
