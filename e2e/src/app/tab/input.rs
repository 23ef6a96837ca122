//! The keyboard and the mouse of a tab.

use serde_json::json;
use thirtyfour::{By, Key};

use super::Tab;

/// More elements than the page has that take the focus.
const STOPS_MAX: usize = 300;

impl Tab<'_> {
    /// Types into a field, key by key.
    #[track_caller]
    pub fn type_into(&self, testid: &str, text: &str) {
        let field = By::Css(format!("[data-testid={testid}]"));
        self.session.run(&format!("typing into {testid}"), async {
            self.session.switch_to(&self.window).await?;
            let field = self.session.webdriver().find(field).await?;
            field.clear().await?;
            field.send_keys(text).await
        });
    }

    /// Presses keys, one after the other, wherever the focus is.
    #[track_caller]
    pub fn press(&self, keys: &str) {
        self.session.run(&format!("pressing {keys:?}"), async {
            self.session.switch_to(&self.window).await?;
            let session = self.session.webdriver();
            session.active_element().await?.send_keys(keys).await
        });
    }

    /// Moves the focus to an element with the Tab key, from the top of the page.
    #[track_caller]
    pub fn reach(&self, testid: &str) {
        self.execute(
            "document.activeElement?.blur(); document.body.focus()",
            Vec::new(),
        );
        let script = "return document.activeElement?.dataset.testid ?? ''";
        for _ in 0..STOPS_MAX {
            if self.execute(script, Vec::new()) == testid {
                return;
            }
            self.press(&Key::Tab.value().to_string());
        }
        panic!("the Tab key does not reach {testid}");
    }

    /// Clicks with the mouse.
    #[track_caller]
    pub fn click(&self, testid: &str) {
        let button = By::Css(format!("[data-testid={testid}]"));
        self.session.run(&format!("a click on {testid}"), async {
            self.session.switch_to(&self.window).await?;
            self.session.webdriver().find(button).await?.click().await
        });
    }

    /// Moves the mouse to a place in the window, in CSS pixels.
    #[track_caller]
    pub fn point(&self, x: f64, y: f64) {
        self.mouse("mouseMoved", x, y);
    }

    /// Presses and releases the mouse button at a place in the window.
    #[track_caller]
    pub fn press_at(&self, x: f64, y: f64) {
        self.mouse("mousePressed", x, y);
        self.mouse("mouseReleased", x, y);
    }

    #[track_caller]
    fn mouse(&self, kind: &str, x: f64, y: f64) {
        let event = json!({
            "type": kind,
            "x": x,
            "y": y,
            "button": if kind == "mouseMoved" { "none" } else { "left" },
            "clickCount": u8::from(kind != "mouseMoved"),
        });
        self.session.run(kind, async {
            self.session.switch_to(&self.window).await?;
            let cdp = self.session.webdriver().cdp();
            cdp.send_raw("Input.dispatchMouseEvent", event).await
        });
    }
}
