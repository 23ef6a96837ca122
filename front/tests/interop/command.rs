//! The command line, its errors, and shutdown.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use crate::harness::{Front, PATIENCE, command, config_file, wait};

/// The error output of a front that does not start.
fn refusal(arguments: &[&str]) -> String {
    let process = command()
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = wait(process);
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn an_address_in_use_is_an_error_that_names_it() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap().to_string();
    for (option, what) in [("--tcp", "TCP"), ("--ws", "WebSocket")] {
        assert_eq!(
            refusal(&[option, &address]),
            format!(
                "error: cannot serve MQTT over {what} on {address}: another program uses it; choose another port, or 0 for any free one\n"
            )
        );
    }
}

#[test]
fn an_unknown_key_of_the_configuration_is_named_with_its_file() {
    let path = config_file(r#"{"recieve_maximum": 5}"#);
    let path = path.to_str().unwrap();
    let message = refusal(&["--tcp", "127.0.0.1:0", "--config", path]);
    assert!(
        message.contains(path) && message.contains("recieve_maximum"),
        "{message}"
    );
    std::fs::remove_file(path).unwrap();
    let missing = refusal(&["--tcp", "127.0.0.1:0", "--config", path]);
    assert!(missing.contains(path), "{missing}");
}

#[test]
fn the_help_shows_the_keys() {
    let output = command().arg("--help").output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("--config FILE") && text.contains("keep_alive_max_s"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_closes_the_connections_and_ends() {
    let front = Front::start();
    let mut silent = TcpStream::connect(front.tcp).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    assert!(front.interrupt().success());
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
}
