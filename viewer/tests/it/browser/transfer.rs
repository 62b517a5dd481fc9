//! Files: what of a trace is downloaded, and files that are chosen, or dropped on the list.

use serde_json::Value as Json;

use super::driver::{Browser, Key};
use super::{open_page, open_shop};
use crate::support::Backend;
use crate::support::spans::spans_of;

/// Gives the page a file, as a reader does it who chose it in the browser's own dialog.
fn choose(browser: &Browser, name: &str, content: &str) {
    let script = "document.querySelector('input[type=file]').files = files.files;
        document.querySelector('input[type=file]').dispatchEvent(new Event('change'));";
    give(browser, name, content, script);
}

/// Drops a file on the page.
fn drop_file(browser: &Browser, name: &str, content: &str) {
    let script = "const drop = (type) => document.querySelector('main').dispatchEvent(
            new DragEvent(type, { dataTransfer: files, bubbles: true, cancelable: true }));
        drop('dragover'); drop('drop');";
    give(browser, name, content, script);
}

fn give(browser: &Browser, name: &str, content: &str, script: &str) {
    let (name, content) = (Json::from(name), Json::from(content));
    browser.run(&format!(
        "const files = new DataTransfer(); files.items.add(new File([{content}], {name})); {script}"
    ));
}

/// What is said of the files that were given.
const SAID: &str = "return [...document.querySelectorAll('.uploaded p')].map((line) => line.textContent.trim()).join('\\n')";

#[test]
fn a_trace_is_downloaded_in_two_forms_that_are_named_after_it() {
    let Some((backend, browser, shop)) = open_shop() else { return };
    let id = shop.trip.hex();
    browser.goto_path(&format!("/trace/{id}"));

    browser.expect_text(
        "return [...document.querySelectorAll('.downloads a')].map((link) => `${link.textContent} ${link.download}`).join('\\n')",
        &format!("OTLP JSON trace-{id}.otlp.json\nJaeger JSON trace-{id}.jaeger.json"),
    );
    let hrefs = browser.run("return [...document.querySelectorAll('.downloads a')].map((link) => link.getAttribute('href'))");
    let spans = |at: usize| backend.get(hrefs[at].as_str().expect("a path")).1;
    assert_eq!(spans_of(&spans(0)).len(), 16);
    assert_eq!(spans(1)["data"][0]["spans"].as_array().map(Vec::len), Some(16));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_file_that_is_chosen_or_dropped_comes_onto_the_list() {
    let Some((backend, browser, shop)) = open_shop() else { return };
    let id = shop.trip.hex();
    backend.stats_when_stored(16);
    let file = |path: &str| backend.query(path).send().expect("an answer").text().expect("a text");
    let otlp = file(&format!("/viewer/api/traces/{id}/otlp"));
    let jaeger = file(&format!("/api/traces/{}", shop.batch.hex()));
    let empty = Backend::viewer();
    browser.goto(&format!("http://{}/", empty.handle().listen()));
    browser.expect("return document.querySelector('.blank h2')?.textContent", "No traces yet");

    choose(&browser, "trip.otlp.json", &otlp);
    browser.expect(SAID, format!("trip.otlp.json: 1 trace with 16 spans came {}", &id[24..]));
    browser.expect("return document.querySelectorAll('.rows .row').length", 1);
    drop_file(&browser, "batch.json", &jaeger);
    browser.expect("return document.querySelectorAll('.rows .row').length", 2);
    browser.expect("return document.body.classList.contains('dropping')", false);
    browser.expect(
        "return document.querySelector('.uploaded p').textContent.startsWith('batch.json: 1 trace with ')",
        true,
    );

    browser.click(".uploaded a");
    browser.expect("return document.querySelectorAll('.line').length > 0", true);
    assert_eq!(browser.path(), format!("/trace/{}", shop.batch.hex()));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn the_traces_on_the_list_are_downloaded_as_one_file() {
    let Some((backend, browser, shop)) = open_shop() else { return };
    browser.expect("return document.querySelectorAll('.rows .row').length", 2);

    browser.run(
        "HTMLAnchorElement.prototype.click = function () { window.saved = this.getAttribute('href'); };
        [...document.querySelectorAll('button')].find((button) => button.textContent === 'Download').click()",
    );

    let path = browser.run("return window.saved").as_str().expect("a path").to_owned();
    let (_, file) = backend.get(&path);
    let mut ids: Vec<_> = spans_of(&file).iter().map(|span| span["traceId"].to_string()).collect();
    ids.sort();
    ids.dedup();
    let mut expected = [shop.trip.hex(), shop.batch.hex()].map(|id| format!("\"{id}\""));
    expected.sort();
    assert_eq!(ids, expected);
}

#[test]
fn a_file_that_cannot_be_read_says_why_and_the_page_goes_on() {
    let Some((_backend, browser)) = open_page() else { return };

    drop_file(&browser, "notes.txt", "milk, eggs");
    browser.expect(
        SAID,
        "notes.txt: cannot read the file: it is not JSON: expected value at line 1 column 1",
    );
    browser.expect("return document.querySelector('.uploaded p').className", "notice");

    browser.click(".uploaded button");
    browser.expect(SAID, "");
    browser.expect("return document.querySelector('.blank h2')?.textContent", "No traces yet");
}

#[test]
fn a_file_can_be_chosen_by_keyboard_alone() {
    let Some((_backend, browser)) = open_page() else { return };
    browser.expect("return document.querySelector('.blank h2')?.textContent", "No traces yet");
    // The browser's dialog is no part of the page: it is enough that the page asks for it.
    browser.run(
        "window.asked = 0; HTMLInputElement.prototype.click = () => { window.asked += 1; };
        [...document.querySelectorAll('button')].find((button) => button.textContent === 'Load file').focus()",
    );

    browser.press(Key::Enter);
    browser.expect("return window.asked", 1);
    browser.run("document.activeElement.blur()");
    browser.press("u");
    browser.expect("return window.asked", 2);
}
