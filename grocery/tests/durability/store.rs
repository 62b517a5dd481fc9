//! A `grocery store` as a process, and its database as the audit sees it.

use store::{
    domain::{CATALOGUE, CatalogueEntry},
    storage::{self, Audit, DatabaseUrl, Storage},
};
use testing::process::Process;
use tokio::task::block_in_place;

use crate::grocery::{grocery, url};

/// A running `grocery store`, which is killed as by `kill -9` when this is dropped.
pub(crate) struct Store {
    _process: Process,
    pub(crate) url: String,
}

impl Store {
    /// Starts a store without deliveries, and waits until it is open.
    pub(crate) fn start(database: &DatabaseUrl) -> Self {
        Self::start_with(database, &[])
    }

    /// The same with more flags.
    pub(crate) fn start_with(database: &DatabaseUrl, flags: &[&str]) -> Self {
        let database = database.to_string();
        let args = ["store", "--listen=127.0.0.1:0", "--restock-below=0", "--database", &database];
        let args = args.into_iter().chain(flags.iter().copied());
        let variables = [("OTEL_TRACES_EXPORTER", "none".to_owned())];
        block_in_place(|| {
            let process = grocery(args, variables).start();
            let url = url(&process);
            Self { _process: process, url }
        })
    }

    /// Kills the process at once.
    pub(crate) fn kill(self) {
        block_in_place(|| drop(self));
    }
}

/// Makes a database with so many pieces of every product.
pub(crate) async fn stocked(database: &DatabaseUrl, pieces: u32) {
    let stock = |entry: &CatalogueEntry| CatalogueEntry { initial_stock: pieces, ..*entry };
    let catalogue: Vec<_> = CATALOGUE.iter().map(stock).collect();
    Storage::open_with(database, &catalogue).await.unwrap().close().await;
}

/// The figures of an audit, which is expected to find nothing wrong, by the library and by
/// `grocery store --audit`.
pub(crate) async fn clean_audit(database: &DatabaseUrl) -> Audit {
    let audit = storage::audit(database).await.unwrap();
    assert!(audit.is_clean(), "{audit}");
    let database = database.to_string();
    let args = ["store", "--audit", "--database", &database];
    let printed = block_in_place(|| grocery(args, []).run());
    assert!(printed.status.success(), "{}", printed.errors());
    assert_eq!(printed.stdout, format!("{audit}\n"));
    audit
}
