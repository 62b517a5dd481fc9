//! `docs/lessons.md`: every lesson with its code and its two trees, written from what the lessons say of
//! themselves and from what came out.
//!
//! The trees in the document are the ones that the tests expect. With `UPDATE_DOCS=1` the tests write
//! what they see into the document instead; what has changed is then for a person to look at:
//!
//! ```sh
//! UPDATE_DOCS=1 cargo test -p store --test it lessons && git diff docs/lessons.md
//! ```

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Mutex};

use store::lessons::{LESSONS, Lesson, Variant, find};

/// The trees that the document shows.
type Trees = BTreeMap<(&'static str, &'static str), String>;

/// One test writes at a time.
static WRITING: Mutex<()> = Mutex::new(());

fn path() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "docs", "lessons.md"].iter().collect()
}

#[expect(clippy::disallowed_methods, reason = "it is for whoever runs the tests")]
fn is_to_be_updated() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

/// Expects that the document shows this tree, or writes it there.
#[track_caller]
pub(super) fn assert_shows(name: &str, variant: Variant, tree: &str) {
    let lesson = find(name).unwrap();
    if is_to_be_updated() {
        let _one_at_a_time = WRITING.lock().unwrap();
        let mut trees = read();
        trees.insert((lesson.name, variant.name()), tree.to_owned());
        fs::write(path(), render(&trees)).unwrap();
        return;
    }
    let trees = read();
    let shown = trees.get(&(lesson.name, variant.name())).map_or("", String::as_str);
    assert_eq!(tree, shown, "{name} as {variant}: see store/tests/it/lessons/document.rs");
}

/// The trees that the document shows now.
fn read() -> Trees {
    let text = fs::read_to_string(path()).unwrap_or_default();
    let tree = |lesson: &Lesson, variant: Variant| {
        let (_, after) = text.split_once(&opening(lesson, variant))?;
        Some(after.split_once("```\n")?.0.to_owned())
    };
    LESSONS
        .iter()
        .flat_map(|lesson| Variant::BOTH.map(|variant| (lesson, variant)))
        .filter_map(|(lesson, variant)| {
            Some(((lesson.name, variant.name()), tree(lesson, variant)?))
        })
        .collect()
}

fn opening(lesson: &Lesson, variant: Variant) -> String {
    format!("<!-- {} as {variant} -->\n\n```text\n", lesson.name)
}

/// The whole document.
fn render(trees: &Trees) -> String {
    let table: String = LESSONS.iter().map(row).collect();
    let lessons: String = LESSONS.iter().map(|lesson| section(lesson, trees)).collect();
    format!("{INTRODUCTION}{table}{PICTURES}{HOW_TO_READ}{lessons}")
}

const INTRODUCTION: &str = "\
# Lessons

<!-- Written by store/tests/it/lessons/document.rs: change what it writes, or the lessons, and not this. -->

What goes wrong with context, and what the traces look like then. Each lesson is a mistake that is made for one
request only, by code that you can open, with the smallest fix beside it. The trees below are what the tests
expect, so they are what comes out.

## Make one yourself

`grocery lesson` lists the lessons, and with a name it makes one both ways: it shows the two trees side by side with
what differs marked, says why, and links to the traces. If no store is running, it starts one.

```sh
cargo run --release -- lesson spawn
```

The lab does the same in a browser: `cargo run --release` says where it is, <http://127.0.0.1:5050>, and it has a card for
each lesson. By hand, with that in another terminal:

```sh
curl -i -H 'baggage: customer=alice' 'http://127.0.0.1:5000/?lesson=spawn&as=mistake&run=first'
curl -i -H 'baggage: customer=alice' 'http://127.0.0.1:5000/?lesson=spawn&as=fix&run=second'
```

The header `grocery-lesson` of the answer says what became of it. Every trace of the run has a span with the attribute
`lesson.run=first`: search for that in the viewer, <http://127.0.0.1:16686>, and look at all the traces that it finds, because a
mistake often leaves more than one. `GET /lessons` has all of this page's texts and code as JSON. A store makes lessons only
if it was started with `--allow-faults`, as `grocery` does.

## All lessons

| lesson | the mistake | what one sees | picture |
|---|---|---|---|
";

const PICTURES: &str = "
## Three pictures

A wrong trace is one of three pictures. Say an actor asks another, which writes to a database:

```text
right                 cut                   moved                 mixed

GET / alice           GET / alice           GET / alice           GET / alice
`- ask Aisle          `- ask Aisle          |- ask Aisle          |- ask Aisle
   `- update stock                          `- update stock       |  `- update stock
                      update stock                                `- GET / bob
GET / bob                                   GET / bob                `- ask Aisle
`- ask Aisle          GET / bob             `- ask Aisle                `- update stock
   `- update stock    `- ask Aisle          `- update stock
