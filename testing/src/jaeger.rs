//! Decodes Jaeger's Thrift into spans: the compact protocol of agents and the binary one of
//! collectors.

use super::span::{Attributes, Event, Link, Span};
use std::collections::BTreeMap;
use std::io::Cursor;
use thrift::protocol::{TBinaryInputProtocol, TCompactInputProtocol, TInputProtocol, TType};

/// The spans in a datagram, which is a call of `emitBatch`.
pub fn from_datagram(bytes: &[u8]) -> Vec<Span> {
    let mut input = TCompactInputProtocol::new(Cursor::new(bytes));
    let call = input.read_message_begin().expect("a message");
    assert_eq!(call.name, "emitBatch");
    let arguments = read_struct(&mut input);
    batch(&arguments[&1])
}

/// The spans in the body of a request to a collector, which is a batch.
pub fn from_body(bytes: &[u8]) -> Vec<Span> {
    batch(&Value::Struct(read_struct(&mut TBinaryInputProtocol::new(Cursor::new(bytes), true))))
}

/// Any value of Thrift. The fields of a struct are found by their numbers.
enum Value {
    Bool(bool),
    Number(i64),
    Double(f64),
    Text(String),
    List(Vec<Value>),
    Struct(BTreeMap<i16, Value>),
}

impl Value {
    fn field(&self, number: i16) -> Option<&Value> {
        let Value::Struct(fields) = self else { panic!("not a struct") };
        fields.get(&number)
    }

    fn number(&self, field: i16) -> i64 {
        let Some(Value::Number(number)) = self.field(field) else { panic!("no number {field}") };
        *number
    }

    fn text(&self, field: i16) -> String {
        let Some(Value::Text(text)) = self.field(field) else { panic!("no text {field}") };
        text.clone()
    }

    fn list(&self, field: i16) -> &[Value] {
        match self.field(field) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }
}

fn read_struct(input: &mut dyn TInputProtocol) -> BTreeMap<i16, Value> {
    input.read_struct_begin().expect("a struct");
    let mut fields = BTreeMap::new();
    loop {
        let field = input.read_field_begin().expect("a field");
        if field.field_type == TType::Stop {
            input.read_struct_end().expect("the end of a struct");
            return fields;
        }
        fields.insert(field.id.expect("a number"), read_value(input, field.field_type));
        input.read_field_end().expect("the end of a field");
    }
}

fn read_value(input: &mut dyn TInputProtocol, of_type: TType) -> Value {
    match of_type {
        TType::Bool => Value::Bool(input.read_bool().unwrap()),
        TType::I32 => Value::Number(input.read_i32().unwrap().into()),
        TType::I64 => Value::Number(input.read_i64().unwrap()),
        TType::Double => Value::Double(input.read_double().unwrap()),
        TType::String => Value::Text(input.read_string().unwrap()),
        TType::Struct => Value::Struct(read_struct(input)),
        TType::List => {
            let list = input.read_list_begin().unwrap();
            Value::List((0..list.size).map(|_| read_value(input, list.element_type)).collect())
        }
        other => panic!("{other} is not used by Jaeger"),
    }
}

/// Reads a batch. The numbers of the fields of `Batch`, `Process` and `Span` are from
/// <https://github.com/jaegertracing/jaeger-idl/blob/main/thrift/jaeger.thrift>
fn batch(batch: &Value) -> Vec<Span> {
    let process = batch.field(1).expect("a process");
    let resource = tags(process.list(2));
    assert_eq!(process.text(1), resource["service.name"]);
    batch.list(2).iter().map(|one| span(one, &resource)).collect()
}

fn span(span: &Value, resource: &Attributes) -> Span {
    let mut tags = tags(span.list(10));
    let mut take = |key: &str| tags.remove(key).unwrap_or_default();
    let scope = format!("{} {}", take("otel.library.name"), take("otel.library.version"));
    let kind = take("span.kind");
    let is_error = take("error") == "true";
    let status = match (take("otel.status_code").as_str(), take("otel.status_description")) {
        ("ERROR", why) if is_error => format!("error: {why}"),
        ("OK", _) => "ok".to_owned(),
        ("", _) => "unset".to_owned(),
        other => panic!("no status is told by {other:?}"),
    };
    let parent = span.number(4);
    Span {
        trace_id: trace_id(span.number(2), span.number(1)),
        start_us: span.number(8).try_into().unwrap(),
        span_id: span_id(span.number(3)),
        parent_id: if parent == 0 { String::new() } else { span_id(parent) },
        name: span.text(5),
        kind: ["client", "server", "producer", "consumer"]
            .into_iter()
            .find(|known| *known == kind)
            .unwrap_or("internal"),
        duration_us: span.number(9).try_into().unwrap(),
        status,
        scope: scope.trim().to_owned(),
        attributes: tags,
        events: span.list(11).iter().map(event).collect(),
        links: span.list(6).iter().map(link).collect(),
        resource: resource.clone(),
    }
}

fn event(log: &Value) -> Event {
    let mut attributes = tags(log.list(2));
    let name = attributes.remove("event").expect("the name of an event");
    Event { at_us: log.number(1).try_into().unwrap(), name, attributes }
}

fn link(reference: &Value) -> Link {
    Link {
        trace_id: trace_id(reference.number(3), reference.number(2)),
        span_id: span_id(reference.number(4)),
        attributes: Attributes::default(),
    }
}

fn tags(tags: &[Value]) -> Attributes {
    let value = |tag: &Value| match (tag.number(2), tag.field(3), tag.field(4), tag.field(5)) {
        (0, Some(Value::Text(text)), ..) => text.clone(),
        (1, _, Some(Value::Double(value)), _) => value.to_string(),
        (2, _, _, Some(Value::Bool(value))) => value.to_string(),
        (3, ..) => tag.number(6).to_string(),
        _ => panic!("a tag of no known type"),
    };
    tags.iter().map(|tag| (tag.text(1), value(tag))).collect()
}

fn trace_id(high: i64, low: i64) -> String {
    format!("{}{}", span_id(high), span_id(low))
}

fn span_id(id: i64) -> String {
    format!("{id:016x}")
}
