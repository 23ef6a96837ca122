//! BroadcastChannels.

use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, Event, MessageEvent};

use crate::browser::events::Listener;

/// A BroadcastChannel with a listener. Dropping it closes the channel.
#[derive(Debug)]
pub(crate) struct Broadcast {
    inner: BroadcastChannel,
    _message: Listener,
    _message_error: Listener,
}

impl Broadcast {
    /// Opens a channel. `on_message` gets the messages of other pages and workers, or `None` for an unreadable message.
    pub(crate) fn open(
        name: &str,
        on_message: impl Fn(Option<JsValue>) + Clone + 'static,
    ) -> Result<Self, JsValue> {
        let inner = BroadcastChannel::new(name)?;
        let on_error = on_message.clone();
        let message = Listener::new(&inner, "message", move |event: Event| {
            on_message(Some(event.unchecked_into::<MessageEvent>().data()));
        })?;
        let message_error = Listener::new(&inner, "messageerror", move |_| on_error(None))?;
        Ok(Self {
            inner,
            _message: message,
            _message_error: message_error,
        })
    }

    pub(crate) fn post(&self, message: &JsValue) -> Result<(), JsValue> {
        self.inner.post_message(message)
    }
}

impl Drop for Broadcast {
    fn drop(&mut self) {
        self.inner.close();
    }
}
