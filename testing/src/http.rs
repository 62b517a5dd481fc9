//! An HTTP/1.1 server that keeps what it is sent and answers as told.

use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

/// A request, with its body uncompressed.
#[derive(Clone, Debug)]
pub struct Received {
    /// The path and the query.
    pub path: String,
    /// The headers, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, uncompressed.
    pub body: Vec<u8>,
}

/// In the place of a status: read the request and never answer.
pub const HANG: u16 = 0;

/// A server on a free port, for as long as the test runs.
pub struct HttpReceiver {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    status: AtomicU16,
    received: Mutex<Vec<Received>>,
    /// Connections that will never be answered, kept open.
    hanging: Mutex<Vec<TcpStream>>,
}

impl HttpReceiver {
    /// Starts a server that answers every request with `status`.
    pub fn answering(status: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            status: AtomicU16::new(status),
            received: Mutex::default(),
            hanging: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        HttpReceiver { address, state }
    }

    /// `http://` and the address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers with `status` from now on.
    pub fn answer(&self, status: u16) {
        self.state.status.store(status, Ordering::SeqCst);
    }

    /// All requests that were answered with success.
    pub fn received(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }

    /// How many requests have been left without an answer.
    pub fn hanging(&self) -> usize {
        self.state.hanging.lock().unwrap().len()
    }
}

fn serve(stream: TcpStream, state: &State) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    while let Some(request) = read(&mut reader) {
        let status = state.status.load(Ordering::SeqCst);
        if status == HANG {
            state.hanging.lock().unwrap().push(stream);
            return;
        }
        if status == 200 {
            state.received.lock().unwrap().push(request);
        }
        let head = format!("HTTP/1.1 {status} Answer\r\ncontent-length: 0\r\n\r\n");
        if (&stream).write_all(head.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    if headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
        let mut plain = Vec::new();
        GzDecoder::new(&body[..]).read_to_end(&mut plain).expect("a gzip body");
        body = plain;
    }
    Some(Received { path, headers, body })
}
