//! `cargo xtask demo`: builds the app, serves it and opens it in a browser.

use std::env;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::setup::{self, Needs};
use crate::shell;

const POLL: Duration = Duration::from_millis(100);
/// Longest time for trunk to end by itself. In a terminal, Ctrl+C reaches trunk, too.
const EXIT_MAX: Duration = Duration::from_secs(2);

/// Builds, serves and opens the app. Returns when the server has ended.
pub(crate) fn run(port: u16, open: bool) -> Result<(), Error> {
    // Fail before the build, which takes minutes.
    check_free(port)?;
    let tools = setup::ensure(Needs::Trunk)?;
    // `trunk serve` does not fail if the app does not build.
    tools.build()?;

    shell::announce("Serving the app", "until Ctrl+C");
    let asked_to_end = Arc::new(AtomicBool::new(false));
    let signal = Arc::clone(&asked_to_end);
    ctrlc::set_handler(move || signal.store(true, Ordering::Relaxed)).map_err(Error::Signals)?;

    let mut trunk = tools.trunk("serve");
    trunk.args(["--release", "--port", &port.to_string()]);
    let mut server = trunk
        .spawn()
        .map_err(|source| shell::cannot_start(&trunk, source))?;
    let ending = Arc::clone(&asked_to_end);
    thread::spawn(move || greet(port, open, &ending));

    loop {
        let ended = server
            .try_wait()
            .map_err(|source| shell::cannot_start(&trunk, source))?;
        if asked_to_end.load(Ordering::Relaxed) {
            end(&mut server);
            println!("\nThe demo has ended.");
            return Ok(());
        }
        if let Some(status) = ended {
            return Err(Error::Failed {
                command: "trunk serve".to_owned(),
                status,
            });
        }
        thread::sleep(POLL);
    }
}

fn check_free(port: u16) -> Result<(), Error> {
    for address in loopback(port) {
        match TcpListener::bind(address).map_err(|error| (error.kind(), error)) {
            Ok(_) => {}
            Err((io::ErrorKind::AddrInUse, _)) => return Err(Error::PortTaken { port }),
            // Some machines have no IPv6.
            Err(_) if address.is_ipv6() => {}
            Err((_, source)) => return Err(Error::Port { port, source }),
        }
    }
    Ok(())
}

fn loopback(port: u16) -> [SocketAddr; 2] {
    [
        (Ipv4Addr::LOCALHOST, port).into(),
        (Ipv6Addr::LOCALHOST, port).into(),
    ]
}

/// Waits for the server to end, and kills it after [`EXIT_MAX`].
fn end(server: &mut Child) {
    let deadline = Instant::now() + EXIT_MAX;
    while Instant::now() < deadline {
        if matches!(server.try_wait(), Ok(Some(_))) {
            return;
        }
        thread::sleep(POLL);
    }
    // An error means that it has just ended.
    let _ = server.kill();
    let _ = server.wait();
}

/// Prints the address once the server answers, and opens it if there is a desktop.
fn greet(port: u16, open: bool, asked_to_end: &AtomicBool) {
    while !loopback(port)
        .iter()
        .any(|address| TcpStream::connect(address).is_ok())
    {
        thread::sleep(POLL);
    }
    let url = format!("http://localhost:{port}");
    println!(
        "\nTabMQ is at {url}. Open it in two tabs, both with this address: for a browser, 127.0.0.1 is another origin."
    );
    if !open {
        return;
    }
    let Some(mut opener) = opener(&url) else {
        println!("No browser is opened, because there is no desktop.");
        return;
    };
    // Some openers become the browser, print its output, and end on Ctrl+C.
    let opened = shell::run(opener.stdout(Stdio::null()).stderr(Stdio::null()));
    if let (Err(error), false) = (opened, asked_to_end.load(Ordering::Relaxed)) {
        println!("No browser is opened: {error}.");
    }
}

/// The command that opens `url` in the user's browser; none without a desktop.
fn opener(url: &str) -> Option<Command> {
    if cfg!(windows) {
        let mut start = shell::command("cmd");
        start.args(["/C", "start", "", url]);
        return Some(start);
    }
    let has_desktop = |variable| env::var_os(variable).is_some_and(|value| !value.is_empty());
    let program = if cfg!(target_os = "macos") {
        "open"
    } else if has_desktop("DISPLAY") || has_desktop("WAYLAND_DISPLAY") {
        "xdg-open"
    } else {
        return None;
    };
    let mut opener = shell::command(program);
    opener.arg(url);
    Some(opener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_an_error() {
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = holder.local_addr().unwrap().port();
        assert!(matches!(check_free(port), Err(Error::PortTaken { port: taken }) if taken == port));
        drop(holder);
        check_free(port).unwrap();
    }
}
