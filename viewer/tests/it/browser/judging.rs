//! Judging one trace: its views, its statistics, its critical path, its flame graph, its spans as a
//! table, what does not add up, the batch of an order, and its picture.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use serde_json::json;

use super::driver::{Browser, Key};
use super::shop::{BATCH, RECORD};
use super::{open_page, open_shop};
use crate::support::Backend;
use crate::support::spans::{SERVER, Trace, attribute, error, of_service, request, text};

/// The rows of the table in sight, their cells by their texts.
const ROWS: &str = "
    const rows = [...document.querySelectorAll('.grid-rows .grid-row')];
    rows.sort((a, b) => a.getAttribute('aria-rowindex') - b.getAttribute('aria-rowindex'));
    return rows.map((row) => [...row.children].map((cell) => cell.textContent.trim() || '-').join(' | ')).join('\\n');";

const PRESSED: &str =
    "return document.querySelector('.views [aria-pressed=true]')?.textContent ?? ''";

#[test]
fn each_view_has_a_key_and_an_address_and_the_browsers_back_returns() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    let trip = format!("/trace/{}", shop.trip.hex());
    browser.goto_path(&trip);
    browser.expect(PRESSED, "Timeline");
    browser.run("window.isSamePage = true");
    let views = [
        ("2", "lanes", "Actor lanes", ".lane-bar"),
        ("3", "flame", "Flame graph", ".flame-box"),
        ("4", "table", "Spans", "[aria-label='Spans of the trace'] .grid-row"),
        ("5", "statistics", "Statistics", "[aria-label='Statistics of the trace'] .grid-row"),
        ("6", "critical", "Critical path", "[aria-label='Critical path of the trace'] .grid-row"),
    ];
    for (key, name, label, drawn) in views {
        browser.press(key);
        browser.expect(PRESSED, label);
        browser.expect(&format!("return document.querySelector({drawn:?}) !== null"), true);
        assert_eq!(browser.path(), format!("{trip}?view={name}"));
    }

    for label in ["Statistics", "Spans", "Flame graph"] {
        browser.run("history.back()");
        browser.expect(PRESSED, label);
    }
    browser.run("history.forward()");
    browser.expect(PRESSED, "Spans");
    assert_eq!(browser.run("return window.isSamePage"), true, "the trace is not loaded again");

    browser.goto_path(&format!("{trip}?view=table&uiFind=Aisle"));
    browser.expect("return document.querySelector('.tools input')?.value", "Aisle");
    browser.expect(
        "return document.querySelector('.view-bar [role=status]').textContent",
        "5 of 16 spans",
    );
    browser.press("1");
    browser.expect("return document.querySelectorAll('.line.match').length", 5);
    assert_eq!(browser.path(), format!("{trip}?uiFind=Aisle"));
    assert_eq!(browser.complaints(), [""; 0]);
}

