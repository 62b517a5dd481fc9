//! What the program writes to its streams, and that passwords are not among it.

use store::storage::Storage;
use testing::process::Ended;

use crate::process::store_program;

/// Everything that the program writes about this address of a database, given as a flag and as a
/// variable.
fn all_said(database: &str) -> String {
    let listen = "--listen=127.0.0.1:0";
    let by_flag = store_program([listen, "--database", database]).run();
    let by_variable = store_program([listen]).envs([("DATABASE_URL", database)]).run();
    let audited = store_program(["--audit", "--database", database]).run();
    let said = |ended: Ended| {
        assert!(!ended.status.success());
        ended.errors() + &ended.stdout
    };
    [by_flag, by_variable, audited].map(said).concat()
}

#[test]
fn no_part_of_a_password_is_said_wherever_it_falls_apart() {
    for database in [
        "postgres://u:/7M+r?E':d@Hz#@127.0.0.1:5432/db",
        "postgres://u:/7M+r@127.0.0.1:1/db",
        "postgres://u:12?E':d@127.0.0.1:1/db",
        "postgres://u:#Hz@127.0.0.1:1/db",
    ] {
        let said = all_said(database);
        for part in ["7M", "E'", ":d", "Hz"] {
            assert!(!said.contains(part), "{part} is in:\n{said}");
        }
        assert_eq!(said.matches("/ ? # @").count(), 3, "each says what to do: {said}");
    }
}

#[test]
fn of_an_unknown_parameter_only_the_name_is_said_and_once() {
    // Nothing listens on port 1.
    let database = "postgres://u@127.0.0.1:1/db?sslpassword=hunter2&sslmode=disable";
    let said = store_program(["--database", database]).run().errors();
    assert!(!said.contains("hunter2"), "{said}");
    assert_eq!(said.matches("sslpassword").count(), 1, "{said}");
}

#[tokio::test]
async fn an_audit_into_a_pipe_that_nobody_reads_ends_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}/grocery.db", folder.path().display());
    Storage::open(&database.parse().unwrap()).await.unwrap().close().await;

    let ended = store_program(["--audit", "--database", &database]).closed_stdout().run();

    assert_eq!(ended.errors(), "");
    assert!(ended.status.success(), "the database is clean: {:?}", ended.status);
}

#[test]
fn a_time_that_is_too_short_to_keep_orders_is_wrong_usage() {
    let in_memory = ["--listen=127.0.0.1:0", "--database=sqlite::memory:"];
    for (args, said) in [
        (
            &["--keep-orders=0"][..],
            "invalid value '0' for '--keep-orders <DURATION>': it is too short: expected at least 1m, \
             since the idempotency key of an order is forgotten with it, and who repeats a checkout \
             has to find it",
        ),
        (&["--keep-orders=59s"], "it is too short: expected at least 1m"),
        (&["--keep-orders=soon"], "expected a time such as 24h or 7d, or \"forever\""),
        (
            &["--keep-orders=90s", "--request-timeout=1m"],
            "--keep-orders 1m 30s is too short: expected at least 2m, twice --request-timeout",
        ),
        (
            &["--keep-orders=24h", "--restock-delay=13h"],
            "--keep-orders 1day is too short: expected at least 1day 2h, twice --restock-delay",
        ),
    ] {
        let ended = store_program(in_memory.iter().chain(args).copied()).run();
        assert!(ended.errors().contains(said), "{args:?}: {}", ended.errors());
        assert_eq!(ended.status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn a_statement_is_given_some_time_and_not_for_ever() {
    for limit in ["0s", "9ms", "2h", "soon"] {
        let flag = format!("--statement-timeout={limit}");
        let ended =
            store_program(["--listen=127.0.0.1:0", "--database=sqlite::memory:", &flag]).run();
        let errors = ended.errors();
        assert!(
            errors.contains("expected a duration from 10ms to 1h, such as 500ms or 5s"),
            "{errors}"
        );
        assert!(errors.contains("'--statement-timeout <DURATION>'"), "{errors}");
        assert_eq!(ended.status.code(), Some(2), "{limit}");
    }
}

#[test]
fn a_number_that_a_flag_cannot_take_is_answered_with_its_bounds() {
    for (flag, most) in [
        ("mailbox", "65535"),
        ("concurrency", "65535"),
        ("ledger-queue", "65535"),
        ("database-connections", "65535"),
        ("restock-quantity", "4294967295"),
        ("workers", "256"),
    ] {
        for number in ["0", "many"] {
            let ended = store_program([&*format!("--{flag}={number}")]).run();
            let said = format!("expected a whole number from 1 to {most}");
            assert!(ended.errors().contains(&said), "{flag}={number}: {}", ended.errors());
            assert_eq!(ended.status.code(), Some(2), "{flag}={number}");
        }
    }
    for (flag, most) in [("actor-threads", "256"), ("restock-below", "4294967295")] {
        let errors = store_program([&*format!("--{flag}=many")]).run().errors();
        let said = format!("expected a whole number from 0 to {most}");
        assert!(errors.contains(&said), "{flag}: {errors}");
    }
}

#[tokio::test]
async fn a_migration_alone_says_what_it_has_applied_and_opens_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}/grocery.db", folder.path().display());
    let migrate = || store_program(["--migrate", "--database", &database]).run();

    let first = migrate();
    assert!(first.status.success(), "{first:?}");
    assert!(first.stdout.starts_with(&format!("applied to {database}: 1, 2, 3")), "{first:?}");
    let again = migrate();
    assert_eq!(again.stdout, format!("the schema of {database} is up to date\n"));
    assert!(again.status.success() && again.errors().is_empty(), "{again:?}");
    Storage::open_with(&database.parse().unwrap(), &[]).await.unwrap().check().await.unwrap();
    let both = store_program(["--migrate", "--audit", "--database", &database]).run();
    assert_eq!(both.status.code(), Some(2), "{both:?}");
}
