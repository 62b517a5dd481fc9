//! The variables that stand for flags, which every role reads in the same way.

use std::process::{Command, Output, Stdio};

/// Runs `grocery` in a folder of its own, with these variables and no others.
fn grocery(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_grocery"))
        .args(args)
        .current_dir(folder.path())
        .env_clear()
        .env("OTEL_TRACES_EXPORTER", "none")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// A command line of each role with which it ends at once: its parent has ended, or nothing
/// answers.
const ROLES: [&[&str]; 5] = [
    &["store", "--parent-pipe"],
    &["shopper", "--parent-pipe"],
    &["viewer", "--parent-pipe"],
    &["lab", "--parent-pipe"],
    &["probe", "http://127.0.0.1:1"],
];

/// The variables that a help names, as `[env: NAME=]`, or `[env: NAME]` where the value is not shown. A
/// line may be broken after `env:`.
fn variables(args: &[&str]) -> Vec<String> {
    let help = grocery(args, &[]).stdout;
    let help = String::from_utf8(help).unwrap();
    let names = help.split("[env:").skip(1).filter_map(|rest| rest.trim().split(['=', ']']).next());
    names.map(str::to_owned).collect()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_variable_set_to_nothing_is_not_set_whatever_the_role() {
    // Those of `grocery` itself are read with every role.
    let of_all = variables(&["--help"]);
    assert!(of_all.contains(&"GROCERY_RATE".to_owned()), "{of_all:?}");
    for role in ROLES {
        let names = [&of_all[..], &variables(&[role[0], "--help"])].concat();
        let nothing: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
        let output = grocery(role, &nothing);
        // If a port is taken, the role fails, but not with the code for wrong usage.
        assert_ne!(output.status.code(), Some(2), "{role:?}: {}", errors(&output));
    }
}

#[test]
fn an_error_names_the_variable_that_is_wrong_whatever_the_role() {
    let of_all = variables(&["--help"]);
    let mut refused = 0;
    for role in ROLES {
        let of_role = variables(&[role[0], "--help"]);
        for name in of_role.iter().chain(of_all.iter().filter(|_| role[0] == "probe")) {
            let output = grocery(role, &[(name, "%")]);
            let errors = errors(&output);
            // Errors of usage begin like this. An error about a missing file is no error of usage.
            if errors.starts_with("error: ") {
                let variable = format!("the variable {name} (--");
                assert!(errors.contains(&variable), "{role:?} {name}: {errors}");
                assert_eq!(output.status.code(), Some(2), "{role:?} {name}: {errors}");
                refused += 1;
            }
        }
    }
    assert!(refused > 30, "nearly all of them have a form: {refused}");
}
