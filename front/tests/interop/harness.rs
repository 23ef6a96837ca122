//! The front as a separate process, on ports that the system chooses.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

/// The maximum time to wait for any result.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running front, ended with this value.
pub(crate) struct Front {
    process: Child,
    pub(crate) tcp: SocketAddr,
    pub(crate) ws: SocketAddr,
}

impl Front {
    /// Starts a front with the defaults.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a front with `json` as its config file.
    pub(crate) fn configured(json: &str) -> Self {
        let path = config_file(json);
        let front = Self::start_with(&["--config", path.to_str().unwrap()]);
        fs::remove_file(path).unwrap();
        front
    }

    fn start_with(arguments: &[&str]) -> Self {
        let mut process = command()
            .args(["--tcp", "127.0.0.1:0", "--ws", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.as_mut().unwrap()).lines();
        let mut address = |what: &str| {
            let line = lines.next().unwrap().unwrap();
            let address = line.strip_prefix(what).unwrap_or_else(|| panic!("{line}"));
            address.parse().unwrap()
        };
        let tcp = address("MQTT over TCP on ");
        let ws = address("MQTT over WebSocket on ");
        Self { process, tcp, ws }
    }

    /// Asks the front to end, as Ctrl+C does, and waits until it has.
    #[cfg(unix)]
    pub(crate) fn interrupt(mut self) -> ExitStatus {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
        assert!(sent.success());
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the front does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// The memory of the front in bytes.
    #[cfg(target_os = "linux")]
    pub(crate) fn memory(&self) -> usize {
        let path = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(path).unwrap();
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|value| value.split_whitespace().next())
            .unwrap();
        kilobytes.parse::<usize>().unwrap() * 1024
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        // In some tests it has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The front's program.
pub(crate) fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_front"))
}

/// Writes `json` into a new file.
pub(crate) fn config_file(json: &str) -> PathBuf {
    static FILES: AtomicUsize = AtomicUsize::new(0);
    let number = FILES.fetch_add(1, Ordering::Relaxed);
    let name = format!("config-{}-{number}.json", std::process::id());
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, json).unwrap();
    path
}

/// The value of an environment variable that `cargo xtask test` sets.
pub(crate) fn tool(variable: &str) -> PathBuf {
    let value = env::var_os(variable).unwrap_or_else(|| {
        panic!("{variable} is not set: run `cargo xtask test --only interop`, which installs what these tests need")
    });
    value.into()
}

/// Runs a program, which must succeed in time.
pub(crate) fn run(command: &mut Command) -> Output {
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let output = wait(child);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// Waits for a program to end; ends it when it takes too long.
pub(crate) fn wait(child: Child) -> Output {
    let id = child.id();
    let waiting = thread::spawn(move || child.wait_with_output().unwrap());
    let deadline = Instant::now() + 3 * PATIENCE;
    while !waiting.is_finished() {
        if Instant::now() > deadline {
            let _ = Command::new("kill").arg(id.to_string()).status();
            break;
        }
        thread::sleep(Duration::from_millis(5));
    }
    waiting.join().unwrap()
}
