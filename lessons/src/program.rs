//! The program of the store in which lessons run.

use std::path::PathBuf;

/// The program of a store.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its file.
    pub file: PathBuf,
    /// The arguments that make it a store, before those of its command line.
    pub args: Vec<String>,
}
