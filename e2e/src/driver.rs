//! The ChromeDriver process.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const START_MAX: Duration = Duration::from_secs(30);

/// A ChromeDriver on a port of its own. It ends with its owner, and its browser with it: the browser is steered through
/// a pipe, and ends when the pipe does.
#[derive(Debug)]
pub(crate) struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    /// `folder` is for what the two leave behind.
    pub(crate) fn start(folder: &Path) -> Self {
        let program = path_in("CHROMEDRIVER");
        let mut process = Command::new(&program)
            .arg("--port=0")
            .env("TMPDIR", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        let (found, port) = mpsc::channel();
        if let Some(output) = process.stdout.take() {
            // Read to the end, or ChromeDriver would stand still once the pipe is full.
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if let Some(port) = port_in(&line) {
                        // Nobody waits any more if it came too late.
                        let _ = found.send(port);
                    }
                }
            });
        }
        // Made before the wait, so that the process ends in any case.
        let mut driver = Self { process, port: 0 };
        match port.recv_timeout(START_MAX) {
            Ok(port) => driver.port = port,
            Err(_) => panic!(
                "{} did not tell its port in {START_MAX:?}",
                program.display()
            ),
        }
        driver
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The path that an environment variable names.
#[track_caller]
pub(crate) fn path_in(variable: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(path) if !path.is_empty() => PathBuf::from(path),
        _ => panic!("{variable} is not set: run `cargo xtask test`"),
    }
}

fn port_in(line: &str) -> Option<u16> {
    let (_, port) = line.split_once("started successfully on port ")?;
    port.trim_end_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_from_the_line_that_reports_success() {
        let announced = "Starting ChromeDriver 156.0.8078.79 (a21c) on port 0";
        let started = "ChromeDriver was started successfully on port 39267.";
        assert_eq!(port_in(announced), None);
        assert_eq!(port_in(started), Some(39267));
    }
}