/// Name, spans, errors, total, own time, its share, wait, critical path, p50, p95, p99, maximum.
const BY_OPERATION: &str = "\
ask Ledger Record | 1 | - | 10 ms | 10 ms | - | 900 µs | 10.9 ms | 10 ms | 10 ms | 10 ms | 10 ms
ask Aisle ListProducts | 3 | - | 7.2 ms | 7.2 ms | - | 600 µs | 3.1 ms | 2.3 ms | 2.9 ms | 2.9 ms | 2.9 ms
ask Inventory WhatsInStore | 1 | - | 7 ms | 4 ms | - | 50 µs | 3.95 ms | 7 ms | 7 ms | 7 ms | 7 ms
going to the grocery store | 1 | - | 30 ms | 3.1 ms | - | - | 3.1 ms | 30 ms | 30 ms | 30 ms | 30 ms
ask Checkout PlaceOrder | 1 | - | 14 ms | 2.5 ms | - | 80 µs | 1.98 ms | 14 ms | 14 ms | 14 ms | 14 ms
ask Aisle Reserve | 2 | ⚠ 1 | 2.4 ms | 2.4 ms | - | 400 µs | 1.2 ms | 1 ms | 1.4 ms | 1.4 ms | 1.4 ms
GET | 2 | - | 10.9 ms | 1.9 ms | - | - | 1.9 ms | 1.9 ms | 9 ms | 9 ms | 9 ms
GET /whats-in-store | 1 | - | 8 ms | 1 ms | - | - | 950 µs | 8 ms | 8 ms | 8 ms | 8 ms
POST | 1 | - | 16 ms | 1 ms | - | - | 1 ms | 16 ms | 16 ms | 16 ms | 16 ms
POST /checkout | 1 | - | 15 ms | 1 ms | - | - | 920 µs | 15 ms | 15 ms | 15 ms | 15 ms
GET / | 1 | - | 1 ms | 800 µs | - | - | 800 µs | 1 ms | 1 ms | 1 ms | 1 ms
welcome message | 1 | - | 200 µs | 200 µs | - | - | 200 µs | 200 µs | 200 µs | 200 µs | 200 µs";

const BY_SERVICE: &str = "\
grocery-store | 12 | ⚠ 1 | 64.8 ms | 29.1 ms | - | 2.03 ms | 24 ms | 2.3 ms | 15 ms | 15 ms | 15 ms
shopper | 4 | - | 56.9 ms | 6 ms | - | - | 6 ms | 9 ms | 30 ms | 30 ms | 30 ms";

#[test]
fn statistics_add_up_by_operation_and_by_service_and_lead_to_the_spans() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    browser.goto_path(&format!("/trace/{}?view=statistics", shop.trip.hex()));
    browser.expect_text(ROWS, BY_OPERATION);

    // By the second column, and the other way round.
    browser.click("[role=columnheader]:nth-child(2) button");
    browser.expect("return document.querySelector('[aria-sort]').textContent", "Spans");
    browser.expect("return document.querySelector('[aria-sort]').ariaSort", "descending");
    browser.expect(
        "return document.querySelector('.grid-rows .grid-text').textContent",
        "ask Aisle ListProducts",
    );
    browser.click("[role=columnheader]:nth-child(2) button");
    browser.expect("return document.querySelector('[aria-sort]').ariaSort", "ascending");

    browser.click("[aria-label='Gathered by'] button:nth-child(2)");
    browser.click("[role=columnheader]:nth-child(5) button");
    browser.expect_text(ROWS, BY_SERVICE);
    browser.click("[aria-label='Gathered by'] button:nth-child(3)");
    let actors = "return [...document.querySelectorAll('.grid-rows .grid-text')].map((name) => name.textContent).join()";
    browser.expect(
        actors,
        "Ledger,(outside actors),Aisle dairy,Inventory,Aisle produce,(outside actors),Checkout,Aisle bakery",
    );

    browser.run("document.querySelector('.grid-rows .grid-row').focus()");
    browser.press(Key::Enter);
    browser.expect(PRESSED, "Spans");
    browser.expect(
        "return document.querySelector('.view-bar [role=status]').textContent",
        "1 of 16 spans",
    );
    assert_eq!(browser.complaints(), [""; 0]);
}