```

- **Cut**: a part is missing below its parent. It is an orphan, a trace of its own, or it is nowhere: a message to an
  actor that is sent outside any context leaves no span at all. This is the one that is noticed.
- **Moved**: every span is there, under the wrong parent. The trace says that something else caused the work.
- **Mixed**: every span is there, and those of two customers are in one tree.

Nothing warns of the last two: the number of spans is right, and each trace looks whole.
";

const HOW_TO_READ: &str = "
## How to read the trees

Each line is a span, under its parent. A line that is not indented begins a trace of its own, unless it says that its
parent is elsewhere. In braces is the customer, as the span's baggage has it. An arrow shows which spans it links to.
`welcome message` is no part of a lesson: it is what `GET /` does in any case. Lessons with processes of their own have
the name of the service before each span.
";

fn row(lesson: &Lesson) -> String {
    let Lesson { name, title, mistake, seen, picture, .. } = lesson;
    format!("| [`{name}`](#{}) | {mistake} | {seen} | {picture} |\n", anchor(title))
}

/// The name that GitHub gives to a heading.
fn anchor(title: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    title.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

/// A tree of more lines than this is folded.
const LONG_TREE: usize = 30;

fn section(lesson: &Lesson, trees: &Trees) -> String {
    let Lesson { name, title, mistake, seen, picture, runs, file, .. } = lesson;
    let [because, then, therefore] = lesson.why;
    let code = |variant: Variant| {
        let code = lesson.code(variant);
        let (first, last) = (code.first_line, code.last_line);
        (format!("[{file}, lines {first} to {last}](../{file}#L{first}-L{last})"), code.text)
    };
    let tree = |variant: Variant| {
        let tree = trees.get(&(name, variant.name())).map_or("", String::as_str);
        let tree = format!("{}{tree}```\n", opening(lesson, variant));
        match tree.lines().count() {
            ..LONG_TREE => tree,
            _ => format!("<details><summary>the tree</summary>\n\n{tree}\n</details>\n"),
        }
    };
    let [(mistake_place, mistake_code), (fix_place, fix_code)] = Variant::BOTH.map(code);
    let [mistake_tree, fix_tree] = Variant::BOTH.map(tree);
    let where_it_runs = wrapped(&format!("`{name}`: the trace is **{picture}**. It runs {runs}."));
    let mistake = wrapped(&format!("**The mistake.** {mistake} {mistake_place}:"));
    let seen = wrapped(&format!("**What one sees.** {seen}"));
    let fix = wrapped(&format!("**The fix.** {fix_place}:"));
    let why = wrapped(&format!("**Why.** {because} {then} {therefore}"));
    format!(
        "
## {title}

{where_it_runs}

{mistake}

```rust
{mistake_code}```

{seen}

{mistake_tree}
{fix}

```rust
{fix_code}```

{fix_tree}
{why}
"
    )
}

/// So wide are the paragraphs, in characters, as those above that are written by hand.
const WIDTH: usize = 125;

/// The paragraph in lines of at most [`WIDTH`]. What is in backticks stays in one line.
fn wrapped(paragraph: &str) -> String {
    let (mut text, mut width, mut is_code) = (String::new(), 0, false);
    for word in paragraph.split(' ') {
        let length = word.chars().count();
        if text.is_empty() {
            width = length;
        } else if !is_code && width + 1 + length > WIDTH {
            text.push('\n');
            width = length;
        } else {
            text.push(' ');
            width += 1 + length;
        }
        text.push_str(word);
        is_code ^= word.matches('`').count() % 2 == 1;
    }
    text
}

#[test]
fn the_document_says_what_the_lessons_say() {
    if is_to_be_updated() {
        let _one_at_a_time = WRITING.lock().unwrap();
        fs::write(path(), render(&read())).unwrap();
        return;
    }
    let (written, rendered) = (fs::read_to_string(path()).unwrap(), render(&read()));
    let difference = written.lines().zip(rendered.lines()).find(|(written, said)| written != said);
    assert_eq!(difference, None, "see the top of store/tests/it/lessons/document.rs");
    assert!(written == rendered, "docs/lessons.md has another number of lines than it should have");
}

#[test]
fn a_mistake_shows_another_tree_than_its_fix() {
    let trees = read();
    for lesson in LESSONS {
        let [mistake, fix] = Variant::BOTH.map(|variant| &trees[&(lesson.name, variant.name())]);
        assert_ne!(mistake, fix, "{}", lesson.name);
    }
}
