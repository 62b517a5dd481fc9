//! Compressed bodies: which ones the store unpacks, and that decompression bombs do no harm.

use std::io::Write as _;

use flate2::{Compress, Compression, FlushCompress, write::GzEncoder};
use serde_json::json;

use crate::support::{Ask, StoreClient, TestStore};

const ORDER: &str = r#"{"items":[{"id":"1","quantity":1}]}"#;

/// The magic number with which every zstd frame begins.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A gzip of so many MiB of zeros, made of one compressed MiB whose blocks are repeated.
fn bomb(mib: usize) -> Vec<u8> {
    let zeros = vec![0; 1 << 20];
    let mut blocks = Vec::with_capacity(1 << 16);
    let mut packer = Compress::new(Compression::best(), false);
    packer.compress_vec(&zeros, &mut blocks, FlushCompress::Full).unwrap();
    assert_eq!(packer.total_in(), 1 << 20);
    let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    [&header[..], &blocks.repeat(mib)].concat()
}

fn packed(store: &StoreClient, encoding: &str, body: impl Into<Vec<u8>>) -> Ask {
    store.checkout_json(&json!(null)).header("content-encoding", encoding).body(body.into())
}

#[actix_web::test]
async fn gzip_is_unpacked_and_identity_is_taken_as_it_is() {
    let store = TestStore::open().await;
    let (start, end) = ORDER.split_at(20);
    let in_two_members = [gzip(start), gzip(end)].concat();
    for (encoding, body) in [
        ("gzip", gzip(ORDER)),
        ("GZip", gzip(ORDER)),
        ("x-gzip", gzip(ORDER)),
        ("gzip", in_two_members),
        ("identity", ORDER.into()),
        ("", ORDER.into()),
    ] {
        assert_eq!(packed(&store, encoding, body).send().await.status, 201, "{encoding}");
    }
}

#[actix_web::test]
async fn a_body_in_any_other_encoding_is_not_supported_and_the_answer_says_what_is() {
    let store = TestStore::open().await;
    let frame = [ZSTD, &[0; 99 << 10]].concat();
    for encoding in ["zstd", "br", "deflate", "compress", "gzip, gzip", "gzip, zstd", "\u{e9}", "?"]
    {
        let answer = packed(&store, encoding, frame.clone()).send().await;
        answer.problem(415);
        assert_eq!(answer.header("accept-encoding"), "gzip, identity", "{encoding}");
    }
    assert_eq!(store.in_stock(1).await, 500);
}

#[actix_web::test]
async fn gzip_that_is_broken_is_a_malformed_body() {
    let store = TestStore::open().await;
    let whole = gzip(ORDER);
    let mut wrong_sum = whole.clone();
    wrong_sum[whole.len() - 8] ^= 1;
    for body in [ORDER.into(), whole[..whole.len() - 9].to_vec(), wrong_sum, Vec::new()] {
        let problem = packed(&store, "gzip", body).send().await.problem(400);
        assert_eq!(problem.kind, "/problems/malformed-body");
    }
}

#[actix_web::test]
async fn a_bomb_is_too_large() {
    let store = TestStore::open().await;
    packed(&store, "gzip", bomb(1)).send().await.problem(413);
    packed(&store, "gzip", bomb(100)).send().await.problem(413);
    // A body of exactly the limit is accepted.
    let padding = " ".repeat((256 << 10) - ORDER.len());
    let largest = packed(&store, "gzip", gzip(&format!("{ORDER}{padding}")));
    assert_eq!(largest.send().await.status, 201);
    packed(&store, "gzip", gzip(&format!("{ORDER}{padding} "))).send().await.problem(413);
}

/// The most memory that a process has used so far, in KiB.
#[cfg(target_os = "linux")]
fn peak_kib(process: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[cfg(target_os = "linux")]
#[actix_web::test]
async fn bombs_cost_no_memory() {
    use crate::process::{StoreProcess, store_program};

    let folder = tempfile::tempdir().unwrap();
    let store = StoreProcess::start(store_program([]), &folder.path().join("store.db"));
    // Each is 200 KiB that would unpack to 200 MiB.
    let bomb = bomb(200);
    assert!(bomb.len() < 256 << 10, "{} bytes", bomb.len());
    let throw = || async {
        let thrown = (0..16).map(|_| packed(&store, "gzip", bomb.clone()).send());
        for answer in futures_util::future::join_all(thrown).await {
            answer.problem(413);
        }
    };
    throw().await;
    let before = peak_kib(store.id());
    for _ in 0..4 {
        throw().await;
    }
    // Linux counts memory for each thread and not exactly, so the peak may even look a little
    // lower.
    let grown = peak_kib(store.id()).saturating_sub(before);
    assert!(grown < 8 << 10, "{grown} KiB more than the {before} KiB before");
    assert!(before < 128 << 10, "{before} KiB");
}
