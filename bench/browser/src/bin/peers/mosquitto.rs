//! A Mosquitto process that serves WebSocket on this machine.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

const START: Duration = Duration::from_secs(10);

/// The process. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Mosquitto {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Mosquitto {
    /// Starts the program that `MOSQUITTO` names.
    pub(crate) fn start() -> Self {
        let [port, unused] = free_ports();
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
        let config = folder.path().join("mosquitto.conf");
        // These settings turn off delays and the limits that lose messages. Some versions end without a listener for TCP;
        // without `socket_domain` they listen on other addresses, too.
        let text = format!(
            "listener {unused} 127.0.0.1\nlistener {port} 127.0.0.1\nsocket_domain ipv4\nprotocol websockets\n\
             allow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\nmax_inflight_messages 0\nlog_type none\n"
        );
        fs::write(&config, text).unwrap_or_else(|error| panic!("{}: {error}", config.display()));
        let program = env::var_os("MOSQUITTO").unwrap_or_else(|| "mosquitto".into());
        let process = Command::new(&program)
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", program.display()));
        let mosquitto = Self {
            process,
            port,
            _folder: folder,
        };
        let begin = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(begin.elapsed() < START, "Mosquitto does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        mosquitto
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }
}

/// Two ports without a listener.
fn free_ports() -> [u16; 2] {
    // Both listeners stay open until both ports are known, so the ports differ.
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    listeners.each_ref().map(|listener| {
        let address = listener.as_ref().map(TcpListener::local_addr);
        match address {
            Ok(Ok(address)) => address.port(),
            other => panic!("no free port: {other:?}"),
        }
    })
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // Both fail only if the process has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