/// What was waited for, how, since when, how long, the share, and the linked span.
const PATH: &str = "\
going to the grocery store | own time | 0 ns | 100 µs | 0.33% | -
GET | own time | 100 µs | 400 µs | 1.33% | -
GET / | own time | 500 µs | 200 µs | 0.67% | -
welcome message | own time | 700 µs | 200 µs | 0.67% | -
GET / | own time | 900 µs | 600 µs | 2% | -
GET | own time | 1.5 ms | 500 µs | 1.67% | -
going to the grocery store | own time | 2 ms | 1 ms | 3.33% | -
GET | own time | 3 ms | 500 µs | 1.67% | -
GET /whats-in-store | own time | 3.5 ms | 450 µs | 1.5% | -
ask Inventory WhatsInStore | in the mailbox | 3.95 ms | 50 µs | 0.17% | -
ask Inventory WhatsInStore | own time | 4 ms | 900 µs | 3% | -
ask Aisle ListProductsdairy | in the mailbox | 4.9 ms | 200 µs | 0.67% | -
ask Aisle ListProductsdairy | own time | 5.1 ms | 2.9 ms | 9.67% | -
ask Inventory WhatsInStore | own time | 8 ms | 3 ms | 10% | -
GET /whats-in-store | own time | 11 ms | 500 µs | 1.67% | -
GET | own time | 11.5 ms | 500 µs | 1.67% | -
going to the grocery store | own time | 12 ms | 1 ms | 3.33% | -
POST | own time | 13 ms | 500 µs | 1.67% | -
POST /checkout | own time | 13.5 ms | 420 µs | 1.4% | -
ask Checkout PlaceOrder | in the mailbox | 13.9 ms | 80 µs | 0.27% | -
ask Checkout PlaceOrder | own time | 14 ms | 800 µs | 2.67% | -
ask Aisle Reserveproduce | in the mailbox | 14.8 ms | 200 µs | 0.67% | -
ask Aisle Reserveproduce | own time | 15 ms | 1 ms | 3.33% | -
ask Checkout PlaceOrder | own time | 16 ms | 100 µs | 0.33% | -
ask Ledger Record | in the mailbox | 16.1 ms | 900 µs | 3% | -
ask Ledger Record | own time | 17 ms | 1 ms | 3.33% | -
ask Ledger Record | in linked trace | 18 ms | 8 ms | 26.7% | → process Ledger batchin trace ID
ask Ledger Record | own time | 26 ms | 1 ms | 3.33% | -
ask Checkout PlaceOrder | own time | 27 ms | 1 ms | 3.33% | -
POST /checkout | own time | 28 ms | 500 µs | 1.67% | -
POST | own time | 28.5 ms | 500 µs | 1.67% | -
going to the grocery store | own time | 29 ms | 1 ms | 3.33% | -";

#[test]
fn the_critical_path_is_listed_step_by_step_and_leads_to_the_linked_trace() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    browser.resize(1400, 1200);
    browser.goto_path(&format!("/trace/{}?view=critical", shop.trip.hex()));

    browser.expect(
        "return document.querySelector('.path-sums')?.textContent",
        "30 ms in 32 steps: 20.6 ms own time (68.6%), 1.43 ms in the mailbox (4.77%), 8 ms in linked trace (26.7%)",
    );
    browser.expect_text(ROWS, &PATH.replace("ID", &shop.batch.hex()[..8]));
    browser.click(".grid-rows a");
    browser.expect(
        "return document.querySelector('.details h2')?.textContent",
        "process Ledger batch",
    );
    assert_eq!(browser.path(), format!("/trace/{}?span={BATCH:016x}", shop.batch.hex()));
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn the_critical_path_is_drawn_on_the_bars_until_it_is_hidden() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    browser.goto_path(&format!("/trace/{}", shop.trip.hex()));
    // The steps of the order's span, in milliseconds of the trace's thirty.
    let of_record = "
        const line = [...document.querySelectorAll('.line.span')].find((line) => line.textContent.includes('Ledger Record'));
        const time = line?.querySelector('.time').getBoundingClientRect();
        return line ? [...line.querySelectorAll('.on-path')].map((step) => {
            const { left, right } = step.getBoundingClientRect();
            const at = (x) => Math.round((x - time.left) / time.width * 300) / 10;
            return `${step.classList[1]} ${at(left)}-${at(right)}`;
        }).join(', ') : ''";

    browser.expect(of_record, "is-wait 16.1-17, is-own 17-18, is-linked 18-26, is-own 26-27");
    browser.press("c");
    browser.expect(of_record, "");
    browser.press("2");
    browser.expect("return document.querySelectorAll('.on-path').length", 0);
    browser.press("c");
    browser.expect("return document.querySelectorAll('.lane .on-path').length", 32);
}

