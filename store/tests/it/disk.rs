//! The disk fills up or fails while the store sells: it answers 503, nothing is lost, and it sells
//! again as soon as the disk works.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use store::storage::{self, Audit};
use tempfile::TempDir;
use testing::process::Program;

use crate::{
    process::{StoreProcess, store_program},
    support::{Answer, PATIENCE, StoreClient},
};

/// What the operating system says when the disk is full, fails, or has no room for so large a file.
const ENOSPC: i32 = 28;
const EIO: i32 = 5;
const EFBIG: i32 = 27;

/// A disk that fails on demand, for programs that are started by its command.
///
/// A small library, `disk/faulty_disk.c`, stands between the program and the operating system. A
/// file, which it reads at every call, says which calls fail, and how.
struct FaultyDisk {
    folder: TempDir,
    generation: u32,
}

impl FaultyDisk {
    /// A disk that works; `None` without a C compiler, and then a line on stderr says so.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/disk/faulty_disk.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(folder.path().join("faulty_disk.so"))
            .args([source, "-ldl"])
            .status();
        match compiled {
            Ok(status) => assert!(status.success(), "{source} does not compile"),
            Err(error) => {
                // libtest hides what `eprintln!` prints, but not this.
                writeln!(std::io::stderr(), "SKIPPED: no C compiler (cc: {error})").ok();
                return None;
            }
        }
        let mut disk = Self { folder, generation: 0 };
        disk.works();
        Some(disk)
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("grocery.db")
    }

    /// Starts a store whose database is on this disk.
    fn start(&self, args: &[&str]) -> StoreProcess {
        let program = store_program(args.iter().copied()).envs([
            ("LD_PRELOAD", self.folder.path().join("faulty_disk.so")),
            ("FAULTY_DISK", self.folder.path().join("fault")),
            ("FAULTY_DISK_HITS", self.folder.path().join("hits")),
        ]);
        StoreProcess::start(program, &self.database())
    }

    /// From now on, calls of this kind (`read`, `write`, `sync`, `truncate` or `any`) fail with
    /// `error`, after `skip` of them have worked. It concerns files with this ending (`*`: all).
    fn fails(&mut self, kind: &str, name: &str, error: i32, skip: u32) {
        self.generation += 1;
        fs::write(self.folder.path().join("hits"), "").unwrap();
        self.control(&format!("{} {kind} {name} {error} {skip}", self.generation));
    }

    /// From now on everything works.
    fn works(&mut self) {
        self.generation += 1;
        self.control(&format!("{} none none 0 0", self.generation));
    }

    /// How many calls have failed since it was last told to fail.
    fn hits(&self) -> u64 {
        fs::metadata(self.folder.path().join("hits")).unwrap().len()
    }

    /// Replaces the file as a whole, so that the library never reads half of it.
    fn control(&self, text: &str) {
        let new = self.folder.path().join("fault.new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.folder.path().join("fault")).unwrap();
    }
}

/// Buys one piece of three products under this key.
async fn buy(store: &StoreClient, key: &str) -> Answer {
    store.checkout(&[(1, 1), (12, 1), (20, 1)]).key(key).send().await
}

/// The answer of a store that cannot sell now.
fn assert_unavailable(answer: &Answer) {
    assert_eq!(answer.problem(503).kind, "/problems/database-unavailable");
    assert_eq!(answer.header("retry-after"), "1");
}

/// The figures of the audit, which is expected to find nothing wrong.
async fn clean_audit(database: &Path) -> Audit {
    let url = format!("sqlite:{}", database.display()).parse().unwrap();
    let audit = storage::audit(&url).await.unwrap();
    assert!(audit.is_clean(), "{audit}");
    audit
}

