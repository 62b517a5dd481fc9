//! What tests of the store need beside the store itself: feature `testing`.

pub mod postgres;
