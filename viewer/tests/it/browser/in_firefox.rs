//! Every test of the page once more, in Firefox: this program runs itself.

use std::process::{Command, Stdio};
use std::thread::available_parallelism;

use super::driver::BROWSER;

#[test]
#[expect(clippy::disallowed_methods, reason = "which browser it is, is a setting")]
fn the_page_does_in_firefox_what_it_does_in_chromium() {
    if std::env::var_os(BROWSER).is_some() {
        // All tests run in the browser that was asked for.
        return;
    }
    let how_many = available_parallelism().map_or(2, usize::from).min(4);
    let ran = Command::new(std::env::current_exe().expect("the file of this program"))
        .args([
            "browser::",
            "--skip",
            "in_firefox",
            "--skip",
            "axe",
            "--test-threads",
            &how_many.to_string(),
        ])
        .env(BROWSER, "firefox")
        // If it is not installed, it is said there.
        .stderr(Stdio::inherit())
        .output()
        .expect("the tests start");

    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "in Firefox:\n{said}");
    assert!(!said.contains(" 0 passed"), "{said}");
}
