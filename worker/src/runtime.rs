//! The dedicated worker: carries out the outputs of the tab's state machine and reports the browser's events to it.

mod codec;
mod event_queue;
mod mqtt_ports;
mod page_channel;
mod port_intake;
mod worker;

pub use codec::Terse;
pub use page_channel::{PAGE_PORT_EVENTS, PAGE_PORT_OMITTED_NOTICES};
pub use port_intake::listen_for_ports;
pub use worker::TabWorker;
