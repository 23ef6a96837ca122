//! The corpus of a fuzz target.

use std::fs;
use std::path::Path;

/// The files of a corpus, always in the same order.
pub(crate) fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort_unstable();
    assert!(!paths.is_empty(), "no corpus");
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}
