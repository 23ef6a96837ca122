//! The paths that `cargo xtask` passes in environment variables.

use std::path::PathBuf;

/// The path in an environment variable.
#[track_caller]
#[must_use]
pub fn path_in(variable: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(path) if !path.is_empty() => PathBuf::from(path),
        _ => panic!("{variable} is not set: run `cargo xtask test`"),
    }
}

/// The folder of the built app.
#[must_use]
#[track_caller]
pub fn dist() -> PathBuf {
    let dist = path_in("TABMQ_DIST");
    let is_there = dist.join("index.html").is_file();
    assert!(
        is_there,
        "no app in {}: run `cargo xtask test`",
        dist.display()
    );
    dist
}

/// The folder of the page without a view.
#[cfg(unix)]
#[must_use]
#[track_caller]
pub fn page_dist() -> PathBuf {
    let folder = path_in("TABMQ_PAGE");
    let is_there = folder.join("index.html").is_file();
    assert!(
        is_there,
        "no page in {}: run `cargo xtask test`",
        folder.display()
    );
    folder
}
