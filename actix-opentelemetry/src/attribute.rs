//! The names of what is recorded: span attributes, metric attributes, error types.
//!
//! actix has no semantic conventions of its own, so these names follow the
//! [naming rules](https://opentelemetry.io/docs/specs/semconv/general/naming/) under the prefix
//! `actix.`; `code.function.name` and `error.type` are the stable conventions'.

/// The [schema](https://opentelemetry.io/docs/specs/otel/schemas/) of the semantic conventions that the
/// published ones among these names come from.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.42.0";

/// The actor's name, [`TracedActor::NAME`](crate::TracedActor::NAME): `Aisle`.
pub const ACTOR_NAME: &str = "actix.actor.name";

/// The message's type with its path, such as `store::actors::aisle::Reserve`, so that two types of
/// one name are told apart. Span names have it without the path. A timer's closure has no message
/// type.
pub const MESSAGE_TYPE: &str = "actix.message.type";

/// How the message came: `ask`, `tell`, `notify`, `delayed`, `interval` or `stream`.
pub const MESSAGE_KIND: &str = "actix.message.kind";

/// Seconds (a double) between sending and handling; of a timer, how late it fired.
pub const MAILBOX_WAIT: &str = "actix.mailbox.wait";

/// How many times the supervisor has restarted this actor, on a `restart` span.
pub const RESTART_COUNT: &str = "actix.restart.count";

/// How many messages a batch serves; its links stop at 128, this does not.
pub const BATCH_MESSAGE_COUNT: &str = "actix.batch.message_count";

/// The handler, as
/// [`code.function.name`](https://opentelemetry.io/docs/specs/semconv/registry/attributes/code/).
pub const CODE_FUNCTION_NAME: &str = "code.function.name";

/// Why a message failed, as
/// [`error.type`](https://opentelemetry.io/docs/specs/semconv/registry/attributes/error/).
pub const ERROR_TYPE: &str = "error.type";

/// Why a message never reached its handler, on the metric `actix.message.dropped`: the actor
/// stopped ([`error_type::UNDELIVERED`]), the sender had stopped waiting
/// ([`error_type::ABANDONED`]), or the message did not enter the mailbox
/// ([`error_type::MAILBOX_CLOSED`], [`error_type::MAILBOX_FULL`], [`error_type::TIMEOUT`]).
pub const DROP_REASON: &str = "actix.message.drop_reason";

/// The values of [`ERROR_TYPE`] that this crate itself sets.
pub mod error_type {
    /// The handler or the future of its reply panicked.
    pub const PANIC: &str = "panic";

    /// The reply will never come: its future was dropped, or the sender of an ask had stopped
    /// waiting before the message was handled.
    pub const ABANDONED: &str = "abandoned";

    /// The handler dropped the reply channel without a reply.
    pub const NO_REPLY: &str = "no_reply";

    /// The actor stopped with the message still in its mailbox.
    pub const UNDELIVERED: &str = "undelivered";

    /// No reply in the time given to [`ask`](crate::ask()).
    pub const TIMEOUT: &str = "timeout";

    /// The mailbox had no room.
    pub const MAILBOX_FULL: &str = "mailbox_full";

    /// The actor had stopped before the message was sent.
    pub const MAILBOX_CLOSED: &str = "mailbox_closed";
}
