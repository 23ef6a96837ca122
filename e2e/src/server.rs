//! A web server for one folder.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A browser opens connections that it may never use.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// Serves a folder on a free port of 127.0.0.1 until it is dropped, to pages of any origin. Other paths get a 404.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
}

/// A request and its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Path and query.
    pub target: String,
    /// Status code of the answer.
    pub status: u16,
}

/// Caching headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Caching {
    /// Nothing.
    #[default]
    Unsaid,
    /// All files but the page may be cached for a year. This is wrong for names that do not change between builds, but
    /// common.
    Greedy,
}

#[derive(Debug)]
struct Shared {
    /// The path of the folder; starts and ends with a slash.
    mount: String,
    caching: Caching,
    folder: Mutex<PathBuf>,
    /// Sent with every answer. Each header has its line ending.
    headers: Mutex<String>,
    requests: Mutex<Vec<Request>>,
    ended: AtomicBool,
}

struct Answer {
    status: u16,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Server {
    /// Serves `folder` below `mount`, a path that starts and ends with a slash.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(folder: &Path, mount: &str, caching: Caching) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            mount: mount.to_owned(),
            caching,
            folder: Mutex::new(folder.to_owned()),
            headers: Mutex::default(),
            requests: Mutex::default(),
            ended: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for connection in listener.incoming() {
                if serving.ended.load(Ordering::Relaxed) {
                    return;
                }
                let serving = Arc::clone(&serving);
                // A browser may close a connection at any time.
                thread::spawn(move || connection.and_then(|it| serving.converse(it)));
            }
        });
        Ok(Self { shared, address })
    }

    /// Address of the folder; ends with a slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.shared.mount)
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Serves another folder from now on.
    pub fn deploy(&self, folder: &Path) {
        folder.clone_into(&mut lock(&self.shared.folder));
    }

    /// Sends this header with all following answers.
    pub fn add_header(&self, name: &str, value: &str) {
        lock(&self.shared.headers).push_str(&format!("{name}: {value}\r\n"));
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the thread that waits for the next connection.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    /// Reads one request and answers it.
    fn converse(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(REQUEST_MAX))?;
        let mut head = BufReader::new(&stream).lines();
        let first = head.next().transpose()?.unwrap_or_default();
        for line in head {
            if line?.is_empty() {
                break;
            }
        }
        // The browser did not use this connection.
        let Some(target) = first.split(' ').nth(1) else {
            return Ok(());
        };
        let answer = self.answer(target);
        lock(&self.requests).push(Request {
            target: target.to_owned(),
            status: answer.status,
        });
        let cache_control = match self.caching {
            Caching::Greedy if answer.status == 200 && answer.content_type != "text/html" => {
                "Cache-Control: public, max-age=31536000, immutable\r\n"
            }
            Caching::Greedy | Caching::Unsaid => "",
        };
        let headers = lock(&self.headers).clone();
        let head = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{cache_control}{headers}Access-Control-Allow-Origin: *\r\nConnection: close\r\n\r\n",
            answer.status,
            answer.content_type,
            answer.body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(&answer.body)
    }

    fn answer(&self, target: &str) -> Answer {
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        let file = path.strip_prefix(&self.mount).and_then(|name| {
            let name = if name.is_empty() { "index.html" } else { name };
            let stays_inside = name.split('/').all(|part| part != "..");
            let file = lock(&self.folder).join(name);
            (stays_inside && file.is_file()).then_some(file)
        });
        match file.map(|file| (content_type(&file), fs::read(file))) {
            Some((content_type, Ok(body))) => Answer {
                status: 200,
                content_type,
                body,
            },
            Some((_, Err(error))) => Answer {
                status: 500,
                content_type: "text/plain",
                body: error.to_string().into_bytes(),
            },
            None => Answer {
                status: 404,
                content_type: "text/plain",
                body: b"Not found".to_vec(),
            },
        }
    }
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(OsStr::to_str) {
        Some("html") => "text/html",
        Some("js") => "text/javascript",
        Some("wasm") => "application/wasm",
        Some("css") => "text/css",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// The guarded values are consistent between any two statements, so a poisoned lock can be used.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    fn get(server: &Server, target: &str) -> String {
        let mut stream = TcpStream::connect(server.address).unwrap();
        write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn a_folder_appears_below_its_mount_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("index.html"), "page").unwrap();
        fs::write(folder.path().join("a.js"), "script").unwrap();
        let server = Server::start(folder.path(), "/some/where/", Caching::Greedy).unwrap();

        let page = get(&server, "/some/where/?channel=x");
        assert!(page.starts_with("HTTP/1.1 200\r\n") && page.ends_with("\r\n\r\npage"));
        assert!(page.contains("Content-Type: text/html\r\n") && !page.contains("Cache-Control"));
        let script = get(&server, "/some/where/a.js?v=1");
        assert!(script.contains("Content-Type: text/javascript\r\n"));
        assert!(script.contains("Cache-Control: public, max-age=31536000"));
        let absent = [
            "/",
            "/a.js",
            "/some/where/b.js",
            "/some/where/../where/a.js",
        ];
        for target in absent {
            assert!(
                get(&server, target).starts_with("HTTP/1.1 404\r\n"),
                "{target}"
            );
        }

        let statuses: Vec<u16> = server.requests().iter().map(|it| it.status).collect();
        assert_eq!(statuses, [200, 200, 404, 404, 404, 404]);
        assert_eq!(server.requests()[1].target, "/some/where/a.js?v=1");
    }
}
