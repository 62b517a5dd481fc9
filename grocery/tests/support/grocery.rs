//! The program that the tests run.

use testing::process::{Process, Program};

/// `grocery ARGS` with these variables.
pub(crate) fn grocery<'a>(
    args: impl IntoIterator<Item = &'a str>,
    variables: impl IntoIterator<Item = (&'a str, String)>,
) -> Program {
    Program::new(env!("CARGO_BIN_EXE_grocery")).args(args).envs(variables)
}

/// The address that a store has logged, such as `http://127.0.0.1:41234`.
pub(crate) fn url(store: &Process) -> String {
    store.await_line("address", |line| {
        line.strip_prefix("grocery store: open on ").map(str::to_owned)
    })
}
