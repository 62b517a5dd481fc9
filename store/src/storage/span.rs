//! The span of each statement, and how long it takes, by the stable conventions for database clients:
//! <https://opentelemetry.io/docs/specs/semconv/db/database-spans/>.
//!
//! A statement that takes many rows is one operation with several operands, and no batch in the sense
//! of the conventions. So no span has `db.operation.batch.size`. That SQLite is called once for each
//! row is how its library is given rows. Nothing is sent for it, and the spans of both databases are
//! alike.

use opentelemetry::{
    Context, KeyValue,
    global::{self, BoxedSpan, BoxedTracer},
    metrics::{Histogram, Meter},
    trace::{Span, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer},
};
use opentelemetry_semantic_conventions::attribute as semconv;

use super::{
    error::{DatabaseError, code, reason},
    metrics::{Operation, operation_duration},
    sql::{Dialect, Statement},
};

/// The scope of what is recorded about the database.
pub(super) const SCOPE: &str = "store.storage";

/// The name of the span that covers the wait for a connection of the pool.
pub(super) const ACQUIRE: &str = "acquire connection";

/// Makes the spans of one database.
#[derive(Debug)]
pub(super) struct SpanFactory {
    tracer: BoxedTracer,
    dialect: Dialect,
    /// The attributes that all spans of the database have.
    attributes: Vec<KeyValue>,
    /// How long statements take, if that is measured.
    duration: Option<Histogram<f64>>,
}

/// Where a database is, for its spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// `db.namespace`: SQLite's file; PostgreSQL's database and schema, as `database|schema`.
    pub(super) namespace: String,
    /// `server.address` and `server.port`, of a database that is a server.
    pub(super) server: Option<(String, u16)>,
}

impl SpanFactory {
    pub(super) fn new(dialect: Dialect, endpoint: Endpoint, meter: Option<&Meter>) -> Self {
        let scope = telemetry::instrumentation_scope(SCOPE, env!("CARGO_PKG_VERSION"));
        let mut attributes = vec![
            KeyValue::new(semconv::DB_SYSTEM_NAME, dialect.system_name()),
            shared(semconv::DB_NAMESPACE, endpoint.namespace),
        ];
        if let Some((address, port)) = endpoint.server {
            attributes.push(shared(semconv::SERVER_ADDRESS, address));
            attributes.push(KeyValue::new(semconv::SERVER_PORT, i64::from(port)));
        }
        let duration = meter.map(operation_duration);
        Self { tracer: global::tracer_with_scope(scope), dialect, attributes, duration }
    }

    pub(super) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Starts the span of a statement.
    pub(super) fn statement(&self, cx: &Context, statement: &Statement) -> StatementSpan {
        let summary = statement.summary;
        let span = self.start(cx, summary, SpanKind::Client, || {
            let mut attributes = self.shared_attributes(2);
            attributes.push(KeyValue::new(semconv::DB_QUERY_SUMMARY, summary));
            attributes.push(KeyValue::new(semconv::DB_QUERY_TEXT, statement.text(self.dialect)));
            attributes
        });
        let operation = self
            .duration
            .as_ref()
            .map(|duration| Operation::start(duration, &self.attributes, summary));
        StatementSpan { operation, ..span }
    }

    /// Starts the span of the wait for a connection. It is INTERNAL, since it does not call the
    /// database.
    pub(super) fn acquire(&self, cx: &Context) -> StatementSpan {
        self.start(cx, ACQUIRE, SpanKind::Internal, || self.shared_attributes(0))
    }

    /// The attributes that all spans of the database have, with room for `more`, and for those that a
    /// span gets from its baggage.
    fn shared_attributes(&self, more: usize) -> Vec<KeyValue> {
        const OF_BAGGAGE: usize = 2;
        let mut attributes = Vec::with_capacity(self.attributes.len() + more + OF_BAGGAGE);
        attributes.extend_from_slice(&self.attributes);
        attributes
    }

    /// Starts a span. Its attributes are made only if it is recorded: most statements belong to a span that
    /// is, and those of a batch in which no order is traced to a context without spans.
    fn start(
        &self,
        cx: &Context,
        name: &'static str,
        kind: SpanKind,
        attributes: impl FnOnce() -> Vec<KeyValue>,
    ) -> StatementSpan {
        let operation = None;
        if cx.is_telemetry_suppressed() {
            return StatementSpan { span: None, operation };
        }
        let builder = SpanBuilder::from_name(name).with_kind(kind);
        let span = if cx.span().is_recording() {
            self.tracer.build_with_context(builder.with_attributes(attributes()), cx)
        } else {
            // The sampler says whether it is recorded. No sampler here looks at attributes.
            let mut span = self.tracer.build_with_context(builder, cx);
            if span.is_recording() {
                span.set_attributes(attributes());
            }
            span
        };
        StatementSpan { span: Some(span), operation }
    }
}

/// A span that has begun. If it is dropped, it ends without a status.
pub(super) struct StatementSpan {
    /// Nothing in a context without spans.
    span: Option<BoxedSpan>,
    operation: Option<Operation>,
}

impl StatementSpan {
    /// Ends the span, with the error if there is one.
    pub(super) fn end<T>(mut self, result: Result<T, DatabaseError>) -> Result<T, DatabaseError> {
        if let Err(error) = &result
            && (self.span.is_some() || self.operation.is_some())
        {
            let code = code(error);
            let kind = code.as_deref().unwrap_or_else(|| client_error_type(error)).to_owned();
            if let Some(operation) = &mut self.operation {
                operation.failed(kind.clone(), code.as_deref());
            }
            if let Some(span) = &mut self.span {
                span.set_attribute(KeyValue::new(semconv::ERROR_TYPE, kind));
                if let Some(code) = code {
                    let code = code.into_owned();
                    span.set_attribute(KeyValue::new(semconv::DB_RESPONSE_STATUS_CODE, code));
                }
                span.set_status(Status::error(reason(error)));
            }
        }
        if let Some(mut span) = self.span {
            span.end();
        }
        if let Some(operation) = self.operation {
            operation.end();
        }
        result
    }
}

/// The `error.type` of an error that has no code of the database.
fn client_error_type(error: &DatabaseError) -> &'static str {
    match error {
        DatabaseError::PoolTimedOut => "pool_timeout",
        DatabaseError::PoolClosed => "pool_closed",
        DatabaseError::TimedOut => "timeout",
        DatabaseError::Postgres(error) => match error {
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => "timeout",
            sqlx::Error::Io(_) => "io",
            sqlx::Error::Tls(_) => "tls",
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => "decode",
            _ => "_OTHER",
        },
        DatabaseError::Sqlite(error) => match error {
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::Utf8Error(..) => "decode",
            _ => "_OTHER",
        },
        DatabaseError::Panicked => "_OTHER",
    }
}

/// An attribute whose value is shared by all spans instead of copied.
fn shared(key: &'static str, value: String) -> KeyValue {
    KeyValue::new(key, std::sync::Arc::<str>::from(value))
}
