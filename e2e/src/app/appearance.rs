//! How a page is looked at.

use std::fmt;

/// The colours that the reader's system asks for, and the size of the window. Nothing moves by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appearance {
    /// Light letters on dark ground, or the other way round.
    pub is_dark: bool,
    /// Width of the window in CSS pixels.
    pub width: u32,
    /// Height of the window in CSS pixels.
    pub height: u32,
}

impl Appearance {
    /// On a telephone and on a laptop, by day and by night.
    pub const ALL: [Self; 4] = [
        Self::new(false, 390, 844),
        Self::new(false, 1440, 900),
        Self::new(true, 390, 844),
        Self::new(true, 1440, 900),
    ];

    /// The windows that people look at the app in: a telephone, a tablet, and laptops with more and less around the page.
    /// Width and height in CSS pixels.
    pub const WINDOWS: [(u32, u32); 8] = [
        (390, 844),
        (820, 1180),
        (1280, 720),
        (1280, 800),
        (1366, 768),
        (1440, 789),
        (1440, 900),
        (1536, 730),
    ];

    /// A window, by day or by night.
    #[must_use]
    pub const fn new(is_dark: bool, width: u32, height: u32) -> Self {
        Self {
            is_dark,
            width,
            height,
        }
    }

    /// As CSS calls the colours.
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        if self.is_dark { "dark" } else { "light" }
    }

    /// Whether the window is as narrow as a telephone's, so that a page goes on below it.
    #[must_use]
    pub const fn is_narrow(self) -> bool {
        self.width < 600
    }
}

/// `dark-1440x900`
impl fmt::Display for Appearance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}x{}", self.scheme(), self.width, self.height)
    }
}
