//! Window size and colour scheme of a page.

use std::fmt;

/// A colour scheme and a window size. Animations are off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appearance {
    /// Whether the colour scheme is dark.
    pub is_dark: bool,
    /// Width of the window in CSS pixels.
    pub width: u32,
    /// Height of the window in CSS pixels.
    pub height: u32,
}

impl Appearance {
    /// A telephone and a laptop, light and dark.
    pub const ALL: [Self; 4] = [
        Self::new(false, 390, 844),
        Self::new(false, 1440, 900),
        Self::new(true, 390, 844),
        Self::new(true, 1440, 900),
    ];

    /// Usual window sizes: a telephone, a tablet and several laptops.
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

    /// A colour scheme and a window size.
    #[must_use]
    pub const fn new(is_dark: bool, width: u32, height: u32) -> Self {
        Self {
            is_dark,
            width,
            height,
        }
    }

    /// The CSS name of the colour scheme.
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        if self.is_dark { "dark" } else { "light" }
    }

    /// Whether the window is as narrow as a telephone's. Then the page is longer than the window.
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
