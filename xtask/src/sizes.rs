//! `cargo xtask sizes`: prints the sizes of the files that a visitor loads.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::error::Error;
use crate::setup::{self, Needs};

/// `cargo xtask sizes`
pub(crate) fn run() -> Result<(), Error> {
    if !setup::dist().join("index.html").exists() {
        setup::ensure(Needs::Trunk)?.build()?;
    }
    report()
}

/// Prints the sizes of the JavaScript and WebAssembly in dist.
pub(crate) fn report() -> Result<(), Error> {
    let dist = setup::dist();
    let mut files = Vec::new();
    measure(&dist, &dist, &mut files).map_err(Error::at(&dist))?;
    if files.is_empty() {
        return Err(Error::NoBuild { dist });
    }
    files.sort_by(|a, b| (a.part, &a.name).cmp(&(b.part, &b.name)));
    print!("{}", table(&files));
    Ok(())
}

/// The program that loads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Page,
    Worker,
}

#[derive(Debug)]
struct File {
    part: Part,
    name: String,
    raw: u64,
    gzip: u64,
}

fn measure(dist: &Path, folder: &Path, files: &mut Vec<File>) -> Result<(), io::Error> {
    for entry in fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        if path.is_dir() {
            measure(dist, &path, files)?;
        } else if path
            .extension()
            .is_some_and(|it| it == "js" || it == "wasm")
        {
            let bytes = fs::read(&path)?;
            let name = path
                .strip_prefix(dist)
                .unwrap_or(&path)
                .display()
                .to_string();
            files.push(File {
                part: part(&name),
                name,
                raw: bytes.len() as u64,
                gzip: gzip_size(&bytes)?,
            });
        }
    }
    Ok(())
}

/// Trunk names the worker's files after its binary. All other files belong to the page.
fn part(name: &str) -> Part {
    if name.starts_with("worker") {
        Part::Worker
    } else {
        Part::Page
    }
}

fn gzip_size(bytes: &[u8]) -> Result<u64, io::Error> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len() as u64)
}

fn table(files: &[File]) -> String {
    let width = files
        .iter()
        .map(|file| file.name.len())
        .max()
        .unwrap_or(0)
        .max("all of the worker".len());
    let mut rows = vec![format!("{:<width$}  {:>10}  {:>10}", "", "raw", "gzip")];
    let mut row = |name: &str, raw, gzip| {
        rows.push(format!(
            "{name:<width$}  {:>10}  {:>10}",
            Kilobytes(raw),
            Kilobytes(gzip)
        ))
    };
    for (part, title) in [
        (Part::Page, "all of the page"),
        (Part::Worker, "all of the worker"),
    ] {
        let files = || files.iter().filter(|file| file.part == part);
        files().for_each(|file| row(&file.name, file.raw, file.gzip));
        row(
            title,
            files().map(|file| file.raw).sum(),
            files().map(|file| file.gzip).sum(),
        );
    }
    rows.iter()
        .map(|row| format!("{}\n", row.trim_end()))
        .collect()
}

/// A number of bytes, displayed in kB (1,000 bytes), as browsers do.
struct Kilobytes(u64);

impl fmt::Display for Kilobytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 + 50) / 100;
        f.pad(&format!("{}.{} kB", tenths / 10, tenths % 10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_to_a_tenth_of_a_kilobyte() {
        for (bytes, shown) in [
            (0, "0.0 kB"),
            (49, "0.0 kB"),
            (50, "0.1 kB"),
            (999, "1.0 kB"),
            (123_456, "123.5 kB"),
        ] {
            assert_eq!(Kilobytes(bytes).to_string(), shown);
        }
        assert_eq!(format!("{:>8}", Kilobytes(1000)), "  1.0 kB");
    }

    #[test]
    fn the_table_has_sums_for_page_and_worker() {
        let file = |part, name: &str, raw, gzip| File {
            part,
            name: name.to_owned(),
            raw,
            gzip,
        };
        let files = [
            file(Part::Page, "tabmq-1_bg.wasm", 200_000, 70_000),
            file(Part::Page, "tabmq-1.js", 20_000, 5_000),
            file(Part::Worker, "worker.js", 10_000, 2_000),
        ];
        let expected = "                          raw        gzip
tabmq-1_bg.wasm      200.0 kB     70.0 kB
tabmq-1.js            20.0 kB      5.0 kB
all of the page      220.0 kB     75.0 kB
worker.js             10.0 kB      2.0 kB
all of the worker     10.0 kB      2.0 kB
";
        assert_eq!(table(&files), expected);
    }

    #[test]
    fn the_loader_belongs_to_the_worker() {
        for name in ["worker.js", "worker_bg.wasm", "worker-loader.js"] {
            assert_eq!(part(name), Part::Worker);
        }
        assert_eq!(part("tabmq-0a1b.js"), Part::Page);
    }

    #[test]
    fn gzip_compresses_repeated_bytes() {
        assert!(gzip_size(&[7; 100_000]).unwrap() < 1_000);
    }
}
