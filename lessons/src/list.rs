//! The list of all lessons.

use super::{
    baggage, batch, endless, error, exit, first_comer, guard, late_send, lazy_future,
    lesson::Lesson, no_http, plain_actor, sampled_apart, spawn, streamed_body,
};

/// All lessons, in the order in which they are best read.
pub const LESSONS: &[Lesson] = &[
    guard::LESSON,
    first_comer::LESSON,
    lazy_future::LESSON,
    spawn::LESSON,
    plain_actor::LESSON,
    no_http::LESSON,
    streamed_body::LESSON,
    sampled_apart::LESSON,
    exit::LESSON,
    late_send::LESSON,
    endless::LESSON,
    batch::LESSON,
    error::LESSON,
    baggage::LESSON,
];

/// The lesson of this name.
pub fn find(name: &str) -> Option<&'static Lesson> {
    LESSONS.iter().find(|lesson| lesson.name == name)
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, path::Path};

    use super::super::{excerpt::Excerpt, lesson::Variant};
    use super::*;

    #[test]
    fn every_lesson_has_a_name_of_its_own_and_code_that_can_be_opened() {
        let names: HashSet<_> = LESSONS.iter().map(|lesson| lesson.name).collect();
        assert_eq!(names.len(), LESSONS.len());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for lesson in LESSONS {
            let file = std::fs::read_to_string(root.join(lesson.file)).unwrap();
            assert_eq!(file, lesson.source, "{}", lesson.file);
            for variant in Variant::BOTH {
                let Excerpt { first_line, last_line, text } = lesson.code(variant);
                let lines: Vec<_> = file.lines().skip(first_line - 1).collect();
                assert_eq!(lines[..=last_line - first_line].join("\n") + "\n", text);
                let code = text.lines().filter(|line| !line.trim().is_empty()).count();
                assert!((1..=45).contains(&code), "{}, {variant}: {code} lines", lesson.name);
            }
        }
    }
}