/// One order with each fault: the disk works for the first few calls and then fails. As the number
/// of calls grows, every step of a sale is hit: BEGIN, each statement, COMMIT, and the opening of a
/// new connection after them.
async fn every_step_of_a_sale_fails_in_turn(error: i32) {
    let Some(mut disk) = FaultyDisk::new() else { return };
    let store = disk.start(&["--restock-below=0"]);
    let mut orders = 0;
    assert_eq!(buy(&store, "first").await.status, 201);
    for skip in 0.. {
        disk.fails("any", "*", error, skip);
        let key = format!("order-{skip}");
        let under_fault = buy(&store, &key).await;
        let was_hit = disk.hits() > 0;
        match under_fault.status {
            201 => {}
            _ => {
                assert!(was_hit, "{under_fault:?}");
                assert_unavailable(&under_fault);
                assert_unavailable(&store.get("/readyz").send().await);
            }
        }
        disk.works();
        let again = buy(&store, &key).await;
        assert_eq!(again.status, 201, "after {skip} calls: {again:?}");
        assert_eq!(store.get("/readyz").send().await.status, 200);
        orders += 1;
        if !was_hit {
            break;
        }
    }
    assert!(orders > 10, "a sale takes more calls than {orders}");
    store.kill();
    let audit = clean_audit(&disk.database()).await;
    assert_eq!((audit.orders, audit.keys), (orders + 1, orders + 1), "each order once");
}

#[actix_web::test]
async fn a_disk_that_is_full_at_any_step_of_a_sale_is_said_and_overcome() {
    every_step_of_a_sale_fails_in_turn(ENOSPC).await;
}

#[actix_web::test]
async fn a_disk_that_fails_at_any_step_of_a_sale_is_said_and_overcome() {
    every_step_of_a_sale_fails_in_turn(EIO).await;
}

#[actix_web::test]
async fn a_file_that_may_not_grow_at_any_step_of_a_sale_is_said_and_overcome() {
    every_step_of_a_sale_fails_in_turn(EFBIG).await;
}

/// What cannot be copied from the log to the database stays in the log.
#[actix_web::test]
async fn a_checkpoint_that_fails_fails_no_sale_and_is_made_up_for() {
    for error in [ENOSPC, EIO, EFBIG] {
        let Some(mut disk) = FaultyDisk::new() else { return };
        let store = disk.start(&["--restock-below=0"]);
        assert_eq!(buy(&store, "first").await.status, 201);
        let size = fs::metadata(disk.database()).unwrap().len();
        disk.fails("write", "grocery.db", error, 0);
        let mut orders = 1;
        // SQLite copies the log after every thousand pages.
        while disk.hits() == 0 {
            assert_eq!(buy(&store, &format!("order-{orders}")).await.status, 201);
            orders += 1;
            assert!(orders < 400, "no checkpoint");
        }
        assert_eq!(buy(&store, "under-fault").await.status, 201);
        assert_eq!(store.get("/readyz").send().await.status, 200);
        disk.works();
        assert_eq!(buy(&store, "last").await.status, 201);
        assert!(fs::metadata(disk.database()).unwrap().len() > size, "the log was copied");
        store.kill();
        assert_eq!(clean_audit(&disk.database()).await.orders, orders + 2);
    }
}

/// The log was written but could not be flushed. After a crash the order may be recorded or not; to
/// repeat it with its key finds out. In both cases it is recorded once.
#[actix_web::test]
async fn a_commit_that_could_not_be_flushed_is_bought_once_whatever_the_crash_leaves() {
    let Some(mut disk) = FaultyDisk::new() else { return };
    let store = disk.start(&["--restock-below=0"]);
    assert_eq!(buy(&store, "first").await.status, 201);
    disk.fails("sync", "-wal", EIO, 0);
    assert_unavailable(&buy(&store, "second").await);
    assert!(disk.hits() > 0);
    let said = "orders and deliveries cannot be recorded error=the database failed during a commit";
    store.await_said(said, 1);
    store.kill();

    disk.works();
    let store = disk.start(&["--restock-below=0"]);
    let first = buy(&store, "second").await;
    let again = buy(&store, "second").await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.body, again.body);
    store.kill();
    assert_eq!(clean_audit(&disk.database()).await.orders, 2);
}

