//! Writes a warning or an error that may come at any rate once, counts its repetitions, and writes
//! the count when they are over.
//!
//! Clients can make a service log as often as they like: every request that is not HTTP is an error
//! of the HTTP server, and thousands of such lines a second would bury all others. So the first
//! event of a kind is written and the others are counted. Events are of one kind if they come from
//! the same place in the code and say the same. Of an event with an `error.type`, which has fields for
//! each occurrence, only the message, `error.type` and `exception.message` count:
//!
//! ```text
//! ERROR actix_http: no HTTP: a header                                     the first
//! ERROR actix_http said: no HTTP: a header count=1001 lasted=12.3s        after five calm seconds
//! ```
//!
//! These are the warnings and errors of libraries, and those of the service's own code that have an
//! `error.type`: what fails again and again, such as a request, says of which kind the failure is.
//! Panics are counted in the same way, since a request may cause one.
//! Other events of its own code are always written. It can use a [`Notice`], since it knows when
//! something is over.

use crate::quiet;
use opentelemetry_semantic_conventions::attribute::{ERROR_TYPE, EXCEPTION_MESSAGE};
use shared::notice::Notice;
use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Filter};

/// A repetition is over when the event has not come for so long.
const CALM: Duration = Duration::from_secs(5);

/// How often to look whether a repetition is over.
const TICK: Duration = Duration::from_secs(1);

/// How many kinds are told apart at the same time. All others count as one.
const MAX_KINDS: usize = 64;

/// How much of the text is written again with the count, in bytes.
const MAX_TEXT: usize = 200;

/// The libraries whose warnings and errors a client or a backend can cause, by the beginnings of
/// their targets.
const LIBRARIES: [&str; 10] = [
    "actix_",
    "awc",
    "h2",
    "hyper",
    "opentelemetry",
    "reqwest",
    "rustls",
    "sqlx",
    "tonic",
    "tower",
];

/// The events that are being repeated. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Repeats(Arc<Mutex<HashMap<Kind, Episode>>>);

/// Which occurrences are counted together.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// Events from this place in the code, with this hash of their target and their text. All
    /// events of the crate `log` with the same level are from one place.
    Event(Identifier, u64),
    /// Panics with this hash of their place and their message.
    Panic(u64),
    /// All kinds for which there was no room.
    Others,
}

#[derive(Debug)]
struct Episode {
    notice: Notice,
    level: Level,
    target: String,
    text: String,
}

impl Repeats {
    /// Whether this is the first event of its kind, and so is to be written. It comes from `target`.
    fn is_first(&self, event: &Event<'_>, target: &str, is_typed: bool) -> bool {
        let mut text = Text { is_typed, ..Text::default() };
        event.record(&mut text);
        let metadata = event.metadata();
        let kind = Kind::Event(metadata.callsite(), hash(&(target, &text.text)));
        self.count(self.episodes(), kind, || (*metadata.level(), target.to_owned(), text.cut()))
    }

    /// Whether this is the first panic at its place with its message, and so is to be written.
    ///
    /// It waits for no lock: the thread that panics may hold it. Then the panic is written.
    pub(crate) fn is_first_panic(&self, target: &str, place: &str, message: &str) -> bool {
        let Ok(episodes) = self.0.try_lock() else { return true };
        let text =
            || Text { text: format!("a panic at {place}: {message}"), is_typed: false }.cut();
        let kind = Kind::Panic(hash(&(place, message)));
        self.count(episodes, kind, || (Level::ERROR, target.to_owned(), text()))
    }

    /// Counts an occurrence, and returns whether it is the first one of its kind. `about` returns
    /// its level, its target and its text.
    fn count(
        &self,
        mut episodes: MutexGuard<'_, HashMap<Kind, Episode>>,
        kind: Kind,
        about: impl FnOnce() -> (Level, String, String),
    ) -> bool {
        let has_room = episodes.contains_key(&kind) || episodes.len() < MAX_KINDS;
        let kind = if has_room { kind } else { Kind::Others };
        if let Some(episode) = episodes.get(&kind) {
            return episode.notice.occurred();
        }
        let is_unwatched = episodes.is_empty();
        let (level, mut target, mut text) = about();
        if kind == Kind::Others {
            (target, text) = ("others".into(), "warnings and errors".into());
        }
        let episode = Episode { notice: Notice::default(), level, target, text };
        episode.notice.occurred();
        episodes.insert(kind, episode);
        drop(episodes);
        if is_unwatched {
            self.watch();
        }
        true
    }

