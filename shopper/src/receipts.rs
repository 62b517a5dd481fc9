//! A file of the receipts that a shopper was given: what it may count on, whatever happens after.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;
use shared::money::Money;
use uuid::Uuid;

use crate::answers::Receipt;

/// The file, to which each receipt is added as soon as it is there. Clones share it.
///
/// A receipt is a line, a JSON object, which is written with one call. So every receipt that came
/// before the shopper was killed is there.
#[derive(Clone, Debug)]
pub struct Receipts(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: File,
    /// Why a receipt could not be written. None is written after that.
    failure: Option<io::Error>,
}

/// A file of receipts that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("--receipts {}: cannot be written: {source}", path.display())]
pub struct ReceiptsError {
    path: PathBuf,
    source: io::Error,
}

/// A receipt, as the file has it.
#[derive(Debug, Serialize)]
struct Line<'r> {
    /// The idempotency key of the order.
    key: &'r str,
    order_id: Uuid,
    total: Money,
}

impl Receipts {
    /// Opens the file, and makes it if it is not there. What it has stays.
    ///
    /// # Errors
    /// [`ReceiptsError`] when it cannot be written.
    pub fn open(path: &Path) -> Result<Self, ReceiptsError> {
        let opened = OpenOptions::new().create(true).append(true).open(path);
        match opened {
            Ok(file) => {
                let inner = Inner { path: path.to_owned(), file, failure: None };
                Ok(Self(Arc::new(Mutex::new(inner))))
            }
            Err(source) => Err(ReceiptsError { path: path.to_owned(), source }),
        }
    }

    /// Adds the receipt of the order with this key.
    pub(crate) fn add(&self, key: &str, receipt: &Receipt) {
        let line = Line { key, order_id: receipt.order_id, total: receipt.total };
        let mut line = serde_json::to_vec(&line).expect("it is only text and numbers");
        line.push(b'\n');
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.failure.is_some() {
            return;
        }
        if let Err(error) = inner.file.write_all(&line) {
            tracing::error!(name: "shopper.receipts.failed", %error, "--receipts {}: no more can be written", inner.path.display());
            inner.failure = Some(error);
        }
    }

    /// Whether all receipts are in the file.
    ///
    /// # Errors
    /// [`ReceiptsError`] when one could not be written.
    pub fn check(&self) -> Result<(), ReceiptsError> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match inner.failure.take() {
            None => Ok(()),
            Some(source) => Err(ReceiptsError { path: inner.path.clone(), source }),
        }
    }
}
