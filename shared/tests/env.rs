//! Reading a command line and the variables of its flags.
//!
//! A test cannot set a variable of its own process. So each test starts this program again and has
//! it run only [`show`], which prints what it read.

use std::{
    ffi::OsString, num::NonZeroU16, os::unix::ffi::OsStringExt as _, process::Command,
    time::Duration,
};

use clap::Parser;
use shared::env::{self, boolean};

/// A command line with a flag of each kind, and a subcommand.
#[derive(Debug, Parser)]
#[command(name = "shop")]
struct Cli {
    #[arg(long, env = "SHOP_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:5000")]
    listen: std::net::SocketAddr,
    #[arg(long, env = "SHOP_TRIPS", value_name = "N")]
    trips: Option<u32>,
    #[arg(long, env = "SHOP_RATE", value_name = "RATE", conflicts_with = "trips")]
    rate: Option<String>,
    #[arg(long, env = "SHOP_QUIET")]
    quiet: bool,
    #[arg(long, env = "SHOP_SECRET", value_name = "N", hide_env_values = true)]
    secret: Option<u32>,
    #[command(subcommand)]
    role: Option<Role>,
    /// What is passed on.
    #[arg(last = true)]
    rest: Vec<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    Audit {
        #[arg(long, env = "SHOP_PRICES", value_name = "CENTS")]
        prices: Option<u8>,
    },
    #[command(subcommand)]
    Report(Report),
}

#[derive(Debug, clap::Subcommand)]
enum Report {
    Merge,
    Show,
}

/// The other tests run this as a process of its own.
#[test]
#[ignore = "what the other tests start as a process of its own"]
fn show() {
    #[expect(clippy::disallowed_methods, reason = "how a test tells its process what to read")]
    let line = std::env::var("LINE").expect("a line");
    let words = std::iter::once("shop").chain(line.split_whitespace()).map(OsString::from);
    match shared::env::try_parse_from::<Cli>(words) {
        Ok(cli) => println!("\nread: {cli:?}"),
        Err(error) => println!("\nread: {error}"),
    }
}

/// The first line of what is printed for `line` and `variables`.
fn read(line: &str, variables: &[(&str, &str)]) -> String {
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.into())).collect();
    read_any(line, &variables)
}

fn read_any(line: &str, variables: &[(&str, OsString)]) -> String {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["show", "--exact", "--ignored", "--nocapture"])
        .env_clear()
        .env("LINE", line)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .output()
        .expect("this program can be started again");
    let text = String::from_utf8(output.stdout).expect("text");
    let (_, read) = text.split_once("\nread: ").expect("what was read");
    read.split("\n\n").next().unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

const NOTHING: &str = "Cli { listen: 127.0.0.1:5000, trips: None, rate: None, quiet: false, secret: None, role: None, rest: [] }";

#[test]
fn a_variable_set_to_nothing_counts_as_unset() {
    for name in ["SHOP_LISTEN", "SHOP_TRIPS", "SHOP_RATE", "SHOP_QUIET", "SHOP_SECRET"] {
        for blank in ["", " ", "\t"] {
            assert_eq!(read("", &[(name, blank)]), NOTHING, "{name}={blank:?}");
        }
    }
    let audit = read("audit", &[("SHOP_PRICES", "")]);
    assert!(audit.ends_with("role: Some(Audit { prices: None }), rest: [] }"), "{audit}");
}

#[test]
fn switches_are_read_by_one_grammar() {
    for (text, expected) in
        [("1", true), ("TRUE", true), ("Yes", true), ("oN", true), (" true ", true)]
            .into_iter()
            .chain([("0", false), ("False", false), ("NO", false), ("off", false)])
    {
        assert_eq!(boolean(text), Ok(expected), "{text}");
        let got = read("", &[("SHOP_QUIET", text)]);
        assert!(got.contains(&format!("quiet: {expected}")), "{text}: {got}");
    }
    for text in ["", "2", "y", "wahr", "enabled", "truetrue"] {
        assert!(boolean(text).is_err(), "{text}");
    }
    assert_eq!(
        read("", &[("SHOP_QUIET", "maybe")]),
        "error: invalid value 'maybe' for 'the variable SHOP_QUIET (--quiet)': \
         expected 1, true, yes or on; or 0, false, no or off"
    );
}

