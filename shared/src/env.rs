//! Reads the command line and the environment, in the same way for every role.
//!
//! Each flag has an environment variable. clap reads both, and [`parse`] adds rules that clap does
//! not have:
//!
//! - a variable that is set to nothing counts as unset, because Compose files (`${SHOPPER_RATE:-}`)
//!   and Kubernetes templates make such variables;
//! - a switch is on for `1`, `true`, `yes` and `on`, and off for `0`, `false`, `no` and `off`, in
//!   any case: see [`boolean`];
//! - an error names the variable when the wrong value came from there, and does not repeat a value
//!   that may hold a password;
//! - a word in the place of a command that is none is called so, and the error names the commands.

use std::{ffi::OsString, num::NonZeroU16, ops::RangeInclusive, str::FromStr, time::Duration};

use clap::{
    Arg, ArgAction, Command, Error, Parser,
    builder::Resettable,
    error::{ContextKind, ContextValue, ErrorKind},
};

/// Reads the command line and the variables of its flags. If something is wrong with them, it says
/// so and ends the process.
#[must_use]
pub fn parse<C: Parser>() -> C {
    try_parse_from(std::env::args_os()).unwrap_or_else(|error| error.exit())
}

/// Reads `words`, of which the first is the program's name, and the variables of the flags.
///
/// # Errors
/// clap's error for wrong usage, and its "errors" for `--help` and `--version`.
pub fn try_parse_from<C: Parser>(words: impl IntoIterator<Item = OsString>) -> Result<C, Error> {
    let words: Vec<OsString> = words.into_iter().collect();
    let error = match parse_without::<C>(&words, &|arg| is_blank(arg)) {
        Ok(parsed) => return Ok(parsed),
        Err(error) => naming_commands::<C>(&words, hiding_secrets::<C>(error)),
    };
    if matches!(error.kind(), ErrorKind::DisplayHelp) {
        // The help text names all variables, also those that are set to nothing.
        return parse_without(&words, &|_| false);
    }
    Err(naming_variables::<C>(&words, error))
}

/// Reads yes (`1`, `true`, `yes`, `on`) or no (`0`, `false`, `no`, `off`), in any case.
///
/// # Errors
/// A text that says what was expected.
pub fn boolean(text: &str) -> Result<bool, &'static str> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("expected 1, true, yes or on; or 0, false, no or off"),
    }
}

/// Makes the value parser of a flag that takes a whole number within `bounds`. Its error says what was
/// expected, which those of Rust's own types do not.
pub fn number<N: FromStr>(
    bounds: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static {
    move |text| {
        let text = text.trim();
        let is_within = text.parse().is_ok_and(|number| bounds.contains(&number));
        let number = text.parse().ok().filter(|_| is_within);
        let (least, most) = (bounds.start(), bounds.end());
        number.ok_or_else(|| format!("expected a whole number from {least} to {most}"))
    }
}

/// The most threads of one kind that a process may be asked for. Each takes memory before it has
/// any work, so a slip of the finger must not ask for thousands.
pub const MOST_THREADS: u16 = 256;

/// Reads a number of threads, from 1 to [`MOST_THREADS`].
///
/// # Errors
/// A text that says what was expected.
pub fn threads(text: &str) -> Result<NonZeroU16, String> {
    number(1..=MOST_THREADS.into())(text)
}

/// Reads a duration with its unit, such as `500ms` or `30s`. It is the value parser of flags that say how
/// long something takes.
///
/// # Errors
/// A text that says what was expected.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text.trim())
        .map_err(|error| format!("{error}; expected a duration such as 500ms or 30s"))
}

/// Reads a duration as [`duration`] does, and refuses zero.
///
/// # Errors
/// A text that says what was expected.
pub fn duration_above_zero(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("expected a duration above zero, such as 500ms or 30s".into()),
        duration => Ok(duration),
    }
}

/// Parses `words` as if the variables of those arguments were not set for which `is_left_out` is
/// true.
fn parse_without<C: Parser>(
    words: &[OsString],
    is_left_out: &dyn Fn(&Arg) -> bool,
) -> Result<C, Error> {
    let mut command = each_arg(C::command(), &mut |arg| {
        let arg = if is_left_out(&arg) { arg.env(Resettable::Reset) } else { arg };
        match arg.get_action() {
            ArgAction::SetTrue | ArgAction::SetFalse => arg.value_parser(boolean),
            _ => arg,
        }
    });
    let mut matches = command.try_get_matches_from_mut(words)?;
    C::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

fn each_arg(command: Command, change: &mut dyn FnMut(Arg) -> Arg) -> Command {
    command.mut_args(&mut *change).mut_subcommands(|subcommand| each_arg(subcommand, &mut *change))
}

/// The value of the variable of `arg`.
fn variable(arg: &Arg) -> Option<OsString> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads variables of flags")]
    std::env::var_os(arg.get_env()?)
}

