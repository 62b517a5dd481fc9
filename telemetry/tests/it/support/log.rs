//! The log of this process, to which all tests write.

use std::fmt::Write as _;
use std::sync::{Mutex, Once};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The lines that are logged from a moment on.
#[derive(Clone, Copy)]
pub(crate) struct Log {
    from: usize,
}

impl Log {
    /// Keeps what is logged from now on. Tests run in parallel, so each looks only for lines with
    /// the address of its own receiver. Call this when that receiver listens: another may have
    /// listened at the same address before.
    pub(crate) fn start() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            tracing::subscriber::set_global_default(Keep).expect("the only subscriber");
        });
        Log { from: LINES.lock().unwrap().len() }
    }

    /// The lines so far that hold `text`.
    pub(crate) fn lines(self, text: &str) -> Vec<String> {
        let lines = LINES.lock().unwrap();
        lines[self.from..].iter().filter(|line| line.contains(text)).cloned().collect()
    }
}

struct Keep;

impl Subscriber for Keep {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = format!("{} {}:", event.metadata().level(), event.metadata().target());
        event.record(&mut Text(&mut line));
        LINES.lock().unwrap().push(line);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, " {field}={value}").unwrap();
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => write!(self.0, " {value:?}").unwrap(),
            name => write!(self.0, " {name}={value:?}").unwrap(),
        }
    }
}
