//! A lesson as text for a terminal, and as JSON.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _},
};

use serde::Serialize;
use store::lessons::{Excerpt, LessonCard};

use crate::{
    runs::{Made, Run},
    tree::{Line, Mark},
    viewer_api::Viewer,
};

/// What stands between two columns.
const BETWEEN: &str = " | ";

/// How wide a line may be, in characters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Width(usize);

impl Width {
    /// The width of the terminal, or of a usual page where there is none.
    pub(super) fn of_terminal() -> Self {
        const PAGE: usize = 120;
        let terminal = io::stdout().is_terminal().then(crossterm::terminal::size);
        let columns = terminal.and_then(Result::ok).map(|(columns, _)| usize::from(columns));
        Self(columns.filter(|&columns| columns > 0).unwrap_or(PAGE))
    }
}

/// All lessons, one a line.
pub(super) fn list(cards: &[LessonCard]) -> String {
    let widest = cards.iter().map(|card| card.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for card in cards {
        let picture = card.picture.name();
        writeln!(text, "{:widest$}  {picture:5}  {}", card.name, card.title).expect("a string");
    }
    text + "\nMake one, and see both traces: grocery lesson NAME\n"
}

/// A lesson that was made.
pub(super) fn text_of(made: &Made, viewer: &Viewer, width: Width) -> String {
    let lesson = made.lesson;
    let mut text = format!("{}: {}\n\n", lesson.name, lesson.title);
    text += &wrapped(&format!("The mistake: {}", lesson.mistake), width);
    text += &wrapped(
        &format!("What one sees: {} The trace is {}.", lesson.seen, lesson.picture),
        width,
    );
    text.push('\n');
    text += &trees(made, width);
    text.push('\n');
    lesson.why.iter().for_each(|sentence| text += &wrapped(sentence, width));
    for run in [&made.mistake, &made.fix] {
        let Excerpt { first_line, last_line, text: code } = lesson.code(run.variant);
        let file = lesson.file;
        write!(text, "\nThe {}: {file}, lines {first_line} to {last_line}\n\n", run.variant)
            .expect("a string");
        for line in code.lines() {
            let line = format!("    {line}");
            text += line.trim_end();
            text.push('\n');
        }
    }
    text.push('\n');
    for run in [&made.mistake, &made.fix] {
        let Some((first, others)) = run.tree.trace_ids().split_first().map(|(f, o)| (*f, o.len()))
        else {
            continue;
        };
        let more = match others {
            0 => String::new(),
            1 => "  and 1 more trace".into(),
            others => format!("  and {others} more traces"),
        };
        let url = viewer.trace_url(first);
        writeln!(text, "{:9} {url}{more}", format!("{}:", run.variant)).expect("a string");
    }
    writeln!(text, "{:9} {}", "compared:", made.compare_url(viewer)).expect("a string");
    text
}

/// Both trees, side by side where there is room.
fn trees(made: &Made, width: Width) -> String {
    let [mistake, fix] = [&made.mistake, &made.fix].map(|run| {
        let head = format!("  the {}", run.variant);
        std::iter::once(head).chain(run.tree.lines.iter().map(line)).collect::<Vec<_>>()
    });
    let widest =
        |lines: &[String]| lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let left = widest(&mistake);
    let mut text = String::new();
    if left + BETWEEN.len() + widest(&fix) <= width.0 {
        for at in 0..mistake.len().max(fix.len()) {
            let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
            let row = format!("{:left$}{BETWEEN}{}", line(&mistake), line(&fix));
            text += row.trim_end();
            text.push('\n');
        }
    } else {
        for line in mistake.iter().chain([&String::new()]).chain(&fix) {
            text += line;
            text.push('\n');
        }
    }
    let marks = Mark::DIFFERENCES.map(|mark| format!("{} {}", mark.sign(), mark.words()));
    text + "\n" + &format!("  {}\n", marks.join("   "))
}

fn line(line: &Line) -> String {
    format!("{} {}{}", line.mark.sign(), "  ".repeat(line.depth), line.text)
}

/// Text in lines of this width at most, as far as its words allow.
fn wrapped(text: &str, Width(width): Width) -> String {
    let mut wrapped = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            wrapped.push('\n');
            column = 0;
        } else if column > 0 {
            wrapped.push(' ');
            column += 1;
        }
        wrapped += word;
        column += length;
    }
    wrapped + "\n"
}

/// A lesson that was made, for programs.
#[derive(Serialize)]
pub(super) struct MadeJson<'a> {
    lesson: LessonCard,
    mistake: RunJson<'a>,
    fix: RunJson<'a>,
    /// The page that compares both.
    compare: String,
}

#[derive(Serialize)]
struct RunJson<'a> {
    run: &'a str,
    traces: Vec<TraceJson<'a>>,
    spans: Vec<SpanJson<'a>>,
}

#[derive(Serialize)]
struct TraceJson<'a> {
    trace_id: &'a str,
    url: String,
}

#[derive(Serialize)]
struct SpanJson<'a> {
    trace_id: &'a str,
    span_id: &'a str,
    depth: usize,
    text: &'a str,
    mark: Mark,
}

pub(super) fn json_of<'a>(made: &'a Made, viewer: &Viewer) -> MadeJson<'a> {
    let run = |run: &'a Run| RunJson {
        run: &run.name,
        traces: (run.tree.trace_ids().into_iter())
            .map(|trace_id| TraceJson { trace_id, url: viewer.trace_url(trace_id) })
            .collect(),
        spans: (run.tree.lines.iter())
            .map(|Line { depth, text, mark, trace_id, span_id, .. }| SpanJson {
                trace_id,
                span_id,
                depth: *depth,
                text,
                mark: *mark,
            })
            .collect(),
    };
    MadeJson {
        lesson: LessonCard::from(made.lesson),
        mistake: run(&made.mistake),
        fix: run(&made.fix),
        compare: made.compare_url(viewer),
    }
}

#[cfg(test)]
mod tests {
    use store::lessons::{Variant, find};

    use super::*;
    use crate::{trace::Span, tree::Tree};

    fn made() -> Made {
        let run = |variant, name: &str| {
            let span = Span {
                trace_id: "aa".into(),
                span_id: "01".into(),
                name: name.into(),
                ..Span::default()
            };
            Run { variant, name: "7".into(), tree: Tree::of(&[span]) }
        };
        let mut mistake = run(Variant::Mistake, "one");
        let mut fix = run(Variant::Fix, "another");
        Tree::compare(&mut mistake.tree, &mut fix.tree);
        Made { lesson: find("spawn").unwrap(), mistake, fix }
    }

    #[test]
    fn two_columns_stand_side_by_side_where_there_is_room() {
        let legend = "\n  ! only here   > elsewhere in the other   ~ differs in the other\n";
        assert_eq!(
            trees(&made(), Width(43)),
            format!(
                "  the mistake     |   the fix\n! one UNSPECIFIED | ! another UNSPECIFIED\n{legend}"
            )
        );
        assert_eq!(
            trees(&made(), Width(39)),
            format!(
                "  the mistake\n! one UNSPECIFIED\n\n  the fix\n! another UNSPECIFIED\n{legend}"
            )
        );
    }

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrapped("a bb  ccc dddddd e", Width(4)), "a bb\nccc\ndddddd\ne\n");
    }
}
