//! Which messages have spans, chosen while the process runs.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock};

/// Which actors and messages have spans.
///
/// A message without a span carries its context all the same. The spans that it causes are kept:
/// they are under the sender's span; or, for a timer and a message that would have begun a trace,
/// in traces of their own. (A sampler that drops a span by its name would drop all spans below it
/// too.) Metrics count the message as before.
///
/// As a string, such as the value of an environment variable, a selection is a list of `PATTERN=on`
/// and `PATTERN=off` with commas between them. A pattern is `Actor` or `Actor::Message`:
///
/// - `Actor` is an actor's [`NAME`](crate::TracedActor::NAME), or `*` for any actor;
/// - `Message` is the name of the message's type, with its path or without; `delayed` or `interval`
///   for the closures of timers; `batch` or `restart` for these spans.
///
/// Where several patterns fit, the last one decides. Where none fits, there is a span.
///
/// ```
/// use actix_opentelemetry::{Selection, set_selection};
///
/// set_selection("Restocker=off, Aisle::Reread=off, *::Ping=off".parse()?);
/// // The same, said in code:
/// set_selection(Selection::new().off("Restocker").off("Aisle::Reread").off("*::Ping"));
/// // And all spans back:
/// set_selection(Selection::new());
/// # Ok::<_, actix_opentelemetry::SelectionError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    actor: String,
    message: Option<String>,
    is_on: bool,
}

impl Selection {
    /// Every message has a span.
    pub const fn new() -> Self {
        Self { rules: Vec::new() }
    }

    /// Adds a rule: messages that fit the pattern have spans.
    pub fn on(self, pattern: &str) -> Self {
        self.with(pattern, true)
    }

    /// Adds a rule: messages that fit the pattern have no spans.
    pub fn off(self, pattern: &str) -> Self {
        self.with(pattern, false)
    }

    fn with(mut self, pattern: &str, is_on: bool) -> Self {
        let pattern = pattern.trim();
        let (actor, message) = match pattern.split_once("::") {
            Some((actor, message)) => (actor, Some(message.to_owned())),
            None => (pattern, None),
        };
        self.rules.push(Rule { actor: actor.to_owned(), message, is_on });
        self
    }

    fn is_on(&self, actor: &str, names: &[&str]) -> bool {
        let fits = |rule: &&Rule| {
            (rule.actor == "*" || rule.actor == actor)
                && rule.message.as_deref().is_none_or(|message| names.contains(&message))
        };
        self.rules.iter().rev().find(fits).is_none_or(|rule| rule.is_on)
    }
}

impl FromStr for Selection {
    type Err = SelectionError;

    fn from_str(text: &str) -> Result<Self, SelectionError> {
        let mut selection = Self::new();
        for entry in entries(text).map(str::trim).filter(|entry| !entry.is_empty()) {
            let wrong = || SelectionError { entry: entry.to_owned() };
            let (pattern, state) = entry.rsplit_once('=').ok_or_else(wrong)?;
            let is_on = match state.trim() {
                "on" => true,
                "off" => false,
                _ => return Err(wrong()),
            };
            let pattern = pattern.trim();
            if pattern.split("::").any(|part| part.trim().is_empty()) {
                return Err(wrong());
            }
            selection = selection.with(pattern, is_on);
        }
        Ok(selection)
    }
}

/// The parts between commas, except for commas within the brackets of a type: `Pair<A, B>=on`.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    text.split(move |letter| {
        match letter {
            '<' | '(' | '[' => depth += 1,
            '>' | ')' | ']' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    })
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Rule { actor, message, is_on }) in self.rules.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{actor}")?;
            if let Some(message) = message {
                write!(f, "::{message}")?;
            }
            f.write_str(if *is_on { "=on" } else { "=off" })?;
        }
        Ok(())
    }
}

/// Why a text is not a [`Selection`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error(
    "`{entry}` selects no spans: expected `Actor=on`, `Actor=off`, `Actor::Message=off` or `*::Message=off`"
)]
pub struct SelectionError {
    /// The entry, as it was given.
    pub entry: String,
}

static SELECTION: RwLock<Selection> = RwLock::new(Selection::new());

/// Counts the calls of [`set_selection`]. Each [`Selected`] keeps its answer with the number of the
/// selection that it is from, so that nothing is looked up while the selection stays the same.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Chooses which messages have spans from now on, in the whole process. It may be called again at
/// any time; messages that are being handled keep their spans.
pub fn set_selection(selection: Selection) {
    let mut current = SELECTION.write().unwrap_or_else(PoisonError::into_inner);
    *current = selection;
    let next = GENERATION.load(Ordering::Relaxed).wrapping_add(1);
    // One bit is left out: a kept answer is the number, shifted, with the answer in the last bit.
    GENERATION.store((next & (u32::MAX >> 1)).max(1), Ordering::Release);
}

/// Whether there has ever been a selection.
#[inline]
pub(crate) fn is_in_use() -> bool {
    GENERATION.load(Ordering::Relaxed) != 0
}

/// The selection's answer for one operation, kept until the selection changes.
#[derive(Debug, Default)]
pub(crate) struct Selected(AtomicU32);

impl Selected {
    /// Whether the selection takes the spans away of a message to this actor with these names.
    #[inline]
    pub(crate) fn is_off(&self, actor: &str, names: &[&str]) -> bool {
        let generation = GENERATION.load(Ordering::Acquire);
        if generation == 0 {
            return false;
        }
        let known = self.0.load(Ordering::Relaxed);
        if known >> 1 == generation { known & 1 == 1 } else { self.look_up(actor, names) }
    }

    #[cold]
    fn look_up(&self, actor: &str, names: &[&str]) -> bool {
        let selection = SELECTION.read().unwrap_or_else(PoisonError::into_inner);
        let is_off = !selection.is_on(actor, names);
        // Read under the lock, so that the answer is of this selection.
        let generation = GENERATION.load(Ordering::Relaxed);
        self.0.store(generation << 1 | u32::from(is_off), Ordering::Relaxed);
        is_off
    }
}

#[cfg(test)]
mod tests {
    use super::Selection;

    #[test]
    fn a_selection_is_read_and_written() {
        let text = " Restocker=off, Aisle::Reread = off,*::store::Pair<A, B>=on ,, *=on";
        let selection: Selection = text.parse().unwrap();
        let built = Selection::new()
            .off("Restocker")
            .off("Aisle::Reread")
            .on("*::store::Pair<A, B>")
            .on("*");
        assert_eq!(selection, built);
        assert_eq!(
            selection.to_string(),
            "Restocker=off,Aisle::Reread=off,*::store::Pair<A, B>=on,*=on"
        );
        assert_eq!(selection.to_string().parse(), Ok(selection));
        assert_eq!("".parse(), Ok(Selection::new()));
    }

    #[test]
    fn what_is_no_selection_is_refused_with_its_text() {
        for wrong in ["Aisle", "Aisle=maybe", "=off", "Aisle::=off", "::Reread=off", "Aisle=OFF"] {
            let text = format!("Restocker=off,{wrong}");
            let error = text.parse::<Selection>().unwrap_err();
            assert_eq!(error.entry, wrong);
            assert!(error.to_string().starts_with(&format!("`{wrong}` selects")), "{error}");
        }
    }
}
