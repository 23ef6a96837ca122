//! Listens, accepts connections, and shuts down on a signal.

use std::fs;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use broker::ConnId;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::args::Serve;
use crate::config::Config;
use crate::connection::{Admission, Bounds, Sink, Source, serve};
use crate::engine::{Engine, Report, ToEngine};
use crate::error::Error;
use crate::outbox::Outboxes;
use crate::places::{Place, PlaceLost, Places};
use crate::receive_budget::{ReceiveBudget, Receiving};
use crate::{tcp, websocket};

const TCP: &str = "MQTT over TCP";
const WEBSOCKET: &str = "MQTT over WebSocket";
/// How long connections may take to end after Ctrl+C.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);
/// The pause after a failed accept, which happens with too many connections.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until Ctrl+C or SIGTERM.
pub(crate) fn run(options: &Serve) -> Result<(), Error> {
    let config = read_config(options)?;
    let runtime = Runtime::new().map_err(Error::Start)?;
    runtime.block_on(serve_until_asked_to_end(options, &config))?;
    // A handshake or a close that is still unfinished has used up its time.
    runtime.shutdown_background();
    println!("The broker has ended.");
    Ok(())
}

fn read_config(options: &Serve) -> Result<Config, Error> {
    let Some(path) = &options.config else {
        return Ok(Config::default());
    };
    let text = fs::read_to_string(path).map_err(|source| Error::ReadConfig {
        path: path.clone(),
        source,
    })?;
    Config::parse(&text).map_err(|source| Error::Config {
        path: path.clone(),
        source,
    })
}

async fn serve_until_asked_to_end(options: &Serve, config: &Config) -> Result<(), Error> {
    // This precedes the report of the addresses.
    let asked_to_end = asked_to_end().map_err(Error::Start)?;
    let mut listeners = Vec::new();
    for (what, address) in [(TCP, options.tcp), (WEBSOCKET, options.ws)] {
        if let Some(address) = address {
            listeners.push((what, bind(what, address).await?));
        }
    }

    let outboxes = Outboxes::new(config.outboxes_bytes_max());
    let (engine, to_engine) = Engine::new(
        config.broker(&fill_randomly),
        config.turn_work_max(),
        outboxes.clone(),
        options.verbose,
    );
    let (end, ended) = oneshot::channel();
    let engine = tokio::spawn(engine.run(ended));

    let acceptor = Acceptor {
        to_engine,
        bounds: config.bounds(),
        handshake_time: config.connect_timeout(),
        places: Places::new(config.connecting_max()),
        budget: ReceiveBudget::new(config.received_bytes_max()),
        outboxes,
        next: Arc::new(AtomicU64::new(0)),
    };
    let mut accepting = JoinSet::new();
    for (what, listener) in listeners {
        if let Ok(address) = listener.local_addr() {
            println!("{what} on {address}");
        }
        accepting.spawn(acceptor.clone().accept(what, listener));
    }
    drop(acceptor);

    asked_to_end.await;
    accepting.shutdown().await;
    drop(end);
    // The result does not matter: all have ended, or the time is over.
    let _ = timeout(SHUTDOWN_TIMEOUT, engine).await;
    Ok(())
}

/// Fills `bytes` with random ones of the system. Without a source they stay unchanged.
fn fill_randomly(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        eprintln!(
            "The system has no random numbers ({error}), so SCRAM exchanges are predictable."
        );
    }
}

async fn bind(what: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::Bind {
            what,
            address,
            source,
        })
}

/// Accepts connections.
#[derive(Clone, Debug)]
struct Acceptor {
    to_engine: ToEngine,
    bounds: Bounds,
    handshake_time: Duration,
    /// For connections whose client is not accepted yet.
    places: Places,
    budget: ReceiveBudget,
    outboxes: Outboxes,
    next: Arc<AtomicU64>,
}

impl Acceptor {
    async fn accept(self, what: &'static str, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((socket, address)) => {
                    // Without this option small packets wait for each other. A socket that refuses it still works, only more slowly.
                    let _ = socket.set_nodelay(true);
                    // The place is taken here, so places follow the order of arrival. Other connections wait in the system's queue.
                    let (place, lost) = self.places.take(address.ip()).await;
                    tokio::spawn(self.clone().admit(what, socket, place, lost));
                }
                Err(error) => {
                    eprintln!("A connection was not accepted: {error}.");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Serves a connection to its end, or until it loses its place.
    async fn admit(self, what: &'static str, socket: TcpStream, place: Place, lost: PlaceLost) {
        let conn = self.number();
        let to_engine = self.to_engine.clone();
        let serving = async {
            if what == TCP {
                self.serve_tcp(conn, socket, place).await;
            } else {
                self.serve_websocket(conn, socket, place).await;
            }
        };
        tokio::select! {
            () = serving => {}
            () = lost.wait() => to_engine.send(conn, Report::Gone),
        }
    }

    async fn serve_tcp(self, conn: ConnId, socket: TcpStream, place: Place) {
        let receiving = Arc::new(self.budget.connection());
        let (source, sink) = tcp::split(socket, Arc::clone(&receiving));
        self.serve(conn, source, sink, place, receiving).await;
    }

    async fn serve_websocket(self, conn: ConnId, socket: TcpStream, place: Place) {
        let maximum = self.bounds.maximum_packet_size;
        let receiving = Arc::new(self.budget.connection());
        let shared = Arc::clone(&receiving);
        let time = self.handshake_time;
        if let Some((source, sink)) = websocket::accept(socket, shared, maximum, time).await {
            self.serve(conn, source, sink, place, receiving).await;
        }
    }

    async fn serve(
        self,
        conn: ConnId,
        source: impl Source,
        sink: impl Sink,
        place: Place,
        receiving: Arc<Receiving>,
    ) {
        let admission = Admission {
            place,
            budget: self.budget,
            receiving,
            outboxes: self.outboxes,
        };
        serve(conn, source, sink, self.to_engine, self.bounds, admission).await;
    }

    fn number(&self) -> ConnId {
        ConnId(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Resolves on Ctrl+C and SIGTERM, which are listened for from this call on. Must be called in a runtime.
#[cfg(unix)]
fn asked_to_end() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Resolves on Ctrl+C, which is listened for from this call on. Must be called in a runtime.
#[cfg(windows)]
fn asked_to_end() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
