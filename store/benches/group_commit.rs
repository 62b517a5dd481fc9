//! Orders a second with one transaction for all orders that wait, as the ledger does it, and with
//! one transaction for each order: on SQLite with FULL synchronisation and on PostgreSQL with
//! fsync.
//!
//! Run it by `cargo bench -p store --bench group_commit`.

#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::time::SystemTime;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::try_join_all;
use shared::wire::{BasketItem, CheckoutRequest};
use store::{
    domain::{Basket, CATALOGUE, CatalogueEntry, NewOrder},
    storage::{DatabaseUrl, Storage},
};
use testing::postgres::Postgres;
use tokio::runtime::Runtime;

/// Orders that wait at the same time.
const WAITING: [usize; 3] = [1, 16, 64];

criterion_group!(benches, sqlite, postgres);
criterion_main!(benches);

fn sqlite(criterion: &mut Criterion) {
    // Not in /tmp, which may be in memory, where a commit costs nothing.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let url = format!("sqlite:{}/grocery.db", folder.path().display());
    compare(criterion, "sqlite", &url.parse().unwrap());
}

fn postgres(criterion: &mut Criterion) {
    if let Some(server) = Postgres::start(&[]) {
        compare(criterion, "postgresql", &server.database());
    }
}

fn compare(criterion: &mut Criterion, database: &str, url: &DatabaseUrl) {
    let runtime = Runtime::new().unwrap();
    let storage = runtime.block_on(open(url));
    let mut group = criterion.benchmark_group(database);
    group.sample_size(20);
    for waiting in WAITING {
        group.throughput(Throughput::Elements(waiting as u64));
        group.bench_function(BenchmarkId::new("one transaction for all", waiting), |bencher| {
            bencher.to_async(&runtime).iter(async || {
                storage.record(&orders(waiting)).await.unwrap();
            });
        });
        group.bench_function(BenchmarkId::new("one transaction an order", waiting), |bencher| {
            bencher.to_async(&runtime).iter(async || {
                let orders = orders(waiting);
                let each = orders.iter().map(|order| storage.record(std::slice::from_ref(order)));
                try_join_all(each).await.unwrap();
            });
        });
    }
    group.finish();
    runtime.block_on(storage.close());
}

async fn open(url: &DatabaseUrl) -> Storage {
    let stock = |entry: &CatalogueEntry| CatalogueEntry { initial_stock: u32::MAX, ..*entry };
    Storage::open_with(url, &CATALOGUE.map(|entry| stock(&entry))).await.unwrap()
}

/// Orders of three lines, which overlap as those of real customers do.
fn orders(count: usize) -> Vec<NewOrder> {
    let order = |number: usize| {
        let items = [0, 7, 19].map(|offset| BasketItem {
            id: CATALOGUE[(number + offset) % CATALOGUE.len()].id.to_string(),
            quantity: 1,
        });
        let basket = Basket::try_from(&CheckoutRequest { items: items.into() }).unwrap();
        NewOrder::new(basket, None, SystemTime::now())
    };
    (0..count).map(order).collect()
}
