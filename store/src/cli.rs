//! The store as a process: its command line, and how it starts and ends.

use std::{
    fmt::Display,
    io::{self, Write as _},
    net::SocketAddr,
    num::{NonZeroU16, NonZeroU32},
    process::ExitCode,
    thread,
    time::Duration,
};

use actix_opentelemetry::metrics;
use opentelemetry::metrics::MeterProvider as _;
use shared::{
    env::{MOST_THREADS, number},
    hosts::HostName,
    output,
    signal::{self, READER_GONE, Reason, Stop},
};
use telemetry::{Service, Streams, Telemetry};

use crate::{
    ACTIVITY,
    actors::{ActorConfig, RestockPolicy},
    clock::Clock,
    config::Config,
    domain::KeepOrders,
    lessons::{self, CUSTOMER, Program},
    server,
    storage::{self, DatabaseUrl, PostgresLimits},
};

/// The exit code for wrong usage, as clap has it.
const WRONG_USAGE: u8 = 2;

/// Run the grocery store: an HTTP service with actors and a database inside.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Address and port to listen on; port 0 takes any free port.
    #[arg(long, env = "STORE_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:5000")]
    #[arg(value_parser = shared::listen::address)]
    pub listen: SocketAddr,

    /// Where stock and orders are kept: `sqlite:PATH`, `sqlite::memory:` or
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    #[arg(
        long,
        env = "DATABASE_URL",
        value_name = "URL",
        default_value = "sqlite:grocery-data/store.db",
        hide_env_values = true
    )]
    pub database: DatabaseUrl,

    /// Connections of this store to PostgreSQL at most: the ledger writes by one of them, the others
    /// read. The server's `max_connections` has to have room for those of all stores.
    #[arg(
        long,
        env = "STORE_DATABASE_CONNECTIONS",
        value_name = "CONNECTIONS",
        default_value_t = storage::POSTGRES_CONNECTIONS,
        value_parser = number::<NonZeroU16>(1..=u16::MAX.into())
    )]
    pub database_connections: NonZeroU16,

    /// How long PostgreSQL lets a statement of this store run, such as 500ms or 5s: 10ms to 1h. The
    /// request is answered with 503 then. Migrations and the audit take the time that they need.
    #[arg(
        long,
        env = "STORE_STATEMENT_TIMEOUT",
        value_name = "DURATION",
        default_value = "5s",
        value_parser = statement_timeout
    )]
    pub statement_timeout: Duration,

    /// Do not open the store: bring the schema of the database up to date, as the role that owns it,
    /// add the products that it lacks, and say what was done [default: off].
    #[arg(long, env = "STORE_MIGRATE", conflicts_with = "audit")]
    pub migrate: bool,

    /// Threads that serve HTTP [default: 1 on a machine with one or two cores, otherwise as many as there are
    /// cores].
    #[arg(long, env = "STORE_WORKERS", value_name = "THREADS", value_parser = shared::env::threads)]
    pub workers: Option<NonZeroU16>,

    /// Threads that only the actors run on. With 0 they run on the first thread that serves HTTP [default: 0 if
    /// one thread serves HTTP, otherwise 1].
    #[arg(long, env = "STORE_ACTOR_THREADS", value_name = "THREADS")]
    #[arg(value_parser = number::<u16>(0..=MOST_THREADS.into()))]
    pub actor_threads: Option<u16>,

    /// Messages that wait in an actor's mailbox before it is overloaded.
    #[arg(long, env = "STORE_MAILBOX", value_name = "MESSAGES", default_value = "1024")]
    #[arg(value_parser = number::<NonZeroU16>(1..=u16::MAX.into()))]
    pub mailbox: NonZeroU16,

    /// Requests that `Inventory` and `Checkout` each work on at a time; further ones wait in the
    /// mailbox.
    #[arg(long, env = "STORE_CONCURRENCY", value_name = "REQUESTS", default_value = "512")]
    #[arg(value_parser = number::<NonZeroU16>(1..=u16::MAX.into()))]
    pub concurrency: NonZeroU16,

    /// Orders that wait for the next transaction before `Ledger` is overloaded.
    #[arg(long, env = "STORE_LEDGER_QUEUE", value_name = "ORDERS", default_value = "1024")]
    #[arg(value_parser = number::<NonZeroU16>(1..=u16::MAX.into()))]
    pub ledger_queue: NonZeroU16,

    /// How long a request may take before it is answered with 504, such as 500ms or 10s.
    #[arg(
        long,
        env = "STORE_REQUEST_TIMEOUT",
        value_name = "DURATION",
        default_value = "10s",
        value_parser = shared::env::duration
    )]
    pub request_timeout: Duration,

    /// A delivery is ordered when fewer pieces of a product than this are left.
    #[arg(long, env = "STORE_RESTOCK_BELOW", value_name = "PIECES", default_value = "100")]
    #[arg(value_parser = number::<u32>(0..=u32::MAX.into()))]
    pub restock_below: u32,

    /// Pieces that one delivery brings; more if a product keeps selling faster than that.
    #[arg(long, env = "STORE_RESTOCK_QUANTITY", value_name = "PIECES", default_value = "500")]
    #[arg(value_parser = number::<NonZeroU32>(1..=u32::MAX.into()))]
    pub restock_quantity: NonZeroU32,

    /// How long a delivery takes, such as 500ms or 2s.
    #[arg(
        long,
        env = "STORE_RESTOCK_DELAY",
        value_name = "DURATION",
        default_value = "2s",
        value_parser = shared::env::duration
    )]
    pub restock_delay: Duration,

    /// For how long orders are kept one by one, such as 24h or 7d: at least 1m, and twice as long as a
    /// request or a delivery may take.
    ///
    /// Older orders and deliveries are folded into sums, in small batches between the sales, so that
    /// the database stops growing. `forever` folds none. A folded order has no receipt any more, and
    /// its idempotency key, which is otherwise remembered for 24 h, is forgotten with it.
    #[arg(
        long,
        env = "STORE_KEEP_ORDERS",
        value_name = "DURATION",
        default_value_t = KeepOrders::Forever
    )]
    pub keep_orders: KeepOrders,

    /// Honour the faults that requests ask for in the baggage entry `grocery.fault`, such as
    /// `slow-aisle=produce:200ms`, `panic=Checkout`, `error=Ledger:5%` or `stall=Aisle:1s`, and make the
    /// lessons that they ask for, such as `GET /?lesson=spawn` [default: off].
    #[arg(long, env = "STORE_ALLOW_FAULTS")]
    pub allow_faults: bool,

    /// Names and addresses by which the store is reached, without port, separated by commas.
    ///
    /// A store that listens on the loopback interface answers to the names of this machine alone,
    /// such as localhost, and to these. One that listens elsewhere answers to every name, unless
    /// there are some here [default: none]
    #[arg(long, env = "STORE_ALLOWED_HOSTS", value_name = "HOST", value_delimiter = ',')]
    pub allowed_hosts: Vec<HostName>,

    /// Do not open the store: check that stock and orders in the database add up, print the
    /// figures, and fail if they do not [default: off].
    #[arg(long, env = "STORE_AUDIT")]
    pub audit: bool,

    /// Stop at the end of standard input: the process that started this one holds the other end.
    #[arg(long, hide = true)]
    pub parent_pipe: bool,

    /// How long the store goes on serving after it was told to stop, such as 5s: meanwhile `/readyz`
    /// answers 503, so that a load balancer sends its requests elsewhere. Then it finishes what it has
    /// begun and ends.
    #[arg(
        long,
        env = "STORE_DRAIN",
        value_name = "DURATION",
        default_value = "0s",
        value_parser = shared::env::duration
    )]
    pub drain: Duration,

    /// How long the store may take to stop, after that.
    #[arg(long, hide = true, default_value = "10s", value_parser = shared::env::duration)]
    pub stop_within: Duration,

    /// Do not open the store: do a part in a lesson, for the store that started this process.
    #[arg(long, hide = true, value_name = "JSON")]
    pub lesson_process: Option<lessons::Part>,
}

