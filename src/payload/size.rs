//! Numbers of bytes as text.

use std::fmt;

/// A number of bytes. Displays as `12 B`, `3.4 kB` or `5.6 MB`.
#[derive(Clone, Copy)]
pub(crate) struct Size(pub(crate) usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ 0..1_000 => write!(f, "{bytes} B"),
            bytes @ 1_000..1_000_000 => write!(f, "{:.1} kB", bytes as f64 / 1e3),
            bytes => write!(f, "{:.1} MB", bytes as f64 / 1e6),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_a_person_would_choose() {
        assert_eq!(Size(999).to_string(), "999 B");
        assert_eq!(Size(1_250).to_string(), "1.2 kB");
        assert_eq!(Size(16_777_216).to_string(), "16.8 MB");
    }
}
