//! The clock and the timer of the worker.

use js_sys::{Function, Promise};
use tab::Time;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::MessageChannel;

/// Longest delay (ms) of `setTimeout`. A longer one fires at once.
const DELAY_MS_MAX: u64 = i32::MAX as u64;

#[wasm_bindgen]
extern "C" {
    type Performance;
    /// Looked up once, because looking up a global attribute takes longer than the call of `now`.
    #[wasm_bindgen(thread_local_v2, js_name = performance)]
    static PERFORMANCE: Performance;
    #[wasm_bindgen(method)]
    fn now(this: &Performance) -> f64;
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, delay_ms: i32) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(handle: &JsValue);
}

/// Time of the monotonic clock (ms).
pub(crate) fn monotonic_ms() -> f64 {
    PERFORMANCE.with(Performance::now)
}

/// A wall clock that never goes back and never stands still. When the browser's clock is set back, time continues from its last
/// value. Otherwise keep-alive timeouts would be late.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Difference to the monotonic clock (ms).
    ahead_ms: f64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            ahead_ms: f64::NEG_INFINITY,
        }
    }

    /// The time at `monotonic_ms`, which the caller has just read.
    pub(crate) fn at(&mut self, monotonic_ms: f64) -> Time {
        self.advance(monotonic_ms, js_sys::Date::now())
    }

    fn advance(&mut self, monotonic_ms: f64, wall_ms: f64) -> Time {
        // The wall clock jumps ahead when it is set, or after a sleep that stopped the monotonic clock.
        self.ahead_ms = self.ahead_ms.max(wall_ms - monotonic_ms);
        // Unix milliseconds are positive and far below 2^53.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let now = (monotonic_ms + self.ahead_ms) as u64;
        Time::from_ms(now)
    }
}

/// Blocks this thread for so many milliseconds.
pub(crate) fn stand_still(ms: u32) {
    let end = monotonic_ms() + f64::from(ms);
    while monotonic_ms() < end {}
}

/// Waits for so many milliseconds.
pub(crate) async fn pause(ms: i32) {
    let paused = Promise::new(&mut |resolve, _reject| {
        set_timeout(&resolve, ms);
    });
    // The promise never rejects.
    let _ = JsFuture::from(paused).await;
}

/// A timer that fires at the time that was last set, or earlier.
///
/// Nearly every due time moves before it is reached. Moving the browser's timer with each message costs more than an occasional
/// turn without effect. So a later due time leaves the timer as it is, and the caller sets it again after it has fired.
#[derive(Debug)]
pub(crate) struct Timer {
    callback: Closure<dyn Fn()>,
    armed: Option<(Time, JsValue)>,
    /// Calls back without the pause of some milliseconds that browsers make between timers. Opened when it is needed.
    soon: Option<MessageChannel>,
    is_soon: bool,
}

impl Timer {
    pub(crate) fn new(callback: impl Fn() + 'static) -> Self {
        Self {
            callback: Closure::new(callback),
            armed: None,
            soon: None,
            is_soon: false,
        }
    }

    /// Records that the timer has fired. The caller sets it again.
    pub(crate) fn fired(&mut self) {
        self.is_soon = false;
        self.clear();
    }

    /// Calls back as soon as the events that wait already have been handled.
    pub(crate) fn set_soon(&mut self) -> Result<(), JsValue> {
        if self.is_soon {
            return Ok(());
        }
        let channel = match &self.soon {
            Some(channel) => channel,
            None => {
                let channel = MessageChannel::new()?;
                let callback = self.callback.as_ref().unchecked_ref();
                channel.port1().set_onmessage(Some(callback));
                self.soon.insert(channel)
            }
        };
        channel.port2().post_message(&JsValue::NULL)?;
        self.is_soon = true;
        Ok(())
    }

    pub(crate) fn set(&mut self, now: Time, due: Option<Time>) {
        let armed = self.armed.as_ref().map(|(armed, _)| *armed);
        let Some(due) = due.filter(|due| armed.is_none_or(|armed| *due < armed)) else {
            return;
        };
        self.clear();
        let delay_ms = due.ms_since(now).min(DELAY_MS_MAX);
        let delay_ms = i32::try_from(delay_ms).unwrap_or(i32::MAX);
        let callback = self.callback.as_ref().unchecked_ref();
        self.armed = Some((due, set_timeout(callback, delay_ms)));
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
        if let Some(channel) = &self.soon {
            channel.port1().close();
        }
    }
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    /// Long after what is due in some milliseconds, and long before what is due in `LATER_MS`.
    const SOON_MS: i32 = 500;
    const LATER_MS: u64 = 60_000;

    #[wasm_bindgen_test]
    async fn the_timer_calls_back_early_rather_than_late_and_once_each_time_it_is_set() {
        let count = Rc::new(Cell::new(0));
        let counted = Rc::clone(&count);
        let mut timer = Timer::new(move || counted.set(counted.get() + 1));
        let now = Time::from_ms(1_000);
        // More time, or no need any more: it is left as it is.
        timer.set(now, Some(now.plus_ms(10)));
        timer.set(now, Some(now.plus_ms(LATER_MS)));
        timer.set(now, None);
        pause(SOON_MS).await;
        assert_eq!(count.get(), 1);
        timer.fired();
        // Less time: it is set anew.
        timer.set(now, Some(now.plus_ms(LATER_MS)));
        timer.set(now, Some(now.plus_ms(10)));
        pause(SOON_MS).await;
        assert_eq!(count.get(), 2);
        timer.fired();
        timer.set(now, Some(now.plus_ms(10)));
        drop(timer);
        pause(SOON_MS).await;
        assert_eq!(count.get(), 2);
    }

    #[wasm_bindgen_test]
    async fn it_calls_back_soon_once_without_the_pause_of_a_timer() {
        let count = Rc::new(Cell::new(0));
        let counted = Rc::clone(&count);
        let mut timer = Timer::new(move || counted.set(counted.get() + 1));
        timer.set_soon().unwrap();
        timer.set_soon().unwrap();
        assert_eq!(count.get(), 0);
        pause(SOON_MS).await;
        assert_eq!(count.get(), 1);
        timer.fired();
        timer.set_soon().unwrap();
        pause(SOON_MS).await;
        assert_eq!(count.get(), 2);
        timer.fired();
        timer.set_soon().unwrap();
        drop(timer);
        pause(SOON_MS).await;
        assert_eq!(count.get(), 2);
    }

    #[wasm_bindgen_test]
    fn it_goes_ahead_with_the_wall_clock_and_never_back_nor_stands_still() {
        let mut clock = Clock::new();
        let mut received = Vec::new();
        // The monotonic clock, and the wall clock: as it should be, set ahead, set back, and caught up.
        for (monotonic_ms, wall_ms) in [
            (10.0, 1_000.0),
            (20.0, 1_010.0),
            (30.0, 9_000.0),
            (40.0, 2_000.0),
            (50.0, 2_010.0),
            (60.0, 9_030.0),
            (70.0, 9_041.0),
        ] {
            received.push(clock.advance(monotonic_ms, wall_ms).as_ms());
        }
        assert_eq!(received, [1_000, 1_010, 9_000, 9_010, 9_020, 9_030, 9_041]);
    }

    #[wasm_bindgen_test]
    fn it_tells_unix_time() {
        let wall_ms = js_sys::Date::now();
        let now = Clock::new().at(monotonic_ms()).as_ms();
        #[allow(clippy::cast_precision_loss)]
        let off_ms = (now as f64 - wall_ms).abs();
        assert!(off_ms < 1_000.0, "{off_ms} ms");
    }
}
