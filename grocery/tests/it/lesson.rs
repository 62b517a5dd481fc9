//! `grocery lesson`: both runs of a lesson, as a user sees them in a terminal.

use std::net::SocketAddr;

use nix::sys::signal::Signal;
use serde_json::Value;
use testing::{
    ports,
    process::{Ended, Process, Program},
    tls::{TlsFront, certificate},
    wait_until,
};

use crate::support::{
    grocery::{grocery, url},
    http::get,
    teaching::Teaching,
    terminal::Terminal,
};

fn lesson<'a>(args: impl IntoIterator<Item = &'a str>) -> Ended {
    grocery(["lesson"].into_iter().chain(args), []).run()
}

#[test]
fn all_lessons_are_listed_in_the_order_of_their_table() {
    let ended = lesson([]);
    assert!(ended.status.success(), "{ended:#?}");
    let names: Vec<_> = ended.stdout.lines().map_while(|line| line.split("  ").next()).collect();
    let listed: Vec<_> = store::lessons::LESSONS.iter().map(|lesson| lesson.name).collect();
    assert_eq!(names[..listed.len()], listed);
    assert!(ended.stdout.ends_with("grocery lesson NAME\n"), "{}", ended.stdout);

    let json: Value = serde_json::from_str(&lesson(["--output", "json"]).stdout).unwrap();
    let names = json.as_array().unwrap().iter().map(|card| card["name"].as_str().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), listed);
}

/// What `grocery lesson spawn` shows of both runs, and why.
const SPAWN: &str = r#"
  the mistake                                 |   the fix
~ GET / SERVER {customer=alice}               | ~ GET / SERVER ERROR "the disk is full" {customer=alice}
    welcome message INTERNAL {customer=alice} | !   ask Aisle Reserve INTERNAL {customer=alice}
> update stock INTERNAL                       | >     update stock INTERNAL {customer=alice}
> print label INTERNAL                        | >   print label INTERNAL {customer=alice}
> hash password INTERNAL                      | >   hash password INTERNAL {customer=alice}
                                              |     welcome message INTERNAL {customer=alice}

  ! only here   > elsewhere in the other   ~ differs in the other

The current context belongs to a thread, and a new task or thread starts with an empty one, even if the handler awaits
it.
"#;

#[test]
fn a_lesson_starts_what_it_needs_and_shows_both_trees_the_code_and_the_links() {
    let ended = lesson(["spawn"]);
    assert!(ended.status.success(), "{ended:#?}");
    let text = &ended.stdout;
    assert!(text.starts_with("spawn: Work moved to another task or thread\n"), "{text}");
    let excerpt = |from: &str, to: &str| {
        let start = text.find(from).unwrap_or_else(|| panic!("no {from:?} in:\n{text}"));
        let end = text[start..].find(to).unwrap_or_else(|| panic!("no {to:?} in:\n{text}"));
        text[start..start + end].to_owned()
    };
    assert_eq!(
        lines_of(&excerpt("\n  the mistake", "In an empty context")),
        lines_of(SPAWN),
        "{text}"
    );
    let lesson = store::lessons::find("spawn").unwrap();
    for variant in store::lessons::Variant::BOTH {
        let code = lesson.code(variant);
        let place = format!(
            "\nThe {variant}: lessons/src/spawn.rs, lines {} to {}\n\n",
            code.first_line, code.last_line
        );
        let indented: String = (code.text.lines())
            .map(|line| format!("    {line}").trim_end().to_owned() + "\n")
            .collect();
        assert!(text.contains(&(place + &indented)), "{text}");
    }
    // The mistake leaves a trace of its own for each of its three orphans.
    let [mistake, fix, compared] = links(text);
    assert!(mistake.ends_with("  and 3 more traces"), "{text}");
    let path = |url: &str| url.splitn(4, '/').nth(3).unwrap().to_owned();
    let [first, whole] = [&mistake, &fix].map(|url| path(url).replace("trace/", ""));
    let first = first.split(' ').next().unwrap();
    let compared = path(&compared);
    assert!(compared.starts_with(&format!("compare/{whole}/{first}+")), "{text}");
    assert!(compared.ends_with("?a=fix&b=mistake"), "{text}");
}

