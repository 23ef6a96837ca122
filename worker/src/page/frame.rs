//! The next animation frame.

use core::fmt;
use std::cell::Cell;
use std::rc::Rc;

use wasm_bindgen::prelude::*;

/// A hidden page gets no animation frames, but its title and icon may have something to tell.
const LATEST_MS: i32 = 250;

/// Calls back in the next animation frame after it was asked to, once, however often it was asked; in a page that gets
/// no frames after 250 ms. Never once it is dropped.
///
/// ```no_run
/// # use tabmq_worker::Frame;
/// let frame = Frame::new(|| { /* draw */ });
/// for _ in 0..1_000 {
///     frame.ask();
/// }
/// ```
pub struct Frame {
    due: Rc<Cell<Option<Due>>>,
    callback: Closure<dyn Fn()>,
}

/// By an animation frame or by a timer, whichever comes first.
#[derive(Clone, Copy)]
struct Due {
    frame: Option<i32>,
    timer: Option<i32>,
}

impl Frame {
    /// One that has not been asked yet.
    #[must_use]
    pub fn new(callback: impl Fn() + 'static) -> Self {
        let due = Rc::new(Cell::new(None::<Due>));
        let taken = Rc::clone(&due);
        Self {
            due,
            callback: Closure::new(move || {
                if let Some(due) = taken.take() {
                    due.cancel();
                    callback();
                }
            }),
        }
    }

    /// Asks for the next frame.
    pub fn ask(&self) {
        let Some(window) = web_sys::window().filter(|_| self.due.get().is_none()) else {
            return;
        };
        let callback = self.callback.as_ref().unchecked_ref();
        self.due.set(Some(Due {
            frame: window.request_animation_frame(callback).ok(),
            timer: window
                .set_timeout_with_callback_and_timeout_and_arguments_0(callback, LATEST_MS)
                .ok(),
        }));
    }

    /// Calls off what was asked for.
    pub fn cancel(&self) {
        if let Some(due) = self.due.take() {
            due.cancel();
        }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Frame")
            .field(&self.due.get().is_some())
            .finish()
    }
}

impl Due {
    fn cancel(self) {
        let Some(window) = web_sys::window() else {
            return;
        };
        if let Some(frame) = self.frame {
            // Fails only for a number that was never given out.
            let _ = window.cancel_animation_frame(frame);
        }
        if let Some(timer) = self.timer {
            window.clear_timeout_with_handle(timer);
        }
    }
}
