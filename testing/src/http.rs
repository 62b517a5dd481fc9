//! A server for HTTP/1.1. It keeps what it is sent, and answers as the test tells it.

use flate2::read::GzDecoder;
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request, with its body uncompressed.
#[derive(Clone, Debug)]
pub struct Received {
    /// The method.
    pub method: String,
    /// The path and the query.
    pub path: String,
    /// The headers, with their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, uncompressed.
    pub body: Vec<u8>,
}

impl Received {
    /// Reads the next request; `None` at the end of the connection.
    pub fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let method = line.split(' ').next()?.to_owned();
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
        Some(Self { method, path, headers, body })
    }
}

/// A status that means: read the request and never answer.
pub const HANG: u16 = 0;

/// The answer to a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// A status, headers as `name: value`, and a body.
    Http(u16, Vec<String>, Vec<u8>),
    /// No answer, and the connection stays open.
    Hang,
    /// No answer, and the connection is closed.
    Close,
    /// These bytes, and the connection is closed.
    Bytes(Vec<u8>),
}

impl From<u16> for Answer {
    fn from(status: u16) -> Self {
        if status == HANG { Answer::Hang } else { Answer::Http(status, vec![], vec![]) }
    }
}

impl Answer {
    /// A status with a body of this content type.
    pub fn body(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Answer::Http(status, vec![format!("content-type: {content_type}")], body.into())
    }

    /// A status with one header.
    pub fn header(status: u16, header: impl Into<String>) -> Self {
        Answer::Http(status, vec![header.into()], vec![])
    }
}

/// A server on a free port. It runs until the process ends.
pub struct HttpReceiver {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    /// The answers to the next requests. After these, `answer` is given to all.
    first: Mutex<VecDeque<Answer>>,
    answer: Mutex<Answer>,
    /// Each request, with whether it was answered with success.
    received: Mutex<Vec<(Received, bool)>>,
    /// Connections that are kept open and never answered.
    hanging: Mutex<Vec<TcpStream>>,
}

impl HttpReceiver {
    /// Starts a server that answers every request with `answer`, such as a status.
    pub fn answering(answer: impl Into<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            first: Mutex::default(),
            answer: Mutex::new(answer.into()),
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

    /// Answers with `answer` from now on.
    pub fn answer(&self, answer: impl Into<Answer>) {
        *self.state.answer.lock().unwrap() = answer.into();
    }

    /// Answers the next requests with `answers`, one each.
    pub fn answer_first(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.first.lock().unwrap().extend(answers);
    }

    /// All requests that were answered with success.
    pub fn received(&self) -> Vec<Received> {
        let received = self.state.received.lock().unwrap();
        received.iter().filter(|(_, success)| *success).map(|(one, _)| one.clone()).collect()
    }

    /// All requests, with any answer.
    pub fn requests(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().iter().map(|(one, _)| one.clone()).collect()
    }

    /// How many requests have been left without an answer.
    pub fn hanging(&self) -> usize {
        self.state.hanging.lock().unwrap().len()
    }
}

fn serve(stream: TcpStream, state: &State) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    while let Some(request) = Received::read(&mut reader) {
        let first = state.first.lock().unwrap().pop_front();
        let answer = first.unwrap_or_else(|| state.answer.lock().unwrap().clone());
        let is_success = matches!(answer, Answer::Http(200..=299, ..));
        state.received.lock().unwrap().push((request, is_success));
        let (status, headers, body) = match answer {
            Answer::Http(status, headers, body) => (status, headers, body),
            Answer::Hang => {
                state.hanging.lock().unwrap().push(stream);
                return;
            }
            Answer::Close => return,
            Answer::Bytes(bytes) => {
                (&stream).write_all(&bytes).ok();
                return;
            }
        };
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let length = body.len();
        let head = format!("HTTP/1.1 {status} Answer\r\n{headers}content-length: {length}\r\n\r\n");
        if (&stream).write_all(&[head.as_bytes(), &body].concat()).is_err() {
            return;
        }
    }
}
