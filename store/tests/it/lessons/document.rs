//! `docs/lessons.md`: every lesson with its two trees, written from what the lessons say of themselves
//! and from what came out.
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
    let lessons: String = LESSONS.iter().map(|lesson| section(lesson, trees)).collect();
    format!("{INTRODUCTION}{lessons}")
}

const INTRODUCTION: &str = "\
# Lessons

What goes wrong with context, and what the traces look like then. Each lesson is a mistake that is made for one
request only, by code that you can open, with the smallest fix beside it.

Each line is a span, under its parent; a line that is not indented begins a trace of its own, unless it says that its
parent is elsewhere. In braces is the customer, as the span's baggage has it. `welcome message` is no part of a lesson: it
is what `GET /` does in any case.

<!-- Written by store/tests/it/lessons/document.rs: change what it writes, or the lessons, and not this. -->
";

fn section(lesson: &Lesson, trees: &Trees) -> String {
    let Lesson { name, title, mistake, seen, picture, runs, file, .. } = lesson;
    let why = lesson.why.join(" ");
    let shown = |variant: Variant| {
        let tree = trees.get(&(name, variant.name())).map_or("", String::as_str);
        format!("{}{tree}```\n", opening(lesson, variant))
    };
    let [mistaken, fixed] = Variant::BOTH.map(shown);
    format!(
        "
## {title}

**The mistake.** {mistake} **What one sees.** {seen} The trace is {picture}.

{mistaken}
With the fix:

{fixed}
{why}

The code is [{file}](../{file}). It runs {runs}. `GET /?lesson={name}&as=mistake`, or `&as=fix`.
"
    )
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
