//! Clocks, pauses and intervals.

use std::rc::Rc;

use js_sys::{Date, Promise};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use yew::prelude::*;

/// Unix milliseconds as local time of day: `14:03:07.250`.
pub(crate) fn time_of_day(unix_ms: u64) -> String {
    let date = Date::new(&JsValue::from_f64(unix_ms as f64));
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        date.get_hours(),
        date.get_minutes(),
        date.get_seconds(),
        date.get_milliseconds()
    )
}

/// Unix milliseconds as local date and time: `2026-11-26 14:03:07.250`.
pub(crate) fn date_and_time(unix_ms: u64) -> String {
    let date = Date::new(&JsValue::from_f64(unix_ms as f64));
    format!(
        "{:04}-{:02}-{:02} {}",
        date.get_full_year(),
        date.get_month() + 1,
        date.get_date(),
        time_of_day(unix_ms)
    )
}

/// Unix milliseconds in the format of ISO 8601: `2026-11-26T14:03:07.250Z`.
pub(crate) fn iso_time(unix_ms: u64) -> String {
    let date = Date::new(&JsValue::from_f64(unix_ms as f64));
    date.to_iso_string().into()
}

/// Unix milliseconds now.
pub(crate) fn unix_ms() -> f64 {
    Date::now()
}

/// Milliseconds of a monotonic clock since the page was opened.
pub(crate) fn now_ms() -> f64 {
    let performance = web_sys::window().and_then(|window| window.performance());
    performance.map_or_else(Date::now, |performance| performance.now())
}

/// Yields to the browser's other tasks.
pub(crate) async fn next_task() {
    pause(0).await;
}

/// Waits for this many milliseconds, or longer in a hidden page.
pub(crate) async fn pause(ms: u32) {
    let waited = Promise::new(&mut |resolve, _| {
        let ms = i32::try_from(ms).unwrap_or(i32::MAX);
        let window = web_sys::window();
        let timer =
            window.map(|it| it.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, ms));
        if !matches!(timer, Some(Ok(_))) {
            // Without a timer there is nothing to wait for.
            let _ = resolve.call0(&JsValue::NULL);
        }
    });
    // The promise is never rejected.
    let _ = JsFuture::from(waited).await;
}

/// Unix milliseconds now. The component is redrawn every `interval_ms`.
#[hook]
pub(crate) fn use_now(interval_ms: u32) -> u64 {
    let update = use_force_update();
    use_interval(Some(interval_ms), move || update.force_update());
    Date::now() as u64
}

/// Calls `tick` at this interval while the component is mounted; `None`: never. It always calls the `tick` of the latest
/// drawing.
#[hook]
pub(crate) fn use_interval(interval_ms: Option<u32>, tick: impl Fn() + 'static) {
    let latest = use_mut_ref(|| None::<Rc<dyn Fn()>>);
    latest.replace(Some(Rc::new(tick)));
    use_effect_with(interval_ms, move |&interval_ms| {
        let tick = Closure::<dyn FnMut()>::new(move || {
            // Nothing is borrowed while it runs.
            let tick = latest.borrow().clone();
            if let Some(tick) = tick {
                tick();
            }
        });
        let window = web_sys::window().zip(interval_ms);
        let timer = window.as_ref().and_then(|(window, interval_ms)| {
            let interval_ms = i32::try_from(*interval_ms).unwrap_or(i32::MAX);
            window
                .set_interval_with_callback_and_timeout_and_arguments_0(
                    tick.as_ref().unchecked_ref(),
                    interval_ms,
                )
                .ok()
        });
        move || {
            if let Some(((window, _), timer)) = window.zip(timer) {
                window.clear_interval_with_handle(timer);
            }
            drop(tick);
        }
    });
}
