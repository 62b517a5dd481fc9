//! Light and dark, and the contrast of both.

use super::{open_page, open_shop};

const PAGE: &str = "return getComputedStyle(document.body).backgroundColor";
const LIGHT: &str = "rgb(243, 245, 248)";
const DARK: &str = "rgb(13, 17, 22)";

#[test]
fn the_page_follows_the_system_until_the_reader_chooses() {
    let Some((_backend, browser)) = open_page() else { return };
    browser.prefer("dark");
    browser.expect(PAGE, DARK);
    browser.prefer("light");
    browser.expect(PAGE, LIGHT);

    browser.click("[data-action=theme]");
    browser.expect(PAGE, DARK);
    browser.goto_path("/graph");
    browser.expect(PAGE, DARK);
    browser.expect("return document.documentElement.dataset.theme", "dark");
}

/// Contrast as WCAG 2.2 defines it, of every pair of colours that meet on the page, where it is
/// less than it must be: 4.5 for text, 3 for what only has to be seen.
const TOO_FAINT: &str = "
    const probe = document.body.appendChild(document.createElement('span'));
    const luminance = (name) => {
        probe.style.color = `var(--${name})`;
        const [r, g, b] = getComputedStyle(probe).color.match(/[0-9.]+/g).map((part) => {
            const share = part / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (a, b) => {
        const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
        return (high + 0.05) / (low + 0.05);
    };
    const faint = [];
    const check = (fronts, backs, least) => {
        for (const front of fronts) for (const back of backs) {
            const found = contrast(front, back);
            if (found < least) faint.push(`${front} on ${back}: ${found.toFixed(2)}`);
        }
    };
    const surfaces = ['page', 'surface', 'raised', 'hover', 'selected'];
    check(['text', 'text-soft', 'accent', 'error', 'only-a', 'only-b', 'moved'], surfaces, 4.5);
    check(['error'], ['error-surface'], 4.5);
    check(['text'], ['error-surface', 'match'], 4.5);
    check(['on-accent'], ['accent'], 4.5);
    check(['focus', 'line-strong', 'live'], ['page', 'surface', 'raised'], 3);
    check(Array.from({ length: 8 }, (_, i) => `series-${i}`), ['page', 'surface', 'raised'], 3);
    return faint.join('; ');";

#[test]
fn colours_have_the_contrast_that_wcag_aa_asks_for() {
    let Some((_backend, browser)) = open_page() else { return };
    for (scheme, page) in [("light", LIGHT), ("dark", DARK)] {
        browser.prefer(scheme);
        browser.expect(PAGE, page);
        assert_eq!(browser.run(TOO_FAINT), "", "{scheme}");
    }
}

#[test]
fn on_a_narrow_screen_nothing_hangs_over_the_edge() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    browser.resize(500, 800);
    for path in ["/".into(), "/graph".into(), format!("/trace/{}", shop.trip.hex())] {
        browser.goto_path(&path);
        browser.expect("return document.querySelector('main').childElementCount > 1", true);
        browser.expect("return document.documentElement.scrollWidth <= innerWidth", true);
    }
}