const FLAME: &str = "\
1 the trace: 35.1 ms (100%)
2 going to the grocery store: 35.1 ms (100%), own time 3.1 ms
3 GET: 15.1 ms (43%), own time 1.9 ms, 2 spans
3 POST: 16.9 ms (48.1%), own time 1 ms
4 GET /: 1 ms (2.85%), own time 800 µs
4 GET /whats-in-store: 12.2 ms (34.8%), own time 1 ms
4 POST /checkout: 15.9 ms (45.3%), own time 1 ms
5 welcome message: 200 µs (0.57%), own time 200 µs
5 ask Inventory WhatsInStore: 11.2 ms (31.9%), own time 4 ms
5 ask Checkout PlaceOrder: 14.9 ms (42.5%), own time 2.5 ms
6 ask Aisle ListProducts bakery: 2 ms (5.7%), own time 2 ms
6 ask Aisle ListProducts dairy: 2.9 ms (8.26%), own time 2.9 ms
6 ask Aisle ListProducts produce: 2.3 ms (6.55%), own time 2.3 ms
6 ask Aisle Reserve produce: 1 ms (2.85%), own time 1 ms
6 ask Aisle Reserve dairy: 1.4 ms (3.99%), own time 1.4 ms, 1 error
6 ask Ledger Record: 10 ms (28.5%), own time 10 ms";

#[test]
fn the_flame_graph_gathers_spans_of_one_name_and_zooms_by_keys() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    browser.goto_path(&format!("/trace/{}?view=flame", shop.trip.hex()));
    browser.expect_text(
        "return [...document.querySelectorAll('.flame-box')].map((box) => `${box.ariaLevel} ${box.ariaLabel}`).join('\\n')",
        FLAME,
    );

    // Down to the widest, beside it, down again.
    let focused = "return document.activeElement.ariaLabel?.split(':')[0]";
    browser.expect(focused, "going to the grocery store");
    browser.press(Key::Down);
    browser.expect(focused, "POST");
    browser.press(Key::Left);
    browser.expect(focused, "GET");
    browser.press("z");
    let width = "const box = document.activeElement.getBoundingClientRect();
        return Math.round(100 * box.width / document.querySelector('.flame-levels').clientWidth)";
    browser.expect(width, 100);
    browser.expect("return document.querySelectorAll('.flame-box.above').length", 2);
    browser.press(Key::Enter);
    browser.expect("return document.querySelector('.details h2')?.textContent", "GET");
    browser.press(Key::Escape);
    browser.press("0");
    browser.expect("return document.querySelectorAll('.flame-box').length", 16);

    browser.press("/");
    browser.press("grocery.aisle=dairy");
    let found = "return [...document.querySelectorAll('.flame-box.match')].map((box) => box.ariaLabel.split(':')[0]).join()";
    browser.expect(found, "ask Aisle ListProducts dairy,ask Aisle Reserve dairy");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn the_table_of_spans_is_sorted_and_filtered() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    browser.goto_path(&format!("/trace/{}?view=table", shop.trip.hex()));
    let shown = "return [...document.querySelectorAll('.grid-rows .grid-row')].map((row) => row.firstChild.textContent.trim() + ' ' + row.children[4].textContent).slice(0, 4).join()";
    browser.expect(
        shown,
        "going to the grocery store 30 ms,GET 1.9 ms,GET / 1 ms,welcome message 200 µs",
    );

    browser.click("[role=columnheader]:nth-child(5) button");
    browser.expect(
        shown,
        "going to the grocery store 30 ms,POST 16 ms,POST /checkout 15 ms,ask Checkout PlaceOrder 14 ms",
    );
    browser.click("[role=columnheader]:nth-child(5) button");
    browser.expect(
        shown,
        "welcome message 200 µs,GET / 1 ms,ask Aisle Reserve 1 ms,⚠errorask Aisle Reserve 1.4 ms",
    );
    browser.run(
        "const service = document.querySelector('[aria-label=Service]');
        service.value = 'shopper';
        service.dispatchEvent(new Event('change'))",
    );
    browser.expect(shown, "GET 1.9 ms,GET 9 ms,POST 16 ms,going to the grocery store 30 ms");

    browser.run("document.querySelector('.grid-rows .grid-row').focus()");
    browser.press("j");
    browser.press(Key::Enter);
    browser.expect("return document.querySelector('.details h2')?.textContent", "GET");
    browser.expect("return document.querySelector('.grid-row.selected').ariaRowIndex", "3");
    assert_eq!(browser.complaints(), [""; 0]);
}

