//! Window size, colours and pictures of a tab.

use serde_json::json;

use super::Tab;
use crate::app::appearance::Appearance;

impl Tab<'_> {
    /// Sets the window size and the colour scheme.
    #[track_caller]
    pub fn appear(&self, appearance: Appearance) {
        let media = json!({ "features": [
            { "name": "prefers-color-scheme", "value": appearance.scheme() },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        let size = json!({
            "width": appearance.width,
            "height": appearance.height,
            "deviceScaleFactor": 1,
            "mobile": false,
        });
        self.session.run("another appearance", async {
            self.session.switch_to(&self.window).await?;
            let cdp = self.session.webdriver().cdp();
            cdp.send_raw("Emulation.setEmulatedMedia", media).await?;
            cdp.send_raw("Emulation.setDeviceMetricsOverride", size)
                .await
        });
        // The page adapts to the window size in the next frames.
        self.execute_async(
            "for (let frames = 0; frames < 3; frames++) await new Promise(requestAnimationFrame);",
        );
    }

    /// Turns on forced colours.
    #[track_caller]
    pub fn force_colours(&self) {
        let media = json!({ "features": [{ "name": "forced-colors", "value": "active" }] });
        self.session.run("forced colours", async {
            self.session.switch_to(&self.window).await?;
            let cdp = self.session.webdriver().cdp();
            cdp.send_raw("Emulation.setEmulatedMedia", media).await
        });
    }

    /// A picture (PNG) of the window, or of the whole page.
    #[track_caller]
    #[must_use]
    pub fn picture(&self, appearance: Appearance, is_whole: bool) -> Vec<u8> {
        self.appear(appearance);
        if is_whole {
            let length = self.execute("return document.documentElement.scrollHeight", Vec::new());
            let length = length.as_u64().and_then(|it| u32::try_from(it).ok());
            let height = length.unwrap_or(0).max(appearance.height);
            self.appear(Appearance {
                height,
                ..appearance
            });
        }
        self.session.run("a picture", async {
            self.session.switch_to(&self.window).await?;
            self.session.webdriver().screenshot_as_png().await
        })
    }
}
