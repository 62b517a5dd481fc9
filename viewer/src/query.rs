//! Search: which of the held traces answer a query.

pub(crate) mod duration;
pub(crate) mod filter;
pub(crate) mod logfmt;
pub(crate) mod params;
pub(crate) mod tags;