/// A store that cannot sell for another reason than its disk says so too.
#[actix_web::test]
async fn a_store_whose_table_is_gone_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("grocery.db");
    let store = StoreProcess::start(store_program([]), &database);
    assert_eq!(buy(&store, "first").await.status, 201);
    assert_eq!(store.get("/readyz").send().await.status, 200);
    let stranger = rusqlite::Connection::open(&database).unwrap();
    stranger.execute_batch("ALTER TABLE order_lines RENAME TO elsewhere").unwrap();
    store.get("/readyz").send().await.problem(500);
    assert_eq!(store.get("/healthz").send().await.status, 200);
    stranger.execute_batch("ALTER TABLE elsewhere RENAME TO order_lines").unwrap();
    assert_eq!(store.get("/readyz").send().await.status, 200);
    assert_eq!(buy(&store, "second").await.status, 201);
}

/// A real limit, which needs no root: the process may not make files larger than they are. Sales
/// and deliveries both fail, and both go on when the limit is lifted.
#[actix_web::test]
async fn a_limit_on_the_size_of_files_stops_sales_and_deliveries_only_while_it_lasts() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("grocery.db");
    // SIGXFSZ ends a process that does not ignore it.
    let program = Program::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_store")])
        .args(["--restock-below=400", "--restock-quantity=300", "--restock-delay=50ms"]);
    let store = StoreProcess::start(program, &database);
    assert_eq!(buy(&store, "first").await.status, 201);
    let log = fs::metadata(folder.path().join("grocery.db-wal")).unwrap().len();
    if !limit_file_size(&store, &log.to_string()) {
        return;
    }

    for round in 0..10 {
        assert_unavailable(&buy(&store, &format!("order-{round}")).await);
        assert_unavailable(&store.get("/readyz").send().await);
        assert_eq!(store.get("/whats-in-store").send().await.status, 200, "reading goes on");
    }
    assert!(limit_file_size(&store, "unlimited"));
    for round in 0..10 {
        let answer = buy(&store, &format!("order-{round}")).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(store.get("/readyz").send().await.status, 200);
    }

    // There are 489 pieces of product 1. This order makes it low, and its delivery cannot be
    // recorded.
    assert_eq!(store.checkout(&[(1, 100)]).send().await.status, 201);
    let log = fs::metadata(folder.path().join("grocery.db-wal")).unwrap().len();
    assert!(limit_file_size(&store, &log.to_string()));
    let refused = async {
        // The first delivery may have been recorded before the limit was set; the next one is not.
        while buy(&store, "order-10").await.status != 503 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
    assert!(limit_file_size(&store, "unlimited"));
    store.await_stock(None, 1, 689).await;
    // If the delivery was quicker than the limit, nothing else is written.
    assert_eq!(buy(&store, "order-10").await.status, 201);
    store.await_said("the database can be written to again", 2);

    let log = store.kill();
    let audit = clean_audit(&database).await;
    assert_eq!(audit.products[0].delivered, 300, "{log}");
    // Each of the two outages is logged once, however many orders were refused.
    assert_eq!(log.matches("orders and deliveries cannot be recorded").count(), 2, "{log}");
    assert_eq!(log.matches("the database can be written to again").count(), 2, "{log}");
}

/// Limits the size of the files that a running process makes. Without `prlimit` it returns `false`,
/// and a line on stderr says so.
fn limit_file_size(store: &StoreProcess, bytes: &str) -> bool {
    let limited = Command::new("prlimit")
        .args(["--pid", &store.id().to_string(), &format!("--fsize={bytes}:unlimited")])
        .stdout(Stdio::null())
        .status();
    match limited {
        Ok(status) => assert!(status.success(), "prlimit: {status}"),
        Err(error) => {
            writeln!(std::io::stderr(), "SKIPPED: no prlimit ({error})").ok();
            return false;
        }
    }
    true
}
