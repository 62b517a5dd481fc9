//! The page in real browsers, headless: each of these tests runs in Chromium, and [`in_firefox`]
//! runs them all once more in Firefox. Where a browser is not installed they say so and pass,
//! except in CI. A single one in Firefox:
//!
//! ```sh
//! VIEWER_TEST_BROWSER=firefox cargo test -p viewer --test it browser::links
//! ```

mod accessibility;
mod addresses;
mod behind_proxy;
mod compare;
mod graph;
mod hostile;
mod in_firefox;
mod judging;
mod keyboard;
mod links;
mod list;
mod list_order;
mod logs;
mod look;
mod monitor;
mod narrow;
mod senders;
mod shop;
mod transfer;
mod waterfall;

use shop::Shop;
use testing::browser::{self as driver, Browser};
use viewer::Config;

use crate::support::Backend;

/// A viewer, and a browser on its first page; `None` where there is no browser to test with.
fn open_page() -> Option<(Backend, Browser)> {
    open_page_of(Config::on_free_ports())
}

/// The same of a viewer with these settings.
fn open_page_of(config: Config) -> Option<(Backend, Browser)> {
    let browser = Browser::start()?;
    let backend = Backend::with(config);
    browser.goto(&format!("http://{}/", backend.handle().listen()));
    Some((backend, browser))
}

/// The same with an order, its trip and its batch, and some more.
fn open_shop() -> Option<(Backend, Browser, Shop)> {
    let (backend, browser) = open_page()?;
    let shop = Shop::new();
    backend.send(&shop.trip());
    backend.send(&shop.batch());
    Some((backend, browser, shop))
}
