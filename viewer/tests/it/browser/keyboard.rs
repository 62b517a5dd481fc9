//! Everything without a mouse.

use super::driver::Key;

use super::open_shop;

const FOCUSED: &str = "const focused = document.activeElement;
    return focused.querySelector('.span-name, .link-name, .root-name')?.textContent ?? focused.name ?? focused.tagName";

#[test]
fn the_keyboard_goes_from_the_list_through_a_trace_and_back() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    browser.goto_path("/?service=shopper");
    browser.expect("return document.querySelectorAll('.rows .row').length", 1);

    browser.press("j");
    browser.expect(FOCUSED, "going to the grocery store");
    browser.press(Key::Enter);
    browser.expect("return document.querySelectorAll('.line').length", 17);
    assert_eq!(browser.path(), format!("/trace/{}", shop.trip.hex()));

    browser.expect(FOCUSED, "going to the grocery store");
    browser.press("jj");
    browser.expect(FOCUSED, "GET /");
    browser.press(Key::Left);
    browser.expect("return document.activeElement.getAttribute('aria-expanded')", "false");
    browser.expect("return document.querySelectorAll('.line').length", 16);
    browser.press(Key::Left);
    browser.expect(FOCUSED, "GET");
    browser.press(Key::End);
    browser.expect(FOCUSED, "process Ledger batch");
    browser.press(Key::Up);
    browser.press(Key::Enter);
    browser
        .expect("return document.querySelector('.details h2')?.textContent", "ask Ledger Record");
    browser.expect("return document.activeElement.getAttribute('aria-selected')", "true");

    browser.press(Key::Escape);
    browser.expect("return document.querySelector('.details').hidden", true);
    browser.press(Key::Escape);
    browser.expect("return document.querySelectorAll('.rows .row').length", 1);
    assert_eq!(browser.path(), "/?service=shopper");
    browser.expect(FOCUSED, "going to the grocery store");
}

#[test]
fn a_search_in_the_trace_goes_from_match_to_match() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    browser.goto_path(&format!("/trace/{}", shop.trip.hex()));
    browser.expect(FOCUSED, "going to the grocery store");

    browser.press("/");
    browser.press("grocery.aisle=dairy");
    browser.expect("return document.querySelector('.found').textContent", "2 of 16");
    browser.press(Key::Escape);
    browser.press("n");
    browser.expect(FOCUSED, "ask Aisle ListProducts");
    browser.press("n");
    browser.expect(FOCUSED, "ask Aisle Reserve");
    browser.expect("return document.querySelectorAll('.line.match').length", 2);
}

#[test]
fn zooming_by_keys_narrows_the_axis_and_comes_back() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    browser.goto_path(&format!("/trace/{}", shop.trip.hex()));
    browser.expect(FOCUSED, "going to the grocery store");
    let window = "return document.querySelector('.window').textContent";

    browser.press(Key::Down);
    browser.press("z");
    browser.expect(window, "0 ns to 2.47 ms");
    browser.press("0");
    browser.expect(window, "");
}

#[test]
fn the_help_lists_the_keys_and_the_grid_tells_its_shape() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    browser.goto_path(&format!("/trace/{}", shop.trip.hex()));
    browser.expect(FOCUSED, "going to the grocery store");

    browser.press("?");
    browser.expect(
        "return document.querySelector('dialog[open]')?.getAttribute('aria-label')",
        "Help",
    );
    browser.expect("return document.querySelectorAll('dialog kbd').length > 20", true);
    // What is to be seen, each with a picture and a sentence.
    browser.expect("return document.querySelectorAll('dialog .legend li svg + p').length", 12);
    browser.press(Key::Escape);
    browser.expect("return document.querySelector('dialog')", serde_json::Value::Null);

    let shape = browser.run(
        "const grid = document.querySelector('[role=treegrid]');
        const row = grid.querySelector('[role=row]');
        return [grid.getAttribute('aria-rowcount'), row.getAttribute('aria-level'), row.getAttribute('aria-expanded'),
            row.querySelectorAll('[role=gridcell]').length, grid.querySelectorAll('[tabindex=\"0\"]').length]",
    );
    assert_eq!(shape, serde_json::json!(["17", "1", "true", 2, 1]));
    let unnamed = "return [...document.querySelectorAll('button, input, select, a')]
        .filter((control) => !(control.textContent.trim() || control.getAttribute('aria-label') || control.labels?.length)).map((control) => control.outerHTML)";
    assert_eq!(browser.run(unnamed), serde_json::json!([]));
}
