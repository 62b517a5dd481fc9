//! The lab's page in real browsers: in Chromium, and once more in Firefox. Where a browser is not
//! installed the tests say so and pass, except in CI.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use testing::{
    browser::{BROWSER, Browser, Key},
    installed,
};

use crate::support::teaching::{Lab, Teaching};

/// Where `npm ci` in the folder of the viewer's page puts axe-core, the checker of Deque.
const AXE: &str = "../viewer/web/node_modules/axe-core/axe.min.js";

/// What axe finds that is serious or worse, a line for each element.
const FOUND: &str = "
    return axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
        .filter(({ impact }) => ['serious', 'critical'].includes(impact))
        .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target}: ${node.failureSummary}`))
        .join('\\n'));";

const NO_OVERHANG: &str = "return document.documentElement.scrollWidth <= innerWidth";

/// Both trees of `spawn`, each line with its sign.
const TREES: &str = "
    return [...document.querySelectorAll('#result-spawn [data-run]')].map((run) =>
        [`the ${run.dataset.run}`, ...[...run.querySelectorAll('.line')].map((line) => {
            const copy = line.cloneNode(true);
            copy.querySelectorAll('.sr-only').forEach((words) => words.remove());
            return copy.textContent.replace('grocery-', '');
        })].join('\\n')).join('\\n')";

const BOTH_TREES: &str = r#"the mistake
 lab: lesson spawn INTERNAL {customer=alice}
 lab: GET / CLIENT {customer=alice}
~store: GET / SERVER {customer=alice}
 store: welcome message INTERNAL {customer=alice}
>store: update stock INTERNAL
>store: print label INTERNAL
>store: hash password INTERNAL
the fix
 lab: lesson spawn INTERNAL {customer=alice}
 lab: GET / CLIENT {customer=alice}
~store: GET / SERVER ERROR "the disk is full" {customer=alice}
!store: ask Aisle Reserve INTERNAL {customer=alice}
>store: update stock INTERNAL {customer=alice}
>store: print label INTERNAL {customer=alice}
>store: hash password INTERNAL {customer=alice}
 store: welcome message INTERNAL {customer=alice}"#;

fn open() -> Option<(Teaching, Lab, Browser)> {
    let browser = Browser::start()?;
    let teaching = Teaching::start();
    let lab = teaching.lab();
    browser.goto(&lab.url);
    Some((teaching, lab, browser))
}

#[test]
fn a_card_is_clicked_both_trees_are_seen_and_the_viewer_compares_them() {
    let Some((_teaching, _lab, browser)) = open() else { return };
    browser.click("#lesson-spawn form button");
    browser.expect_text(TREES, BOTH_TREES);
    browser.expect("return document.activeElement.textContent", "What came out");
    browser.expect("return document.getElementById('status').textContent", "Done.");
    browser.expect("return location.pathname", "/");
    let marked =
        "return getComputedStyle(document.querySelector('.line[data-mark=moved]')).borderLeftWidth";
    browser.expect(marked, "3px");
    assert_eq!(browser.complaints(), [""; 0]);

    let compare = browser.run("return document.querySelector('#result-spawn a.button').href");
    browser.goto(compare.as_str().unwrap());
    let cut = "return [...document.querySelectorAll('.pair')]
        .filter((pair) => pair.querySelector('.pair-mark').textContent.includes('cut off'))
        .map((pair) => pair.querySelector('.span-name').textContent).filter((name, at, all) => all.indexOf(name) === at).sort().join()";
    browser.expect(cut, "hash password,print label,update stock");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_trip_is_made_by_keyboard_alone_and_says_what_its_fault_did() {
    let Some((_teaching, _lab, browser)) = open() else { return };
    browser.run("document.querySelector('[name=stall]').focus()");
    browser.press(" ");
    browser.press(Key::Tab);
    browser.expect("return document.activeElement.name", "stall_actor");
    browser.press("Aisle");
    browser.press(Key::Tab);
    browser.expect("return document.activeElement.name", "stall_delay");
    browser.run("document.activeElement.value = ''");
    browser.press("20ms");
    browser.press(Key::Enter);
    browser.expect("return document.activeElement.textContent", "What came out");
    let struck = "return [...document.querySelectorAll('#result-trips tbody tr')].map((row) => row.cells[2].textContent.split('=')[0]).join()";
    browser.expect(struck, "honoured;struck,honoured;struck,honoured;struck");
    let roots = "return document.querySelector('#result-trips .line').textContent.trim()";
    browser.expect(roots, "grocery-lab: going to the grocery store INTERNAL {customer=alice}");

    // What is wrong is said in the same place.
    browser.run("document.querySelector('[name=stall_delay]').value = 'long'; document.querySelector('[name=stall_delay]').focus()");
    browser.press(Key::Enter);
    let said = "return document.querySelector('#result-trips [role=alert]')?.textContent.includes('stall=Aisle:long')";
    browser.expect(said, true);
}

#[test]
fn without_a_script_the_form_answers_with_the_page() {
    let Some((_teaching, lab, browser)) = open() else { return };
    // As a browser without scripts does it.
    browser
        .run("HTMLFormElement.prototype.submit.call(document.querySelector('#lesson-spawn form'))");
    browser.expect_text(TREES, BOTH_TREES);
    browser.expect("return location.href", format!("{}/lessons/spawn#lesson-spawn", lab.url));
}

#[test]
fn axe_finds_nothing_serious_and_nothing_hangs_over_the_edge() {
    let Some((_teaching, _lab, browser)) = open() else { return };
    browser.click("#lesson-spawn form button");
    browser.expect_text(TREES, BOTH_TREES);
    browser
        .run("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
    for width in [1400, 400] {
        browser.resize(width, 800);
        browser.expect(NO_OVERHANG, true);
    }
    let missing = "axe-core is not installed (npm --prefix viewer/web ci)";
    let axe = std::fs::read_to_string(Path::new(AXE)).map_err(|_| missing.into());
    let Some(axe) = installed(axe) else { return };
    browser.run(&format!("{axe}; window.axe = axe;"));
    for (scheme, width) in [("light", 1400), ("dark", 1400), ("dark", 400)] {
        browser.prefer(scheme);
        browser.resize(width, 800);
        assert_eq!(browser.run(FOUND), "", "{scheme}, {width}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "which browser it is, is a setting")]
fn the_page_does_in_firefox_what_it_does_in_chromium() {
    if std::env::var_os(BROWSER).is_some() {
        // All tests run in the browser that was asked for.
        return;
    }
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["lab_page::", "--skip", "in_firefox", "--skip", "axe", "--test-threads", "1"])
        .env(BROWSER, "firefox")
        // If it is not installed, it is said there.
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "in Firefox:\n{said}");
    assert!(!said.contains(" 0 passed"), "{said}");
}
