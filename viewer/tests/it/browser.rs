//! The page in a real browser: Chromium, headless, driven over WebDriver. Where chromedriver is not
//! installed these tests say so and pass, except in CI.

mod driver;
mod graph;
mod hostile;
mod keyboard;
mod links;
mod list;
mod look;
mod shop;
mod waterfall;

use driver::Browser;
use shop::Shop;

use crate::support::Backend;

/// A viewer, and a browser on its first page; `None` where there is no browser to test with.
fn open_page() -> Option<(Backend, Browser)> {
    let browser = Browser::start()?;
    let backend = Backend::viewer();
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
