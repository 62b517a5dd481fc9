//! What every span says about the process that made it.

use super::{Service, config::Config};
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector, TelemetryResourceDetector};
use opentelemetry_semantic_conventions::resource::{
    SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_VERSION,
};

/// Describes this process. What the environment says goes before what the program says.
pub(super) fn describe(service: &Service, config: &Config) -> Resource {
    let from_environment =
        config.resource_attributes.iter().map(|(k, v)| KeyValue::new(k.clone(), v.clone()));
    let name = config.service_name.clone().map(|name| KeyValue::new(SERVICE_NAME, name));
    Resource::builder_empty()
        .with_attributes(TelemetryResourceDetector.detect().iter().map(to_key_value))
        .with_attributes([
            KeyValue::new(SERVICE_NAME, service.name),
            KeyValue::new(SERVICE_VERSION, service.version),
            KeyValue::new(SERVICE_NAMESPACE, "grocery"),
            KeyValue::new(SERVICE_INSTANCE_ID, uuid::Uuid::new_v4().to_string()),
        ])
        .with_attributes(from_environment)
        .with_attributes(name)
        .build()
}

fn to_key_value((key, value): (&opentelemetry::Key, &opentelemetry::Value)) -> KeyValue {
    KeyValue::new(key.clone(), value.clone())
}
