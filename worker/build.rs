//! Names the build by a hash of its sources, so that a page detects a worker of another build.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Sources of the worker, relative to this crate.
const SOURCES: [&str; 4] = ["../broker/src", "../tab/src", "src", "../Cargo.lock"];

fn main() -> io::Result<()> {
    let mut files = Vec::new();
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
        collect(Path::new(source), &mut files)?;
    }
    files.sort();
    let mut hash = FNV_OFFSET;
    for file in files {
        hash = fnv1a(hash, file.to_string_lossy().replace('\\', "/").as_bytes());
        hash = fnv1a(hash, &fs::read(&file)?);
    }
    println!("cargo:rustc-env=TABMQ_BUILD={hash:016x}");
    Ok(())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else {
        files.push(path.to_owned());
    }
    Ok(())
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: the same on all machines and compilers. The standard library's hasher does not promise that.
fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
