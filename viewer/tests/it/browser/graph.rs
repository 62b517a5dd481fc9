//! The actor graph: who sends what to whom, in figures, and a way to the traces.

use super::open_shop;

#[test]
fn the_graph_shows_services_actors_and_their_messages() {
    let Some((_backend, browser, _shop)) = open_shop() else { return };
    browser.goto_path("/graph");

    // From, to, kind, how often a second, errors.
    browser.expect_text(
        "return [...document.querySelectorAll('.edges tbody tr')].map((row) => {
            const cells = [...row.children].map((cell) => cell.textContent.trim());
            return [cells[0], cells[1], cells[2], cells[3], cells[8]].join(' | ');
        }).sort().join('\\n')",
        "Checkout grocery-store | Aisle grocery-store | message | 0.03/s | ⚠ 1 (50%)\n\
         Checkout grocery-store | Ledger grocery-store | message | 0.02/s | 0\n\
         Inventory grocery-store | Aisle grocery-store | message | 0.05/s | 0\n\
         Ledger grocery-store | Ledger grocery-store | link | 0.02/s | 0\n\
         grocery-store | Checkout grocery-store | message | 0.02/s | 0\n\
         grocery-store | Inventory grocery-store | message | 0.02/s | 0\n\
         shopper | grocery-store | message | 0.05/s | 0",
    );
    let drawn = "return [...document.querySelectorAll('.graph .node-name')].map((name) => name.textContent).sort().join()";
    browser.expect(drawn, "Aisle,Checkout,Inventory,Ledger,grocery-store,shopper");
    browser.expect("return document.querySelectorAll('.graph .edge').length", 7);
    let waits = "return [...document.querySelectorAll('.graph .edge-label')].filter((label) => label.textContent.includes('wait')).length";
    browser.expect(waits, 5);
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_node_leads_to_the_traces_of_its_actor() {
    let Some((_backend, browser, shop)) = open_shop() else { return };
    browser.goto_path("/graph");
    browser.expect("return document.querySelectorAll('.graph .node').length", 6);

    browser.run("[...document.querySelectorAll('.graph .node')].find((node) => node.textContent.includes('Checkout'))
        .dispatchEvent(new MouseEvent('click', { bubbles: true }))");
    browser.expect("return [...document.querySelectorAll('.rows .row')].map((row) => row.dataset.trace).join()", shop.trip.hex());
    assert_eq!(browser.path(), "/?service=grocery-store&tags=actix.actor.name%3DCheckout");
}