/// What `grocery lesson sampled-apart` shows of both runs.
const SAMPLED_APART: &str = r"
  the mistake
  grocery-store: GET / SERVER {customer=alice}
    grocery-store: GET 127.0.0.1 CLIENT {customer=alice}
    grocery-store: welcome message INTERNAL {customer=alice}
> depot: GET /stock SERVER (parent elsewhere) {customer=alice}
    depot: count stock INTERNAL {customer=alice}

  the fix
  grocery-store: GET / SERVER {customer=alice}
    grocery-store: GET 127.0.0.1 CLIENT {customer=alice}
!     warehouse: GET /stock SERVER {customer=alice}
!       warehouse: GET 127.0.0.1 CLIENT {customer=alice}
>         depot: GET /stock SERVER {customer=alice}
            depot: count stock INTERNAL {customer=alice}
    grocery-store: welcome message INTERNAL {customer=alice}

  ! only here   > elsewhere in the other   ~ differs in the other

";

/// The processes of such a lesson are `grocery` too, in a role of the store's.
#[test]
fn a_lesson_has_the_processes_that_it_needs() {
    let ended = lesson(["sampled-apart"]);
    assert!(ended.status.success(), "{ended:#?}");
    assert!(ended.stdout.contains(SAMPLED_APART), "{}", ended.stdout);
}

fn lines_of(text: &str) -> Vec<&str> {
    text.trim_matches('\n').lines().collect()
}

/// What stands behind the three links at the end.
fn links(text: &str) -> [String; 3] {
    ["mistake:", "fix:", "compared:"].map(|name| {
        let link = text.lines().rev().find_map(|line| line.strip_prefix(name));
        link.unwrap_or_else(|| panic!("no {name} in:\n{text}")).trim().to_owned()
    })
}

#[test]
fn at_a_terminal_the_traces_stay_until_ctrl_c() {
    let terminal = Terminal::start(grocery(["lesson", "baggage"], []));
    let stay = "grocery: the traces stay at ";
    wait_until("it says that the traces stay", || terminal.text().contains(stay));
    let text = terminal.text();
    let viewer = text.split_once(stay).unwrap().1.split(' ').next().unwrap();
    let link = format!("fix:      {viewer}/trace/");
    let trace = &text.split_once(&link).expect("a link to the right trace").1[..32];
    assert!(get(&format!("{viewer}/viewer/api/traces/{trace}")).is_some(), "{text}");

    terminal.process.signal(Signal::SIGINT);
    let ended = terminal.process.end();
    assert!(ended.status.success(), "{}", text);
    assert!(get(viewer).is_none(), "the viewer is gone");
}

