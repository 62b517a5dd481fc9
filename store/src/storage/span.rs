//! The span of each statement, by the stable conventions for database clients:
//! <https://opentelemetry.io/docs/specs/semconv/db/database-spans/>.
//!
//! A statement that takes many rows is one operation with several operands, and no batch in the sense
//! of the conventions. So no span has `db.operation.batch.size`.

use opentelemetry::{
    Context, KeyValue,
    global::{self, BoxedSpan, BoxedTracer},
    trace::{Span, SpanBuilder, SpanKind, Status, Tracer},
};
use opentelemetry_semantic_conventions::attribute as semconv;

use super::{
    error::reason,
    sql::{Dialect, Statement},
};

/// The name of the span that covers the wait for a connection of the pool.
pub(super) const ACQUIRE: &str = "acquire connection";

/// Makes the spans of one database.
#[derive(Debug)]
pub(super) struct SpanFactory {
    tracer: BoxedTracer,
    dialect: Dialect,
    /// The attributes that all spans of the database have.
    attributes: Vec<KeyValue>,
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
    pub(super) fn new(dialect: Dialect, endpoint: Endpoint) -> Self {
        let scope = telemetry::instrumentation_scope("store.storage", env!("CARGO_PKG_VERSION"));
        let mut attributes = vec![
            KeyValue::new(semconv::DB_SYSTEM_NAME, dialect.system_name()),
            shared(semconv::DB_NAMESPACE, endpoint.namespace),
        ];
        if let Some((address, port)) = endpoint.server {
            attributes.push(shared(semconv::SERVER_ADDRESS, address));
            attributes.push(KeyValue::new(semconv::SERVER_PORT, i64::from(port)));
        }
        Self { tracer: global::tracer_with_scope(scope), dialect, attributes }
    }

    pub(super) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Starts the span of a statement.
    pub(super) fn statement(&self, cx: &Context, statement: &Statement) -> StatementSpan {
        let summary = statement.summary;
        let mut attributes = Vec::with_capacity(self.attributes.len() + 2);
        attributes.extend_from_slice(&self.attributes);
        attributes.push(KeyValue::new(semconv::DB_QUERY_SUMMARY, summary));
        attributes.push(KeyValue::new(semconv::DB_QUERY_TEXT, statement.text(self.dialect)));
        self.start(cx, summary, SpanKind::Client, attributes)
    }

    /// Starts the span of the wait for a connection. It is INTERNAL, since it does not call the
    /// database.
    pub(super) fn acquire(&self, cx: &Context) -> StatementSpan {
        self.start(cx, ACQUIRE, SpanKind::Internal, self.attributes.clone())
    }

    fn start(
        &self,
        cx: &Context,
        name: &'static str,
        kind: SpanKind,
        attributes: Vec<KeyValue>,
    ) -> StatementSpan {
        let builder = SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes);
        StatementSpan(self.tracer.build_with_context(builder, cx))
    }
}

/// A span that has begun. If it is dropped, it ends without a status.
pub(super) struct StatementSpan(BoxedSpan);

impl StatementSpan {
    /// Ends the span, with the error if there is one.
    pub(super) fn end<T>(mut self, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        if let Err(error) = &result {
            let code = error.as_database_error().and_then(|error| error.code());
            let kind = code.as_deref().unwrap_or_else(|| client_error_type(error)).to_owned();
            self.0.set_attribute(KeyValue::new(semconv::ERROR_TYPE, kind));
            if let Some(code) = code {
                let code = code.into_owned();
                self.0.set_attribute(KeyValue::new(semconv::DB_RESPONSE_STATUS_CODE, code));
            }
            self.0.set_status(Status::error(reason(error)));
        }
        self.0.end();
        result
    }
}

/// The `error.type` of an error that has no code of the database.
fn client_error_type(error: &sqlx::Error) -> &'static str {
    match error {
        sqlx::Error::PoolTimedOut => "pool_timeout",
        sqlx::Error::PoolClosed => "pool_closed",
        sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => "timeout",
        sqlx::Error::Io(_) => "io",
        sqlx::Error::Tls(_) => "tls",
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => "decode",
        _ => "_OTHER",
    }
}

/// An attribute whose value is shared by all spans instead of copied.
fn shared(key: &'static str, value: String) -> KeyValue {
    KeyValue::new(key, std::sync::Arc::<str>::from(value))
}