/// A client whose server's clock is 9 ms ahead, with events, an exception and an orphan.
fn skewed(trace: Trace) -> ExportTraceServiceRequest {
    let nanos = |us: u64| (trace.start_us + us) * 1_000;
    let mut served = trace.span(3, 2, "GET /", 13_500..20_000);
    served.kind = SERVER;
    served.status = error("gave up");
    let event =
        |name: &str, us| Event { name: name.into(), time_unix_nano: nanos(us), ..Event::default() };
    let mut thrown = event("exception", 16_000);
    thrown.attributes = vec![text("exception.message", "the database did not answer")];
    served.events = vec![event("cache miss", 14_000), event("retry", 14_010), thrown];
    let orphan = trace.span(5, 77, "orphan", 22_000..24_000);
    let client = trace.span(2, 1, "GET", 2_000..12_000);
    let trip = trace.span(1, 0, "trip", 0..30_000);
    request([of_service("shopper", vec![trip, client]), of_service("store", vec![served, orphan])])
}

#[test]
fn events_are_marks_on_the_bars_and_what_does_not_add_up_is_said() {
    let Some((backend, browser)) = open_page() else { return };
    let trace = Trace::new();
    backend.send(&skewed(trace));
    backend.stats_when_stored(4);
    browser.goto_path(&format!("/trace/{}?span=0000000000000003", trace.hex()));

    // Two events that lie on one another have one mark.
    browser.expect(
        "return [...document.querySelectorAll('.event-mark')].map((mark) => mark.className + ': ' + mark.title.replace('\\n', ', ')).join('; ')",
        "event-mark: cache miss at 14 ms, retry at 14 ms; event-mark exception: exception at 16 ms",
    );
    browser.expect(
        "return [...document.querySelectorAll('.warning')].map((warning) => warning.textContent).join('; ')",
        "1 span has a parent that is not held; \
         1 span does not lie within its parent on another host: a clock that differs, or nobody waited",
    );
    browser.expect(
        "return [...document.querySelectorAll('.line:has(.remark) .span-name')].map((name) => name.textContent).join()",
        "GET /,orphan",
    );
    browser.expect(
        "return document.querySelector('.remark-text').textContent",
        "△ It does not lie within its parent on another host: its clock seems 9.75 ms ahead of its parent's, \
         or its parent did not wait for it.",
    );
    browser.expect("return document.querySelectorAll('.details .event').length", 3);
    browser.expect(
        "return document.querySelector('.details .event.exception td').textContent",
        "the database did not answer",
    );

    // Its steps lie where its own clock has them.
    browser.press("6");
    browser.expect_text(
        "return [...document.querySelectorAll('.grid-rows .grid-row')].map((row) => [...row.children].slice(0, 4).map((cell) => cell.textContent).join(' ')).join('\\n')",
        "trip own time 0 ns 2 ms\n\
         GET own time 2 ms 1.75 ms\n\
         GET / own time 3.75 ms 6.5 ms\n\
         GET own time 10.3 ms 1.75 ms\n\
         trip own time 12 ms 18 ms",
    );
    assert_eq!(browser.complaints(), [""; 0]);
}