fn is_blank(arg: &Arg) -> bool {
    variable(arg).is_some_and(|value| value.to_str().is_some_and(|text| text.trim().is_empty()))
}

/// Says in `error` which commands there are, if it is about a word where one of them may stand.
///
/// clap calls such a word an unexpected argument where a command also takes words after `--`.
fn naming_commands<C: Parser>(words: &[OsString], error: Error) -> Error {
    let about = match error.kind() {
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => return error,
    };
    let Some(ContextValue::String(unknown)) = error.get(about).cloned() else { return error };
    let root = C::command();
    let mut command = &root;
    for word in words.iter().skip(1).take_while(|word| **word != *unknown) {
        command = command.find_subcommand(word).unwrap_or(command);
    }
    let takes_no_word = command.get_positionals().all(Arg::is_last_set);
    if unknown.starts_with('-') || !command.has_subcommands() || !takes_no_word {
        return error;
    }
    let commands = command.get_subcommands().filter(|command| !command.is_hide_set());
    let commands = commands.map(Command::get_name).collect::<Vec<_>>().join(", ");
    let mut named = Error::new(ErrorKind::InvalidSubcommand).with_cmd(command);
    named.insert(ContextKind::InvalidSubcommand, ContextValue::String(unknown));
    let tip = format!("the commands are: {commands}").into();
    named.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
    if let Some(usage) = error.get(ContextKind::Usage) {
        named.insert(ContextKind::Usage, usage.clone());
    }
    named
}

/// Adds the variable's name to `error`, beside the flag's, if the wrong value came from the
/// variable.
///
/// clap does not tell where a value came from. So the words are parsed again as if the variable
/// were not set: if the error goes away or changes, the variable was its cause.
fn naming_variables<C: Parser>(words: &[OsString], mut error: Error) -> Error {
    let mut suspects = Vec::new();
    each_arg(C::command(), &mut |arg| {
        if !is_blank(&arg) && variable(&arg).is_some() {
            suspects.push(arg.clone());
        }
        arg
    });
    let of_utf8 = error.kind() == ErrorKind::InvalidUtf8;
    for arg in suspects {
        let (Some(flag), Some(name)) = (arg.get_long(), arg.get_env()) else { continue };
        let suspect = |left_out: &Arg| is_blank(left_out) || left_out.get_env() == arg.get_env();
        let is_named = complaints(&error).iter().any(|text| is_flag(text, flag));
        let is_cause = |error: &Error| match parse_without::<C>(words, &suspect) {
            Ok(_) => true,
            Err(other) => other.kind() != error.kind() || complaints(&other) != complaints(error),
        };
        if (is_named || of_utf8) && is_cause(&error) {
            let name = name.to_string_lossy();
            if of_utf8 {
                let message = format!("the variable {name} is not UTF-8 text");
                return Error::raw(ErrorKind::InvalidUtf8, message).format(&mut C::command());
            }
            rename(&mut error, flag, &name);
        }
    }
    error
}

/// Takes the value out of `error` if it may hold a password, because what a program prints ends up
/// in logs.
fn hiding_secrets<C: Parser>(mut error: Error) -> Error {
    let complaints = complaints(&error);
    each_arg(C::command(), &mut |arg| {
        let is_flag = |text: &String| arg.get_long().is_some_and(|flag| is_flag(text, flag));
        if arg.is_hide_env_values_set() && complaints.iter().any(is_flag) {
            let hidden = ContextValue::String("(not shown)".to_owned());
            error.insert(ContextKind::InvalidValue, hidden);
        }
        arg
    });
    error
}

/// The arguments that `error` is about.
fn complaints(error: &Error) -> Vec<String> {
    [ContextKind::InvalidArg, ContextKind::PriorArg]
        .into_iter()
        .filter_map(|kind| error.get(kind))
        .flat_map(|value| match value {
            ContextValue::String(text) => vec![text.clone()],
            ContextValue::Strings(texts) => texts.clone(),
            _ => Vec::new(),
        })
        .collect()
}

/// Whether `text` is the flag `--{flag}`, with or without the name of its value.
fn is_flag(text: &str, flag: &str) -> bool {
    let rest = text.strip_prefix("--").and_then(|text| text.strip_prefix(flag));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '=']))
}

/// Puts the variable's name before the flag's.
fn rename(error: &mut Error, flag: &str, variable: &str) {
    let renamed = |text: &String| match is_flag(text, flag) {
        true => format!("the variable {variable} ({text})"),
        false => text.clone(),
    };
    for kind in [ContextKind::InvalidArg, ContextKind::PriorArg] {
        let value = match error.get(kind) {
            Some(ContextValue::String(text)) => ContextValue::String(renamed(text)),
            Some(ContextValue::Strings(texts)) => {
                ContextValue::Strings(texts.iter().map(renamed).collect())
            }
            _ => continue,
        };
        error.insert(kind, value);
    }
}
