//! What the program says on its streams, and what it keeps to itself.

use std::process::{Output, Stdio};

use store::storage::Storage;

use crate::process::store_command;

/// Everything that the program says about this address of a database, whichever way it comes.
fn all_said(database: &str) -> String {
    let listen = "--listen=127.0.0.1:0";
    let by_flag = store_command().args([listen, "--database", database]).output().unwrap();
    let by_variable = store_command().arg(listen).env("DATABASE_URL", database).output().unwrap();
    let audited = store_command().args(["--audit", "--database", database]).output().unwrap();
    let said = |output: Output| {
        assert!(!output.status.success());
        let [out, err] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        out + &err
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
    // Nobody listens on port 1.
    let database = "postgres://u@127.0.0.1:1/db?sslpassword=hunter2&sslmode=disable";
    let output = store_command().args(["--database", database]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("hunter2"), "{said}");
    assert_eq!(said.matches("sslpassword").count(), 1, "{said}");
}

#[tokio::test]
async fn an_audit_into_a_pipe_that_nobody_reads_ends_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite:{}/grocery.db", folder.path().display());
    Storage::open(&database.parse().unwrap()).await.unwrap().close().await;
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);

    let output = store_command()
        .args(["--audit", "--database", &database])
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();

    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(output.status.success(), "the database is clean: {:?}", output.status);
}
