//! A backend that is far away: it answers a request when the test says so.

use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use testing::PATIENCE;
use testing::http::Received;

/// A receiver of requests on a free port. It runs until the process ends.
pub(crate) struct HeldReceiver {
    pub(crate) address: SocketAddr,
    bodies: Receiver<Vec<u8>>,
    answers: Sender<()>,
}

impl HeldReceiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (body, bodies) = channel();
        let (answers, may_answer) = channel();
        let may_answer = Arc::new(Mutex::new(may_answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (body, may_answer) = (body.clone(), Arc::clone(&may_answer));
                std::thread::spawn(move || serve(&stream, &body, &may_answer));
            }
        });
        HeldReceiver { address, bodies, answers }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for the next request, and returns its body.
    pub(crate) fn next(&self) -> Vec<u8> {
        self.bodies.recv_timeout(PATIENCE).expect("a request")
    }

    /// Lets this many requests be answered: those that have come, and the next ones.
    pub(crate) fn answer(&self, count: usize) {
        (0..count).for_each(|_| self.answers.send(()).expect("it runs"));
    }
}

/// Serves a connection until it is closed.
fn serve(
    stream: &TcpStream,
    body: &Sender<Vec<u8>>,
    may_answer: &Mutex<Receiver<()>>,
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        body.send(Received::read(&mut reader)?.body).ok()?;
        may_answer.lock().unwrap().recv().ok()?;
        (&mut &*stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
    }
}