/// Runs the store until it is told to stop, or audits it. The exit code is 0 for success, 1 for
/// failure, 2 for wrong usage.
///
/// `role` is the arguments that make this program a store, before those that are `args`.
pub fn run(args: Args, role: &[&str]) -> ExitCode {
    output::report_panics();
    if let Some(part) = &args.lesson_process {
        return lessons::play(part);
    }
    if let Err(error) = args.check() {
        complain(&error);
        output::finish();
        return ExitCode::from(WRONG_USAGE);
    }
    let done = match &args {
        args if args.audit => audit(&args.database),
        args if args.migrate => migrate(&args.database),
        args => open(args, role),
    };
    let code = done.unwrap_or_else(|error| {
        complain(&error);
        ExitCode::FAILURE
    });
    output::finish();
    code
}

fn complain(error: &anyhow::Error) {
    writeln!(output::stderr(), "grocery store: {error}").ok();
}

/// Opens the store. Its telemetry is flushed at the end, also after an error.
fn open(args: &Args, role: &[&str]) -> anyhow::Result<ExitCode> {
    let stop = signal::watch(args.parent_pipe, args.drain.saturating_add(args.stop_within))?;
    let service = Service {
        name: "grocery-store",
        namespace: "grocery",
        version: env!("CARGO_PKG_VERSION"),
        baggage_attributes: &[shared::fault::SHOPPER_KIND, CUSTOMER],
        quiet_targets: &[ACTIVITY],
        crates: &["store"],
    };
    let streams = Streams::new(output::stderr, stop.stdout());
    let telemetry = Telemetry::init_with(service, streams)?;
    let meters = telemetry.meters();
    if let Some(meters) = &meters {
        let scope = actix_opentelemetry::instrumentation_scope();
        metrics::set_meter(&meters.meter_with_scope(scope));
    }
    let config = Config { meters, is_traced: telemetry.makes_spans(), ..args.config(role) };
    let served = actix_rt::System::new().block_on(serve(config, stop.clone(), args.parent_pipe));
    if let Err(error) = &served {
        complain(error);
    }
    output::stderr().open_reserve();
    telemetry.shutdown_within(stop.time_for(telemetry::SHUTDOWN_TIMEOUT));
    Ok(match (served, stop.reason()) {
        (Err(_), _) => ExitCode::FAILURE,
        (Ok(()), Some(Reason::ReaderGone)) => ExitCode::from(READER_GONE),
        (Ok(()), _) => ExitCode::SUCCESS,
    })
}

