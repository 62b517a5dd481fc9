//! The part of a lesson's file that a reader is shown.

use serde::Serialize;

/// Lines of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Excerpt {
    /// The number of the first line; a file begins with line 1.
    pub first_line: usize,
    /// The number of the last line.
    pub last_line: usize,
    /// The lines, each with its newline.
    pub text: String,
}

/// Returns what is in `source` between the comments `// ANCHOR: name` and `// ANCHOR_END: name`. These
/// are the comments with which mdBook includes a part of a file.
///
/// Without such comments it is the whole file. A test refuses that, because it is too long.
pub(super) fn between(source: &str, name: &str) -> Excerpt {
    let place = |comment: &str| {
        source.lines().position(|line| line.trim_start().strip_prefix(comment) == Some(name))
    };
    let first = place("// ANCHOR: ").map_or(0, |at| at + 1);
    let end = place("// ANCHOR_END: ").unwrap_or_else(|| source.lines().count());
    let lines = source.lines().take(end).skip(first);
    Excerpt {
        first_line: first + 1,
        last_line: end,
        text: lines.flat_map(|line| [line, "\n"]).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_what_is_between_its_comments() {
        let source = "one\n// ANCHOR: fix\ntwo\n\nfour\n// ANCHOR_END: fix\nlast\n";
        let expected = Excerpt { first_line: 3, last_line: 5, text: "two\n\nfour\n".into() };
        assert_eq!(between(source, "fix"), expected);
        assert_eq!(between(source, "mistake").text, source);
    }
}
