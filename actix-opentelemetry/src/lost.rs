//! Tells which code sends messages outside any trace, for actors whose policy is
//! [`RootPolicy::Warn`].
//!
//! A lost context is hard to see in the traces themselves: the spans that should be there are
//! missing.

use std::backtrace::Backtrace;

use opentelemetry::Context;

use crate::actor::TracedActor;
use crate::operation::{self, Kind, Operation};
use crate::origin::TraceState;
use crate::policy::RootPolicy;

/// Logs that a message is sent outside any trace, if the actor wants to be told: once for each type
/// of message.
///
/// Called on the sender's side, where the stack shows the sender.
#[inline]
pub(crate) fn check<A: TracedActor, M: 'static>(cx: &Context, kind: Kind) {
    if A::ROOT == RootPolicy::Warn && TraceState::of(cx) == TraceState::Outside {
        report::<A, M>(kind);
    }
}

#[cold]
fn report<A: TracedActor, M: 'static>(kind: Kind) {
    if operation::is_first_lost::<A, M>() {
        let stack = Backtrace::force_capture().to_string();
        log(&text(operation::of_message::<A, M>(kind), sender(&stack)));
    }
}

fn text(operation: &Operation, sender: Option<String>) -> String {
    let (actor, message) = (operation.actor, operation.message.unwrap_or_default());
    let sender = sender.unwrap_or_else(|| {
        let thread = std::thread::current();
        format!("thread `{}`", thread.name().unwrap_or("unnamed"))
    });
    format!(
        "message `{message}` reached `{actor}` outside any trace, sent from {sender}. Send it from \
         within a trace: in a spawned future, spawn with `actix_opentelemetry::spawn_traced` or add \
         `.with_current_context()`; where work begins, start a span, or make the sender an actor \
         whose `ROOT` is `Start`. If it belongs to no trace, set `ROOT` of `{actor}` to `Carry`. \
         This is said once for each type of message."
    )
}

#[cfg(feature = "tracing")]
fn log(text: &str) {
    tracing::warn!(target: "actix_opentelemetry", "{text}");
}

/// Without `tracing` there is only standard error.
#[cfg(not(feature = "tracing"))]
fn log(text: &str) {
    eprintln!("actix-opentelemetry: {text}");
}

/// The function that sent the message: the first one on the stack that belongs neither to this
/// crate nor to actix nor to the libraries below them.
fn sender(stack: &str) -> Option<String> {
    const LIBRARIES: [&str; 9] = [
        "actix_opentelemetry::",
        "actix::",
        "std::",
        "core::",
        "alloc::",
        "tokio::",
        "futures_util::",
        "opentelemetry::",
        "__rust",
    ];
    // An inlined function is named without its path, so the file that it is in is looked at too.
    let mut own_folder = None;
    let mut lines = stack.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        let Some((number, function)) = line.split_once(": ") else { continue };
        if number.is_empty() || !number.bytes().all(|digit| digit.is_ascii_digit()) {
            continue;
        }
        let place = lines.next_if(|line| line.starts_with("at ")).map(|line| &line[3..]);
        let folder =
            place.and_then(|place| place.rsplit_once(['/', '\\'])).map(|(folder, _)| folder);
        if own_folder.is_none() && place.is_some_and(|place| place.contains("lost.rs:")) {
            own_folder = folder;
        }
        // `<actix::Addr<A>>::send` belongs to actix, as `actix::spawn` does.
        let path = function.trim_start_matches(['<', '&']);
        let is_of_library = LIBRARIES.iter().any(|library| path.starts_with(library))
            || place.is_some_and(|at| at.contains("/.cargo/") || at.starts_with("/rustc/"))
            || (own_folder.is_some() && folder == own_folder);
        if !is_of_library {
            return Some(match place {
                Some(place) => format!("`{function}` at {place}"),
                None => format!("`{function}`"),
            });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::sender;

    #[test]
    fn the_sender_is_the_first_function_that_is_not_a_librarys() {
        let stack = "   0: <std::backtrace::Backtrace>::create
             at /rustc/5980761/library/std/src/backtrace.rs:331:13
   1: actix_opentelemetry::lost::report::<it::Aisle, it::Reserve>
             at /home/ada/actix-opentelemetry/src/lost.rs:30:21
   2: pack<it::Aisle, it::Reserve>
             at /home/ada/actix-opentelemetry/src/envelope.rs:128:39
   3: <actix::address::channel::AddressSender<it::Aisle>>::send::<it::Reserve>
             at /home/ada/.cargo/registry/src/index/actix-0.13.5/src/address/channel.rs:340:19
   4: {closure#1}<it::Reserve>
             at /home/ada/.cargo/registry/src/index/actix-0.13.5/src/address/mod.rs:88:9
   5: store::checkout::place_order::{closure#0}
             at ./src/checkout.rs:42:18
   6: main
             at ./src/main.rs:7:1
";
        assert_eq!(
            sender(stack).as_deref(),
            Some("`store::checkout::place_order::{closure#0}` at ./src/checkout.rs:42:18")
        );
    }

    #[test]
    fn without_debug_information_there_is_the_functions_name_alone() {
        let stack = "   0: actix_opentelemetry::lost::report\n   1: store::main\n";
        assert_eq!(sender(stack).as_deref(), Some("`store::main`"));
        assert_eq!(sender("   0: __rust_try\n"), None);
        assert_eq!(sender("disabled backtrace"), None);
    }
}