/// Three orders in traces of their own, and the batch that records them, linked both ways.
fn orders(backend: &Backend) -> [Trace; 4] {
    let traces @ [one, two, three, batch] = [Trace::new(); 4].map(|_| Trace::new());
    let record = |trace: Trace, end: u64| {
        let mut span = trace.span(1, 0, "ask Ledger Record", 0..end);
        span.attributes = vec![text("actix.message.kind", "ask")];
        span.links = vec![batch.link(7)];
        span
    };
    let mut process = batch.span(7, 0, "process Ledger batch", 100..900);
    process.attributes = vec![attribute("actix.batch.message_count", Value::IntValue(4))];
    process.links = vec![one.link(1), two.link(1), three.link(1)];
    let spans: Vec<Span> =
        vec![record(one, 1_000), record(two, 2_000), record(three, 3_000), process];
    backend.send(&request([of_service("store", spans)]));
    backend.stats_when_stored(4);
    traces
}

#[test]
fn an_order_shows_its_batch_and_the_others_in_it_in_one_step() {
    let Some((backend, browser)) = open_page() else { return };
    let [one, two, three, batch] = orders(&backend);
    browser.goto_path(&format!("/trace/{}?span=0000000000000001", one.hex()));

    browser.expect(
        "return document.querySelector('.batch-section h3')?.textContent",
        "One of 4 in a batch",
    );
    browser.expect(
        "return [...document.querySelectorAll('.others li')].map((other) => other.textContent).join('; ')",
        format!(
            "ask Ledger Record 2 ms, trace {}; ask Ledger Record 3 ms, trace {}",
            &two.hex()[..8],
            &three.hex()[..8]
        ),
    );
    browser.expect(
        "return document.querySelector('.batch-others').lastChild.textContent",
        "1 message without a link",
    );
    // Linked both ways is one line.
    browser.expect(
        "return [...document.querySelectorAll('.line.link')].map((line) => line.querySelector('.name').textContent.trim()).join()",
        "⇄ linked withstore process Ledger batch4 messages",
    );
    browser.click(".others li:last-child a");
    browser.expect("return document.querySelector('.facts dd:nth-child(2)')?.textContent", "0 ns");
    assert_eq!(browser.path(), format!("/trace/{}?span=0000000000000001", three.hex()));

    browser.goto_path(&format!("/trace/{}", batch.hex()));
    browser.expect("return document.querySelector('.line.span .batch')?.textContent", "4 messages");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn the_picture_is_an_svg_that_stands_alone_in_the_light_theme() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    browser.prefer("dark");
    browser.goto_path(&format!("/trace/{}", shop.trip.hex()));
    browser.expect("return document.querySelectorAll('.line').length", 17);
    // The file, instead of a download.
    browser.run(
        "HTMLAnchorElement.prototype.click = function () { window.savedAs = this.download; };
        URL.createObjectURL = (blob) => { blob.text().then((text) => { window.saved = text; }); return 'blob:'; };",
    );
    browser.press("p");
    browser.expect("return window.savedAs ?? ''", format!("trace-{}.svg", shop.trip.hex()));

    let seen = "const svg = new DOMParser().parseFromString(window.saved ?? '', 'image/svg+xml').documentElement;
        return [svg.localName, svg.querySelector('title')?.textContent,
            [...svg.querySelectorAll('[font-weight=\"550\"]')].map((text) => text.textContent).join(),
            svg.querySelector('rect')?.getAttribute('fill'), svg.querySelectorAll('pattern').length,
            [...svg.querySelectorAll('*')].flatMap((node) => [...node.attributes]).filter(({ name, value }) => /^(class|style|href|on)/.test(name) || /url\\((?!#)/.test(value)).length]";
    browser.expect(
        seen,
        json!([
            "svg",
            "shopper going to the grocery store: 30 ms, 16 spans",
            "going to the grocery store,GET,GET /,welcome message,GET,GET /whats-in-store,ask Inventory WhatsInStore,\
             ask Aisle ListProducts bakery,ask Aisle ListProducts dairy,ask Aisle ListProducts produce,POST,POST /checkout,\
             ask Checkout PlaceOrder,ask Aisle Reserve produce,ask Aisle Reserve dairy,ask Ledger Record",
            "rgb(255, 255, 255)",
            1,
            0,
        ]),
    );

    // As it is seen: what is folded is not in it.
    browser.press("x");
    browser.press("e");
    browser.expect("return document.querySelector('dialog[open]')?.ariaLabel", "Export the trace");
    browser.run("window.saved = ''; [...document.querySelectorAll('dialog button')].find(({ textContent }) => textContent.includes('SVG')).click()");
    browser.expect("return (window.saved ?? '').includes('welcome message')", false);
    browser.expect("return (window.saved ?? '').includes('going to the grocery store')", true);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn nothing_is_cut_or_hidden_on_a_narrow_screen() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    browser.resize(400, 800);
    let trip = format!("/trace/{}", shop.trip.hex());
    for view in ["timeline", "lanes", "flame", "table", "statistics", "critical"] {
        browser.goto_path(&format!("{trip}?view={view}"));
        browser
            .expect("return document.querySelector('.views [aria-pressed=true]') !== null", true);
        browser.expect("return document.documentElement.scrollWidth <= innerWidth", true);
        let lost = "return [...document.querySelectorAll('.tools button, .tools input')].filter((control) => {
            if (control.closest('[hidden]')) return false;
            const { left, right, width } = control.getBoundingClientRect();
            return width === 0 || left < 0 || right > innerWidth;
        }).map((control) => control.textContent || control.name).join()";
        browser.expect(lost, "");
    }
    // The details lie over the lower part; what they are of stays in sight above them.
    for view in ["timeline", "lanes", "flame", "table", "critical"] {
        browser.goto_path(&format!("{trip}?view={view}"));
        browser.expect("return document.activeElement !== document.body", true);
        browser.press("jjj");
        browser.press(Key::Enter);
        let is_above = "const details = document.querySelector('.details');
            return !details.hidden && document.activeElement.getBoundingClientRect().bottom <= details.getBoundingClientRect().top";
        browser.expect(is_above, true);
    }
    browser.goto_path(&trip);
    browser.expect("return document.querySelectorAll('.bar-label').length", 16);
    let cut = "return [...document.querySelectorAll('.bar-label, .link-where')].filter((label) => {
        const { left, right } = label.getBoundingClientRect();
        const time = label.parentElement.getBoundingClientRect();
        return left < time.left - 1 || right > time.right + 17;
    }).map((label) => label.textContent).join()";
    browser.expect(cut, "");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn words_stand_over_the_arrows_of_links_and_bars_over_those_of_messages() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    browser.goto_path(&format!("/trace/{}?span={RECORD:016x}", shop.trip.hex()));
    browser.expect("return document.querySelectorAll('.arrow').length", 1);
    // What is in front wherever two lie on one another.
    let over = |front: &str, behind: &str| {
        format!(
            "const layers = (selector) => {{
                const path = [];
                for (let node = document.querySelector(selector); node; node = node.parentElement) {{
                    const {{ zIndex, position, transform, clipPath, opacity }} = getComputedStyle(node);
                    if ((zIndex !== 'auto' && position !== 'static') || transform !== 'none' || clipPath !== 'none' || opacity !== '1')
                        path.unshift([node, Number(zIndex) || 0]);
                }}
                return path;
            }};
            const [front, behind] = [layers({front:?}), layers({behind:?})];
            const at = front.findIndex(([node], i) => node !== behind[i]?.[0]);
            const [a, b] = [front[at]?.[1] ?? 0, behind[at]?.[1] ?? 0];
            const isAfter = document.querySelector({behind:?}).compareDocumentPosition(document.querySelector({front:?})) & 4;
            return a > b || (a === b && Boolean(isAfter))"
        )
    };
    browser.expect(&over(".link-where", ".arrow"), true);
    browser.press("2");
    browser.expect("return document.querySelectorAll('.sending').length", 15);
    browser.expect(&over(".lane-bar", ".sending"), true);
    browser.expect(
        "return getComputedStyle(document.querySelector('.lane-bar')).backgroundColor.includes('/')",
        false,
    );
}

