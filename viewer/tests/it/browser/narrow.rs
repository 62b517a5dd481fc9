//! A screen of 400 px: everything is there, and nothing is cut or lies outside.

use super::open_shop;
use crate::support::spans::{Trace, error, of_service, request};

/// What can be seen of these parts of the page is not all of it.
const CUT: &str = "
    const cut = [];
    for (const node of document.querySelectorAll('.top *, .search *, .headline *, .grid *, footer *, dialog *')) {
        if (!node.checkVisibility() || node.matches('.sr-only, .sr-only *, option, input, select, svg *')) continue;
        const box = node.getBoundingClientRect();
        const name = `${node.tagName.toLowerCase()}.${node.getAttribute('class') ?? ''}: ${node.textContent.trim().slice(0, 40)}`;
        if (box.right > innerWidth + 1 || box.left < -1) cut.push(`outside: ${name}`);
        const style = getComputedStyle(node);
        const isHidden = style.overflowX !== 'visible' && style.overflowX !== 'auto';
        // What is wider than its cell lies over the next.
        if ((isHidden || node.matches('.cell')) && node.scrollWidth > node.clientWidth + 1) cut.push(`cut: ${name}`);
    }
    return cut.join('\\n');";

#[test]
fn at_400_px_the_list_and_what_is_around_it_are_whole() {
    let Some((backend, browser, _shop)) = open_shop() else { return };
    let many = Trace::new();
    let failed = (1..=1_200).map(|id| {
        let mut span = many.span(id, id - 1, "fails again and again", 0..10);
        span.status = error("no");
        span
    });
    backend.send(&request([of_service("store", failed.collect())]));
    for (width, height) in [(400, 800), (1400, 900), (1001, 700)] {
        browser.resize(width, height);
        browser.expect("return document.querySelectorAll('.rows .row').length", 3);
        browser.expect("return document.documentElement.scrollWidth <= innerWidth", true);
        browser.expect(CUT, "");
        let errors = "return [...document.querySelectorAll('.rows .errors')].map((cell) => cell.innerText.trim()).sort().join()";
        browser.expect(errors, ",⚠ 1 error,⚠ 1,200 errors");
        // The field, the help, and of a row what tells it apart.
        let there = "return ['.jump input', '[data-action=help]', '.rows .mark', '.rows time', '.rows .root-service',
            '.rows .root-name', '.rows .duration .num', '.rows .spans', '.rows .errors .bad', '.rows .service', '.rows .actor']
            .filter((part) => ![...document.querySelectorAll(part)].some((node) => node.checkVisibility())).join()";
        browser.expect(there, "");
    }
    browser.resize(400, 800);
    browser.press("?");
    browser.expect("return document.querySelector('dialog[open]') !== null", true);
    browser.expect(CUT, "");
}
