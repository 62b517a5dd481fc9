//! A store that notes when trips arrive, by the clock of the system's network stack.
//!
//! A server sees a request only when it has been woken and has answered the requests before. A time
//! taken then measures the server as much as the load generator. So this one asks the system when
//! the request came in, which the server cannot delay.

use std::{
    io::{self, IoSliceMut},
    os::fd::AsRawFd,
    sync::mpsc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use nix::{
    cmsg_space,
    sys::{
        socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt::ReceiveTimestampns},
        time::TimeSpec,
    },
};
use tokio::{
    io::{AsyncWriteExt, Interest},
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// The request that a trip begins with.
const FIRST: &[u8] = b"GET / ";

/// The end of a request that has no body.
const END: &[u8] = b"\r\n\r\n";

const WELCOME: &str = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nWelcome";

const NOTHING_IN_STORE: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
    content-length: 29\r\n\r\n{\"inventory\":{\"products\":[]}}";

/// When the gate stands still, and where it reports the trips that come in.
#[derive(Clone)]
pub(crate) struct Gate {
    opened: Instant,
    stall: (Duration, Duration),
    arrivals: mpsc::Sender<Duration>,
}

impl Gate {
    /// A gate that stands still from one time after its opening to another, and tells when each
    /// trip's first request came in, since the Unix epoch.
    pub(crate) fn new(stall: (Duration, Duration), arrivals: mpsc::Sender<Duration>) -> Self {
        Self { opened: Instant::now(), stall, arrivals }
    }

    /// Opens it on a thread of its own for as long as the process lives, and returns its address.
    pub(crate) fn open(self) -> io::Result<String> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        // Accepted connections inherit this, so it applies to their first request already.
        setsockopt(&listener, ReceiveTimestampns, &true)?;
        let url = format!("http://{}", listener.local_addr()?);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::spawn(move || runtime.block_on(self.let_in(listener)));
        Ok(url)
    }

    async fn let_in(self, listener: std::net::TcpListener) -> io::Result<()> {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (client, _) = listener.accept().await?;
            client.set_nodelay(true)?;
            // The shopper counts an exchange that fails as a failed trip.
            tokio::spawn(self.clone().serve(client));
        }
    }

    /// Answers one request after the other, until the client closes the connection.
    async fn serve(self, mut client: TcpStream) -> io::Result<()> {
        let mut request = Vec::new();
        loop {
            let came_in = receive(&client, &mut request).await?;
            if !request.ends_with(END) {
                continue;
            }
            let is_first = request.starts_with(FIRST);
            if is_first {
                // It fails when the run is over.
                self.arrivals.send(came_in).ok();
            }
            self.stand_still().await;
            let answer = if is_first { WELCOME } else { NOTHING_IN_STORE };
            client.write_all(answer.as_bytes()).await?;
            request.clear();
        }
    }

    /// Waits for the end of the stall, during it.
    async fn stand_still(&self) {
        let (from, to) = self.stall;
        let now = self.opened.elapsed();
        if (from..to).contains(&now) {
            sleep(to - now).await;
        }
    }
}

/// Adds what has come in to `request`, and says when that was, since the Unix epoch.
async fn receive(client: &TcpStream, request: &mut Vec<u8>) -> io::Result<Duration> {
    let mut bytes = [0; 4096];
    let (count, came_in) = client
        .async_io(Interest::READABLE, || {
            let mut control = cmsg_space!(TimeSpec);
            let mut into = [IoSliceMut::new(&mut bytes)];
            let flags = MsgFlags::empty();
            let message = recvmsg::<()>(client.as_raw_fd(), &mut into, Some(&mut control), flags)?;
            let came_in = message.cmsgs()?.find_map(|about| match about {
                ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
                _ => None,
            });
            Ok((message.bytes, came_in))
        })
        .await?;
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    request.extend_from_slice(&bytes[..count]);
    // The system begins to note the times of packets a moment after it was asked to.
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other);
    came_in.map_or_else(now, Ok)
}
