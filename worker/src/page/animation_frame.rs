//! The next animation frame.

use core::fmt;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use wasm_bindgen::prelude::*;
use web_sys::Window;

/// Maximum delay (ms) in a hidden page, which gets no animation frames. Its title and icon still change.
const LATEST_MS: i32 = 250;

thread_local! {
    static NEXT: Next = Next::new();
}

/// Calls back once in the next animation frame after one or more calls of [`ask`](Self::ask). In a page without frames, it calls back
/// after 250 ms. It never calls back after it is dropped.
///
/// All callbacks of one frame run in one turn of the event loop, so that no half of a change is drawn.
///
/// ```no_run
/// # use tabmq_worker::AnimationFrame;
/// let frame = AnimationFrame::new(|| { /* draw */ });
/// for _ in 0..1_000 {
///     frame.ask();
/// }
/// ```
pub struct AnimationFrame(Rc<Inner>);

struct Inner {
    callback: Box<dyn Fn()>,
    is_asked: Cell<bool>,
}

/// The next frame of this page.
struct Next {
    asked: RefCell<Vec<Weak<Inner>>>,
    due: Cell<Option<Due>>,
    callback: Closure<dyn Fn()>,
}

/// The animation frame and the timer, of which the earlier one counts.
#[derive(Clone, Copy)]
struct Due {
    frame: Option<i32>,
    timer: Option<i32>,
}

impl AnimationFrame {
    /// One without a pending request.
    #[must_use]
    pub fn new(callback: impl Fn() + 'static) -> Self {
        Self(Rc::new(Inner {
            callback: Box::new(callback),
            is_asked: Cell::new(false),
        }))
    }

    /// Requests a call in the next frame.
    pub fn ask(&self) {
        if !self.0.is_asked.replace(true) {
            NEXT.with(|next| next.ask(Rc::downgrade(&self.0)));
        }
    }

    /// Cancels the request.
    pub fn cancel(&self) {
        self.0.is_asked.set(false);
    }
}

impl fmt::Debug for AnimationFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnimationFrame")
            .field(&self.0.is_asked.get())
            .finish()
    }
}

impl Next {
    fn new() -> Self {
        Self {
            asked: RefCell::default(),
            due: Cell::new(None),
            callback: Closure::new(|| NEXT.with(Self::come)),
        }
    }

    fn ask(&self, inner: Weak<Inner>) {
        self.asked.borrow_mut().push(inner);
        if self.due.get().is_none()
            && let Some(window) = web_sys::window()
        {
            self.due.set(Some(Due::ask(&window, &self.callback)));
        }
    }

    fn come(&self) {
        if let (Some(due), Some(window)) = (self.due.take(), web_sys::window()) {
            due.cancel(&window);
        }
        // Requests of the callbacks are for the frame after this one.
        for inner in self.asked.take() {
            if let Some(inner) = inner.upgrade()
                && inner.is_asked.replace(false)
            {
                (inner.callback)();
            }
        }
    }
}

impl Due {
    fn ask(window: &Window, callback: &Closure<dyn Fn()>) -> Self {
        let callback = callback.as_ref().unchecked_ref();
        Self {
            frame: window.request_animation_frame(callback).ok(),
            timer: window
                .set_timeout_with_callback_and_timeout_and_arguments_0(callback, LATEST_MS)
                .ok(),
        }
    }

    fn cancel(self, window: &Window) {
        if let Some(frame) = self.frame {
            // This fails only for an unknown number.
            let _ = window.cancel_animation_frame(frame);
        }
        if let Some(timer) = self.timer {
            window.clear_timeout_with_handle(timer);
        }
    }
}
