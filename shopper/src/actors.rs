//! The actors of a thread: a crew of shoppers that grows as long as more are out at once.

mod crew;
mod shopper;

pub(crate) use crew::Crew;
pub(crate) use shopper::{GoShopping, Shopper};