async fn serve(config: Config, stop: Stop, has_parent: bool) -> anyhow::Result<()> {
    let stopping = stop.clone();
    let is_any_port = config.listen.port() == 0;
    let drain = config.drain;
    let store = server::serve(config, async move {
        let reason = stopping.requested().await;
        match drain {
            Duration::ZERO => tracing::info!(name: "grocery.store.closing", %reason, "the store is closing"),
            _ => tracing::info!(name: "grocery.store.closing", %reason, ?drain, "the store is closing, and serves until then"),
        }
    })
    .await?;
    // With a parent this is said already, unless the system chose the port.
    if !has_parent || is_any_port {
        writeln!(output::stderr(), "grocery store: open on http://{}", store.addr()).ok();
    }
    Ok(store.stopped().await?)
}

fn migrate(database: &DatabaseUrl) -> anyhow::Result<ExitCode> {
    let applied = actix_rt::System::new().block_on(storage::migrate(database))?;
    let applied: Vec<_> = applied.iter().map(ToString::to_string).collect();
    print(&match applied[..] {
        [] => format!("the schema of {database} is up to date"),
        _ => format!("applied to {database}: {}", applied.join(", ")),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what somebody asked for. The reader may end early, as `head` does: the exit code still says
/// whether all is well.
fn print(text: &impl Display) -> io::Result<()> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn audit(database: &DatabaseUrl) -> anyhow::Result<ExitCode> {
    let audit = actix_rt::System::new().block_on(storage::audit(database))?;
    print(&audit)?;
    Ok(if audit.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A limit that PostgreSQL can keep. Zero would mean none there.
fn statement_timeout(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "expected a duration from 10ms to 1h, such as 500ms or 5s";
    let limit = humantime::parse_duration(text).map_err(|error| format!("{error}; {EXPECTED}"))?;
    let allowed = Duration::from_millis(10)..=Duration::from_secs(60 * 60);
    if allowed.contains(&limit) { Ok(limit) } else { Err(EXPECTED.into()) }
}

impl Args {
    /// Refuses values that do not go together.
    fn check(&self) -> anyhow::Result<()> {
        let Some(keep) = self.keep_orders.time() else { return Ok(()) };
        // A checkout, or a delivery, is repeated after this time, and once more is allowed for. It
        // must not find that what it repeats has been folded.
        for (flag, time) in
            [("--request-timeout", self.request_timeout), ("--restock-delay", self.restock_delay)]
        {
            let at_least = time.saturating_mul(2);
            anyhow::ensure!(
                keep >= at_least,
                "--keep-orders {} is too short: expected at least {}, twice {flag}",
                self.keep_orders,
                humantime::format_duration(at_least),
            );
        }
        Ok(())
    }

    fn config(&self, role: &[&str]) -> Config {
        let threads = Threads::of(self, thread::available_parallelism().map_or(1, Into::into));
        Config {
            listen: self.listen,
            database: self.database.clone(),
            postgres: PostgresLimits {
                connections: self.database_connections,
                statement_timeout: self.statement_timeout,
            },
            http_threads: threads.http,
            actor_threads: threads.actors,
            actors: ActorConfig {
                mailbox: self.mailbox.get().into(),
                concurrency: self.concurrency.get().into(),
                ledger_queue: self.ledger_queue.get().into(),
                restock: RestockPolicy {
                    below: self.restock_below.into(),
                    quantity: self.restock_quantity,
                    delay: self.restock_delay,
                },
            },
            keep_orders: self.keep_orders,
            clock: Clock::default(),
            request_timeout: self.request_timeout,
            drain: self.drain,
            allow_faults: self.allow_faults,
            allowed_hosts: self.allowed_hosts.clone(),
            is_traced: true,
            meters: None,
            program: std::env::current_exe()
                .ok()
                .map(|file| Program { file, args: role.iter().map(ToString::to_string).collect() }),
        }
    }
}

/// How many threads a store has.
#[derive(Debug, PartialEq)]
struct Threads {
    http: usize,
    /// Those that only the actors run on.
    actors: usize,
}

impl Threads {
    /// Those that were asked for, and otherwise what is best on a machine with so many cores.
    ///
    /// A request that asks an actor on another thread wakes that thread and then its own again, which costs more than
    /// the answer. So on one or two cores one thread does both: of two, the other core is busy with the clients, the
    /// database and the exporters. On more cores, the actors would take a thread of theirs from HTTP for the
    /// most part anyway, and what HTTP does there would make them wait, who serve all. So they have it to themselves.
    fn of(args: &Args, cores: usize) -> Self {
        let of_cores = if cores <= 2 { 1 } else { cores };
        let http = args.workers.map_or(of_cores, |workers| workers.get().into());
        let of_http = usize::from(http > 1);
        Self { http, actors: args.actor_threads.map_or(of_http, Into::into) }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn one_thread_does_all_on_few_cores_and_actors_have_their_own_on_many() {
        let threads = |line: &str, cores| {
            let words = ["store"].into_iter().chain(line.split_whitespace());
            let Threads { http, actors } = Threads::of(&Program::parse_from(words).args, cores);
            (http, actors)
        };
        assert_eq!(
            [1, 2, 3, 16].map(|cores| threads("", cores)),
            [(1, 0), (1, 0), (3, 1), (16, 1)]
        );
        assert_eq!(threads("--workers 1", 16), (1, 0));
        assert_eq!(threads("--workers 2", 2), (2, 1));
        assert_eq!(threads("--actor-threads 2", 2), (1, 2));
        assert_eq!(threads("--actor-threads 0", 16), (16, 0));
    }
}
