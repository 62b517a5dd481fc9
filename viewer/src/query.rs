//! Searching the traces held: what a search asks for, and what answers it.

pub(crate) mod duration;
pub(crate) mod filter;
pub(crate) mod order;
pub(crate) mod params;
pub(crate) mod tags;
pub(crate) mod trace_id;
