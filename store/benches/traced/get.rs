//! Requests of `GET /` as fast as they are answered, by connections that are kept.

use std::time::{Duration, Instant};

use actix_web::rt;
use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Connections at a time, each with one request at a time.
const CONNECTIONS: usize = 32;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\n\r\n";

/// Asks for this time, and returns how many answers came in it.
pub(crate) async fn get_for(url: &str, duration: Duration) -> u64 {
    let until = Instant::now() + duration;
    let address = url.trim_start_matches("http://");
    let clients = (0..CONNECTIONS).map(|_| rt::spawn(get_until(address.to_owned(), until)));
    join_all(clients).await.into_iter().map(Result::unwrap).sum()
}

/// All answers of a server are equally long, so the first says how much to read of the others.
async fn get_until(address: String, until: Instant) -> u64 {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.set_nodelay(true).unwrap();
    let mut answer = Vec::new();
    connection.write_all(REQUEST).await.unwrap();
    while !is_whole(&answer) {
        assert_ne!(connection.read_buf(&mut answer).await.unwrap(), 0, "the server has closed");
    }
    let mut answers = 1;
    while Instant::now() < until {
        connection.write_all(REQUEST).await.unwrap();
        connection.read_exact(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
        answers += 1;
    }
    answers
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    body.len() == length.parse::<usize>().unwrap()
}