#[test]
fn a_running_store_is_asked_and_its_viewer_has_the_traces() {
    let teaching = Teaching::start();
    let ended = teaching.lesson(&["batch", "--output", "json"]);
    assert!(ended.status.success(), "{ended:#?}");
    let made: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(made["lesson"]["name"], "batch");
    let marked = |variant: &str| {
        let spans = made[variant]["spans"].as_array().unwrap();
        let line = |span: &Value| {
            let depth = usize::try_from(span["depth"].as_u64().unwrap()).unwrap();
            let text = span["text"].as_str().unwrap();
            format!("{:7} {}{text}", span["mark"].as_str().unwrap(), "  ".repeat(depth))
        };
        spans.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(
        marked("mistake"),
        [
            "same    GET / SERVER {customer=alice}",
            "changed   ask Ledger Record INTERNAL {customer=alice}",
            "same      welcome message INTERNAL {customer=alice}",
            "same    GET / SERVER {customer=bob}",
            "changed   ask Ledger Record INTERNAL {customer=bob}",
            "same    GET / SERVER {customer=carol}",
            "changed   ask Ledger Record INTERNAL {customer=carol}",
            "moved       write three orders INTERNAL {customer=carol}",
        ]
    );
    assert_eq!(
        marked("fix"),
        [
            "same    GET / SERVER {customer=alice}",
            "changed   ask Ledger Record INTERNAL {customer=alice} -> process Ledger batch",
            "same      welcome message INTERNAL {customer=alice}",
            "same    GET / SERVER {customer=bob}",
            "changed   ask Ledger Record INTERNAL {customer=bob} -> process Ledger batch",
            "same    GET / SERVER {customer=carol}",
            "changed   ask Ledger Record INTERNAL {customer=carol} -> process Ledger batch",
            "only    process Ledger batch INTERNAL -> ask Ledger Record x3",
            "moved     write three orders INTERNAL",
        ]
    );
    let traces = made["fix"]["traces"].as_array().unwrap();
    assert_eq!(traces.len(), 4, "three requests and the batch");
    for trace in traces {
        let page = trace["url"].as_str().unwrap();
        assert!(page.starts_with(&format!("http://{}/trace/", teaching.viewer)), "{page}");
        let id = trace["trace_id"].as_str().unwrap();
        let held = get(&format!("http://{}/viewer/api/traces/{id}", teaching.viewer));
        assert!(held.is_some(), "{id}");
    }
    let compare = made["compare"].as_str().unwrap();
    assert!(get(compare).is_some(), "{compare}");
}

#[test]
fn what_cannot_be_done_is_said_with_what_helps() {
    let fails = |args: &[&str], code: i32, said: &[&str]| {
        let ended = lesson(args.iter().copied());
        assert_eq!(ended.status.code(), Some(code), "{args:?}: {ended:#?}");
        let errors = ended.errors();
        said.iter()
            .for_each(|said| assert!(errors.contains(said), "{args:?}: no {said} in {errors}"));
        assert_eq!(ended.stdout, "");
    };
    fails(&["spwan"], 2, &["spwan", "spawn"]);
    fails(&["spawn", "--store-url", "ftp://x"], 2, &["ftp://x", "expected http(s)://HOST[:PORT]"]);

    let [nothing]: [SocketAddr; 1] = ports::free();
    let nothing = format!("http://{nothing}");
    fails(&["spawn", "--store-url", &nothing], 1, &[&format!("no answer from {nothing}/lessons")]);

    let teaching = Teaching::start();
    let viewer = format!("http://{}", teaching.viewer);
    fails(&["spawn", "--store-url", &viewer], 1, &[&format!("{viewer}/lessons answers 404")]);

    let unwilling = unwilling_store();
    let store = url(&unwilling);
    let said = format!("the store at {store} makes no lessons: start it with --allow-faults");
    fails(&["spawn", "--store-url", &store, "--viewer-url", &viewer], 1, &[&said]);
    fails(
        &["spawn", "--store-url", &teaching.store_url(), "--viewer-url", &nothing],
        1,
        &[&format!("no answer from {nothing}/viewer/api/traces")],
    );
}

#[test]
fn a_store_behind_tls_makes_lessons_for_those_who_trust_it() {
    let teaching = Teaching::start();
    let front = TlsFront::start("server", false, teaching.store_address());
    let (store, viewer) = (front.url(), format!("http://{}", teaching.viewer));
    let with = |authority: &str| {
        let ca = certificate(authority);
        let flags = ["--store-url", &store, "--viewer-url", &viewer, "--ca-certificate", &ca];
        lesson(["baggage"].iter().chain(&flags).copied())
    };
    let ended = with("ca.pem");
    assert!(ended.status.success(), "{ended:#?}");
    let ended = with("self-signed.pem");
    assert_eq!(ended.status.code(), Some(1), "{ended:#?}");
    let said = format!(
        "grocery: no answer from {store}/lessons: Failed to connect to host: the certificate of localhost \
         is not trusted: its authority is not one of those trusted; --ca-certificate names its authority"
    );
    assert_eq!(ended.last_line(), said);
}

/// A store that makes no lessons.
fn unwilling_store() -> Process {
    let variables = [("OTEL_TRACES_EXPORTER", "none".to_owned())];
    let args = ["store", "--listen", "127.0.0.1:0", "--database", "sqlite::memory:"];
    let store: Program = grocery(args, variables);
    store.start()
}