    /// Starts a thread that looks now and then whether a repetition is over, until there is none
    /// left.
    fn watch(&self) {
        let repeats = self.clone();
        let watching = std::thread::Builder::new().name("telemetry-logs".into()).spawn(move || {
            loop {
                std::thread::sleep(TICK);
                repeats.end_after(CALM);
                if repeats.episodes().is_empty() {
                    return;
                }
            }
        });
        // If there is no thread, the counts are written at the end of the process.
        watching.map(drop).unwrap_or(());
    }

    /// Ends the repetitions of events that have not come for as long as `calm`, and writes their
    /// counts.
    pub(crate) fn end_after(&self, calm: Duration) {
        let mut ended = Vec::new();
        self.episodes().retain(|_, episode| match episode.notice.over_after(calm) {
            Some(over) => {
                let Episode { level, target, text, .. } = episode;
                ended.push((*level, std::mem::take(target), std::mem::take(text), over));
                false
            }
            None => true,
        });
        // These lines are about lines. As records, all occurrences have been exported.
        let _no_records = quiet::for_now();
        // Written after the lock is released, because these lines are events too.
        for (level, target, text, over) in ended.into_iter().filter(|(.., over)| over.count > 1) {
            let (count, lasted) = (over.count, over.lasted);
            if level == Level::ERROR {
                tracing::error!(count, ?lasted, "{target} said: {text}");
            } else {
                tracing::warn!(count, ?lasted, "{target} said: {text}");
            }
        }
    }

