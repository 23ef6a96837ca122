//! The clock, and the one timer.

use js_sys::{Function, Promise};
use tab::Time;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// Longest delay that `setTimeout` takes; a longer one would fire at once.
const DELAY_MS_MAX: u64 = i32::MAX as u64;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, delay_ms: i32) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(handle: &JsValue);
}

/// The wall clock, kept from going back.
#[derive(Debug, Default)]
pub(crate) struct Clock(Time);

impl Clock {
    pub(crate) fn now(&mut self) -> Time {
        // Unix milliseconds are positive and far below 2^53.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let now = Time::from_ms(js_sys::Date::now() as u64);
        self.0 = self.0.max(now);
        self.0
    }
}

/// Waits.
pub(crate) async fn pause(ms: i32) {
    let paused = Promise::new(&mut |resolve, _reject| {
        set_timeout(&resolve, ms);
    });
    // Nothing rejects it.
    let _ = JsFuture::from(paused).await;
}

/// One timer that calls back at the time it was last set to.
#[derive(Debug)]
pub(crate) struct Timer {
    callback: Closure<dyn Fn()>,
    armed: Option<(Time, JsValue)>,
}

impl Timer {
    pub(crate) fn new(callback: impl Fn() + 'static) -> Self {
        Self {
            callback: Closure::new(callback),
            armed: None,
        }
    }

    /// The timer has called back: it is to be set anew.
    pub(crate) fn fired(&mut self) {
        self.armed = None;
    }

    pub(crate) fn set(&mut self, now: Time, due: Option<Time>) {
        if self.armed.as_ref().map(|(armed, _)| *armed) == due {
            return;
        }
        self.clear();
        if let Some(due) = due {
            let delay_ms = due.ms_since(now).min(DELAY_MS_MAX);
            let delay_ms = i32::try_from(delay_ms).unwrap_or(i32::MAX);
            let callback = self.callback.as_ref().unchecked_ref();
            self.armed = Some((due, set_timeout(callback, delay_ms)));
        }
    }

    fn clear(&mut self) {
        if let Some((_, handle)) = self.armed.take() {
            clear_timeout(&handle);
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.clear();
    }
}