#[test]
fn an_error_names_the_variable_when_the_value_came_from_there() {
    let bad = "invalid socket address syntax";
    assert_eq!(
        read("", &[("SHOP_LISTEN", "5000")]),
        format!(
            "error: invalid value '5000' for 'the variable SHOP_LISTEN (--listen <ADDR>)': {bad}"
        )
    );
    // A flag goes before its variable, so a wrong flag is the flag's fault.
    assert_eq!(
        read("--listen 5000", &[("SHOP_LISTEN", "127.0.0.1:1")]),
        format!("error: invalid value '5000' for '--listen <ADDR>': {bad}")
    );
    assert_eq!(
        read("audit", &[("SHOP_PRICES", "300")]),
        "error: invalid value '300' for 'the variable SHOP_PRICES (--prices <CENTS>)': \
         300 is not in 0..=255"
    );
    assert_eq!(
        read("--trips 3", &[("SHOP_RATE", "5")]),
        "error: the argument '--trips <N>' cannot be used with \
         'the variable SHOP_RATE (--rate <RATE>)'"
    );
}

#[test]
fn a_value_that_may_hold_a_password_is_not_repeated() {
    assert_eq!(
        read("", &[("SHOP_SECRET", "hunter2")]),
        "error: invalid value '(not shown)' for 'the variable SHOP_SECRET (--secret <N>)': \
         invalid digit found in string"
    );
    assert_eq!(
        read("--secret hunter2", &[]),
        "error: invalid value '(not shown)' for '--secret <N>': invalid digit found in string"
    );
}

#[test]
fn a_variable_that_is_not_text_is_named() {
    let value = OsString::from_vec(vec![0xff]);
    assert_eq!(
        read_any("", &[("SHOP_RATE", value)]),
        "error: the variable SHOP_RATE is not UTF-8 text"
    );
}

/// Each thread takes memory before it has any work, so a slip of the finger must not start
/// thousands.
#[test]
fn threads_are_bounded() {
    assert_eq!(env::threads("1").unwrap().get(), 1);
    assert_eq!(env::threads("256").unwrap().get(), env::MOST_THREADS);
    for text in ["", "0", "257", "20000", "99999999999", "-1", "2.5", "many"] {
        let error = env::threads(text).unwrap_err();
        assert_eq!(error, "expected a whole number from 1 to 256", "{text}");
    }
}

#[test]
fn a_number_that_is_none_or_out_of_bounds_is_answered_with_the_bounds() {
    let waiting = env::number::<NonZeroU16>(1..=u16::MAX.into());
    assert_eq!(waiting(" 65535 ").unwrap(), NonZeroU16::MAX);
    for text in ["", "0", "65536", "-1", "2.5", "many", "99999999999999999999"] {
        let error = waiting(text).unwrap_err();
        assert_eq!(error, "expected a whole number from 1 to 65535", "{text}");
    }
    // Bounds beyond those of the type are the type's.
    assert_eq!(env::number::<u8>(0..=1_000)("255"), Ok(255));
    assert!(env::number::<u8>(0..=1_000)("256").is_err());
}

#[test]
fn durations_have_a_unit() {
    assert_eq!(env::duration(" 1m 30s "), Ok(Duration::from_secs(90)));
    assert_eq!(env::duration("0s"), Ok(Duration::ZERO));
    assert_eq!(env::duration_above_zero("500ms"), Ok(Duration::from_millis(500)));
    let above_zero = "expected a duration above zero, such as 500ms or 30s";
    assert_eq!(env::duration_above_zero("0s"), Err(above_zero.into()));
    for text in ["", "5", "soon", "5 apples", "-1s"] {
        for error in [env::duration(text), env::duration_above_zero(text)].map(Result::unwrap_err) {
            assert!(
                error.ends_with("; expected a duration such as 500ms or 30s"),
                "{text}: {error}"
            );
        }
    }
}

#[test]
fn a_word_that_is_no_command_is_called_so() {
    for line in ["nosuch", "--quiet nosuch", "nosuch -- on", "nosuch --quiet", "help nosuch"] {
        let error = error(line);
        let start = "error: unrecognized subcommand 'nosuch'\n\n  tip: the commands are: audit, report\n\nUsage: shop ";
        assert!(error.starts_with(start), "{line}: {error}");
    }
    let error = error("report nosuch");
    let start = "error: unrecognized subcommand 'nosuch'\n\n  tip: the commands are: merge, show\n\nUsage: shop report";
    assert!(error.starts_with(start), "{error}");
}

#[test]
fn a_word_where_no_command_can_be_is_unexpected() {
    for (line, unexpected) in [
        ("audit nosuch", "nosuch"),
        ("audit -- nosuch", "nosuch"),
        ("--nosuch", "--nosuch"),
        ("report merge nosuch", "nosuch"),
    ] {
        let start = format!("error: unexpected argument '{unexpected}' found\n");
        let error = error(line);
        assert!(error.starts_with(&start), "{line}: {error}");
    }
}

/// What is said for `line`, without variables.
fn error(line: &str) -> String {
    let words = std::iter::once("shop").chain(line.split_whitespace()).map(OsString::from);
    env::try_parse_from::<Cli>(words).expect_err("wrong usage").to_string()
}