    fn episodes(&self) -> MutexGuard<'_, HashMap<Kind, Episode>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Filter<S> for Repeats {
    fn enabled(&self, _: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        true
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::TRACE)
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        let metadata = event.metadata();
        // Events of the crate `log` have their real target in a field.
        let of_log = event.normalized_metadata();
        let target = of_log.as_ref().map_or(metadata.target(), Metadata::target);
        let is_of_library = || LIBRARIES.iter().any(|library| target.starts_with(library));
        let is_typed = metadata.fields().field(ERROR_TYPE).is_some();
        let may_repeat = *metadata.level() <= Level::WARN && (is_typed || is_of_library());
        !may_repeat || self.is_first(event, target, is_typed)
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// What an event says: its message and its fields. Of an event with an `error.type`, only those fields
/// that say what is wrong.
#[derive(Default)]
struct Text {
    text: String,
    is_typed: bool,
}

impl Text {
    fn cut(mut self) -> String {
        if self.text.len() > MAX_TEXT {
            self.text.truncate(self.text.floor_char_boundary(MAX_TEXT));
            self.text.push('…');
        }
        self.text
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let separator = if self.text.is_empty() { "" } else { " " };
        // Writing into a string cannot fail.
        match field.name() {
            "message" => write!(self.text, "{separator}{value:?}"),
            // Where an event of the crate `log` comes from.
            name if name.starts_with("log.") => Ok(()),
            name if self.is_typed && ![ERROR_TYPE, EXCEPTION_MESSAGE].contains(&name) => Ok(()),
            name => write!(self.text, "{separator}{name}={value:?}"),
        }
        .unwrap_or(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use tracing_log::log;
    use tracing_subscriber::filter::FilterExt as _;
    use tracing_subscriber::fmt::MakeWriter;
    use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// The lines that are written of the events of `work`.
    fn written(work: impl FnOnce(&Repeats)) -> Vec<String> {
        let (lines, repeats) = (Lines::default(), Repeats::default());
        let layer = tracing_subscriber::fmt::layer()
            .without_time()
            .with_ansi(false)
            .with_target(false)
            .with_writer(lines.clone())
            .with_filter(LevelFilter::INFO.and(repeats.clone()));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || work(&repeats));
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    fn complain(about: &str) {
        tracing::error!(target: "actix_http", "no HTTP: {about}");
    }

    #[test]
    fn a_flood_is_two_lines_for_each_kind() {
        let lines = written(|repeats| {
            for number in 0..1_000 {
                complain("a header");
                complain("a method");
                tracing::info!(target: "actix_http", "and so on");
                tracing::warn!("our own");
                tracing::warn!(name: "our.kind", { number, error.type = "x" }, "a kind of our own");
                tracing::warn!(name: "our.other", number, "said by one who knows when it is over");
            }
            repeats.end_after(Duration::from_secs(60));
            complain("a header");
            repeats.end_after(Duration::ZERO);
            complain("a header");
        });
        let of_kind = lines.iter().filter(|line| line.contains("a kind of our own")).count();
        assert_eq!(of_kind, 2, "the first, and the count: {lines:?}");
        let lines = lines.into_iter().filter(|line| !line.contains("a kind of our own"));
        let (mut said, of_others): (Vec<_>, Vec<_>) =
            lines.partition(|line| line.contains("no HTTP"));
        assert_eq!(of_others.len(), 3_000, "{of_others:?}");
        said[2..4].sort_unstable();
        let end = |line: &String| line.split(" lasted=").next().unwrap().to_owned();
        assert_eq!(said[..2], ["ERROR no HTTP: a header", "ERROR no HTTP: a method"]);
        assert_eq!(end(&said[2]), "ERROR actix_http said: no HTTP: a header count=1001");
        assert_eq!(end(&said[3]), "ERROR actix_http said: no HTTP: a method count=1000");
        assert_eq!(said[4..], ["ERROR no HTTP: a header"]);
    }

    #[test]
    fn events_of_the_crate_log_are_counted_by_their_own_target() {
        let log = |target: &str| {
            let message = format_args!("cannot connect");
            let record = log::Record::builder()
                .level(log::Level::Warn)
                .target(target)
                .file(Some("src/client.rs"))
                .line(Some(7))
                .args(message)
                .build();
            tracing_log::format_trace(&record).unwrap();
        };
        let lines = written(|repeats| {
            for _ in 0..3 {
                log("reqwest::connect");
                log("rustls::conn");
                log("our::own");
            }
            repeats.end_after(Duration::ZERO);
        });
        let end = |line: &String| line.split(" lasted=").next().unwrap().to_owned();
        let mut lines: Vec<_> = lines.iter().map(end).collect();
        assert_eq!(lines[..5], vec!["WARN cannot connect"; 5], "two of libraries: {lines:?}");
        lines[5..].sort_unstable();
        assert_eq!(
            lines[5..],
            [
                "WARN reqwest::connect said: cannot connect count=3",
                "WARN rustls::conn said: cannot connect count=3",
            ]
        );
    }

    #[test]
    fn a_panic_is_counted_by_its_place_and_its_message() {
        let lines = written(|repeats| {
            let panics = |place, message| repeats.is_first_panic("panics", place, message);
            assert!(panics("a.rs:1:1", "no"));
            assert!(!panics("a.rs:1:1", "no"));
            assert!(panics("a.rs:1:1", "yes"));
            assert!(panics("a.rs:2:1", "no"));
            let held = repeats.episodes();
            assert!(panics("a.rs:1:1", "no"), "a panic of the thread that holds the lock");
            drop(held);
            repeats.end_after(Duration::ZERO);
        });
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert!(line.starts_with("ERROR panics said: a panic at a.rs:1:1: no count=2 "), "{line}");
    }

    #[test]
    fn an_event_that_is_not_repeated_has_no_second_line() {
        let lines = written(|repeats| {
            complain("a header");
            repeats.end_after(Duration::ZERO);
        });
        assert_eq!(lines, ["ERROR no HTTP: a header"]);
    }

    #[test]
    fn only_so_many_kinds_are_told_apart_and_all_others_count_as_one() {
        let lines = written(|repeats| {
            for number in 0..1_000 {
                complain(&number.to_string());
            }
            repeats.end_after(Duration::ZERO);
        });
        assert_eq!(lines.len(), MAX_KINDS + 2, "{lines:#?}");
        let last = lines.last().unwrap();
        assert!(last.starts_with("ERROR others said: warnings and errors count=936 "), "{last}");
    }

    #[test]
    fn a_long_text_is_cut_when_it_is_repeated() {
        let lines = written(|repeats| {
            for _ in 0..2 {
                complain(&"é".repeat(1_000));
            }
            repeats.end_after(Duration::ZERO);
        });
        assert!(lines[0].len() > 2_000 && lines[1].len() < 400, "{lines:?}");
    }
}
