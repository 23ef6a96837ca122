//! The ChromeDriver process.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::environment::path_in;

const START_MAX: Duration = Duration::from_secs(60);
const STARTS_MAX: usize = 3;

/// A ChromeDriver on a free port. It ends when this is dropped, and its browser, too: ChromeDriver controls it through
/// a pipe, and the browser ends with the pipe.
#[derive(Debug)]
pub(crate) struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    /// Starts ChromeDriver. `folder` is for temporary files.
    pub(crate) fn start(folder: &Path) -> Self {
        // It takes a free IPv4 port, and ends if another process uses the same IPv6 port, or the other way round.
        let mut failures = Vec::new();
        for _ in 0..STARTS_MAX {
            match Self::start_once(folder) {
                Ok(driver) => return driver,
                Err(failure) => failures.push(failure),
            }
        }
        panic!("ChromeDriver does not start:\n{}", failures.join("\n"));
    }

    fn start_once(folder: &Path) -> Result<Self, String> {
        let program = path_in("CHROMEDRIVER");
        let mut process = Command::new(&program)
            .arg("--port=0")
            .env("TMPDIR", folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let output = process.stdout.take();
        // Created before the wait, so that the process ends in any case.
        let mut driver = Self { process, port: 0 };
        let (said, lines) = mpsc::channel();
        if let Some(output) = output {
            // Read to the end, because a full pipe would block ChromeDriver.
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    // There is no receiver once the port is known.
                    let _ = said.send(line);
                }
            });
        }
        let mut lines_before = Vec::new();
        loop {
            match lines.recv_timeout(START_MAX) {
                Ok(line) => match port_in(&line) {
                    Some(port) => {
                        driver.port = port;
                        return Ok(driver);
                    }
                    None => lines_before.push(line),
                },
                Err(why) => {
                    return Err(format!(
                        "{}: {why} after {lines_before:?}",
                        program.display()
                    ));
                }
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Both fail only if the process has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
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
