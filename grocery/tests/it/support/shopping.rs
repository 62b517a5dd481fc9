//! A store and a shopper as two processes, from their start to their last line, which accounts for
//! their spans.

use nix::sys::signal::Signal;

use testing::process::Process;

use super::grocery::{grocery, url};

/// Variables for both services.
pub(crate) type Variables<'a> = Vec<(&'a str, String)>;

/// What both services wrote about their spans at the end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Accounts {
    pub(crate) store: Account,
    pub(crate) shopper: Account,
}

/// An accounting line: `telemetry: started=3 ended=3 | otlp exported=3 failed=0 dropped=0`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) started: u64,
    pub(crate) ended: u64,
    /// Name, exported, failed, dropped.
    pub(crate) exporters: Vec<(String, u64, u64, u64)>,
}

/// Opens a store with a new database.
pub(crate) fn open_store(variables: &Variables<'_>) -> Process {
    let args = ["store", "--listen", "127.0.0.1:0", "--database", "sqlite::memory:"];
    grocery(args, variables.clone()).start()
}

/// Starts a shopper whose trips are of the kind quick-buy and the same in each run.
pub(crate) fn send_shopper(store: &Process, variables: &Variables<'_>, flags: &[&str]) -> Process {
    let url = url(store);
    let always = ["shopper", "--store-url", &url, "--mix", "quick-buy=1", "--seed", "7"];
    grocery(always.into_iter().chain(flags.iter().copied()), variables.clone()).start()
}

/// Makes so many trips, one after the other, and closes the store.
pub(crate) fn shop(variables: &Variables<'_>, trips: usize) -> Accounts {
    let store = open_store(variables);
    let trips = trips.to_string();
    let shopper = send_shopper(&store, variables, &["--trips", &trips, "--every", "1ms"]);
    let shopper = end(shopper);
    store.signal(Signal::SIGTERM);
    Accounts { shopper, store: end(store) }
}

/// Waits for the end of a service, which must be a success, and reads the last line it wrote.
pub(crate) fn end(service: Process) -> Account {
    let ended = service.end();
    assert!(ended.status.success(), "{}:\n{}", ended.status, ended.errors());
    let last = ended.last_line();
    Account::read(last).unwrap_or_else(|| panic!("no accounting line: {last:?}"))
}

impl Account {
    fn read(line: &str) -> Option<Self> {
        let mut parts = line.strip_prefix("telemetry: ")?.split(" | ");
        let mut totals = numbers(parts.next()?);
        let exporters = parts.map(|part| {
            let (name, counts) = part.split_once(' ')?;
            let mut counts = numbers(counts);
            Some((name.to_owned(), counts.next()?, counts.next()?, counts.next()?))
        });
        Some(Self {
            started: totals.next()?,
            ended: totals.next()?,
            exporters: exporters.collect::<Option<_>>()?,
        })
    }

    /// Checks what holds for every account: each span that was started has ended, and each exporter
    /// has counted each span once.
    pub(crate) fn assert_balanced(&self) {
        assert_eq!(self.started, self.ended, "{self:?}");
        for (_, exported, failed, dropped) in &self.exporters {
            assert_eq!(self.ended, exported + failed + dropped, "{self:?}");
        }
    }

    /// How many spans an exporter has delivered, which must be all of them.
    pub(crate) fn all_exported(&self, name: &str) -> u64 {
        self.assert_balanced();
        let (_, exported, failed, dropped) =
            self.exporters.iter().find(|exporter| exporter.0 == name).expect("it is listed");
        assert_eq!((*failed, *dropped), (0, 0), "{self:?}");
        *exported
    }
}

fn numbers(pairs: &str) -> impl Iterator<Item = u64> {
    pairs.split(' ').filter_map(|pair| pair.split_once('=')?.1.parse().ok())
}