/// What each view shows of a long trace, when it is open and at its end.
fn assert_every_view_is_quick(browser: &Browser, trace: Trace) {
    let views = [
        ("timeline", ".line"),
        ("lanes", ".lane-bar"),
        ("flame", ".flame-box"),
        ("table", ".grid-rows .grid-row"),
        ("statistics", ".grid-rows .grid-row"),
        ("critical", ".grid-rows .grid-row"),
    ];
    browser.goto_path(&format!("/trace/{}", trace.hex()));
    browser.expect("return document.querySelector('.line') !== null", true);
    for (i, (view, drawn)) in views.into_iter().enumerate() {
        browser.press(i + 1);
        let count = format!("return document.querySelectorAll({drawn:?}).length");
        browser.expect(&format!("{count} > 0"), true);
        browser.press(Key::End);
        let drawn = browser.run(&count).as_u64().unwrap_or_default();
        // Lanes draw what they can of everything; the others what is in sight.
        let most = if view == "lanes" { 4_000 } else { 3_000 };
        assert!((1..=most).contains(&drawn), "{view}: {drawn}");
        let focused =
            "return document.activeElement.matches('.line, .lane-bar, .flame-box, .grid-row')";
        browser.expect(focused, true);
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_trace_of_fifteen_thousand_levels_opens_in_every_view() {
    let Some((backend, browser)) = open_page() else { return };
    let trace = Trace::new();
    send(&backend, (0..15_000).map(|i| trace.span(i + 1, i, &format!("level {i}"), i..60_000 - i)));
    assert_every_view_is_quick(&browser, trace);
    // The last steps of the last view: the root's.
    browser.expect("return document.activeElement.firstChild.textContent", "level 0");
}

#[test]
fn a_trace_of_twenty_thousand_children_opens_in_every_view() {
    let Some((backend, browser)) = open_page() else { return };
    let trace = Trace::new();
    let child = |i: u64| trace.span(i + 1, 1, &format!("child {i}"), 3 * i..3 * i + 2 + i % 7);
    let root = std::iter::once(trace.span(1, 0, "parent", 0..70_000));
    send(&backend, root.chain((1..=20_001).map(child)));
    assert_every_view_is_quick(&browser, trace);
}

#[test]
fn a_trace_of_fifty_thousand_spans_opens_in_every_view() {
    let Some((backend, browser)) = open_page() else { return };
    let trace = Trace::new();
    let one = |i: u64| {
        let span = trace.span(i, i / 2, &format!("operation {}", i % 300), 2 * i..50_000 + i);
        let actor = text("actix.actor.name", &format!("Actor{}", i % 12));
        Span { attributes: vec![actor], ..span }
    };
    send(&backend, (1..=50_000).map(one));
    assert_every_view_is_quick(&browser, trace);
}

/// Sends the spans of one service, so many at a time as a request holds.
fn send(backend: &Backend, spans: impl Iterator<Item = Span>) {
    let spans: Vec<Span> = spans.collect();
    for some in spans.chunks(5_000) {
        backend.send(&request([of_service("store", some.to_vec())]));
    }
    backend.stats_when_stored(spans.len() as u64);
}
