//! The resource: what every span says about the process that made it.

use crate::config::Config;
use crate::metrics::process;
use opentelemetry::KeyValue;
use opentelemetry_resource_detectors::{
    HostResourceDetector, OsResourceDetector, ProcessResourceDetector,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{ResourceDetector, TelemetryResourceDetector};
use opentelemetry_semantic_conventions::SCHEMA_URL;
use opentelemetry_semantic_conventions::resource::{
    HOST_ARCH, PROCESS_COMMAND_ARGS, PROCESS_CREATION_TIME, SERVICE_INSTANCE_ID, SERVICE_NAME,
    SERVICE_NAMESPACE, SERVICE_VERSION,
};

/// The name of a service that has none:
/// <https://opentelemetry.io/docs/specs/semconv/resource/#service>.
const UNKNOWN_SERVICE: &str = "unknown_service";

/// What a service says about itself, as an argument of [`Telemetry::init`](crate::Telemetry::init).
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// `service.name`, unless `OTEL_SERVICE_NAME` says otherwise; `unknown_service` when empty.
    pub name: &'static str,
    /// `service.namespace`: the system that the service is a part of; none when empty.
    pub namespace: &'static str,
    /// `service.version`; none when empty.
    pub version: &'static str,
    /// Keys of baggage entries that are copied onto every span at its start.
    pub baggage_attributes: &'static [&'static str],
    /// Targets of log events that are exported but not written to standard error, unless `RUST_LOG`
    /// is set: what a service says of each single request, such as `store::activity`.
    pub quiet_targets: &'static [&'static str],
    /// The crates that are released together with the service, such as `store`. The scopes of their log
    /// records have its [version](Self::version), and the schema URL of the conventions.
    pub crates: &'static [&'static str],
}

/// Describes this process. The environment goes before the program.
pub(super) fn describe(service: &Service, config: &Config) -> Resource {
    let detectors: [&dyn ResourceDetector; 4] = [
        &TelemetryResourceDetector,
        &HostResourceDetector::default(),
        &OsResourceDetector,
        &ProcessResourceDetector,
    ];
    let detected = detectors
        .iter()
        .flat_map(|detector| key_values(&detector.detect()))
        // A command line may hold a password, in the URL of a database for example.
        .filter(|pair| pair.key.as_str() != PROCESS_COMMAND_ARGS);
    let started = process::started_at().map(|at| {
        KeyValue::new(PROCESS_CREATION_TIME, humantime::format_rfc3339_seconds(at).to_string())
    });
    let from_environment =
        config.resource_attributes.iter().map(|(k, v)| KeyValue::new(k.clone(), v.clone()));
    let unless_empty =
        |key, value: &'static str| (!value.is_empty()).then(|| KeyValue::new(key, value));
    let name = config.service_name.clone().map(|name| KeyValue::new(SERVICE_NAME, name));
    Resource::builder_empty()
        .with_schema_url(detected, SCHEMA_URL)
        .with_attributes(started)
        .with_attributes([
            KeyValue::new(HOST_ARCH, host_arch(std::env::consts::ARCH)),
            KeyValue::new(SERVICE_NAME, UNKNOWN_SERVICE),
            KeyValue::new(SERVICE_INSTANCE_ID, uuid::Uuid::new_v4().to_string()),
        ])
        .with_attributes(unless_empty(SERVICE_NAME, service.name))
        .with_attributes(unless_empty(SERVICE_VERSION, service.version))
        .with_attributes(unless_empty(SERVICE_NAMESPACE, service.namespace))
        .with_attributes(from_environment)
        .with_attributes(name)
        .build()
}

/// The value of `host.arch` for an architecture as Rust names it. The conventions list some, and
/// leave others as they are: <https://opentelemetry.io/docs/specs/semconv/registry/attributes/host/>
fn host_arch(rust: &'static str) -> &'static str {
    match rust {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        "powerpc" => "ppc32",
        "powerpc64" => "ppc64",
        other => other,
    }
}

/// The `service.name` of `resource`.
pub(super) fn service_name(resource: &Resource) -> String {
    resource.get(&SERVICE_NAME.into()).map(|name| name.to_string()).unwrap_or_default()
}

fn key_values(resource: &Resource) -> Vec<KeyValue> {
    resource.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architectures_are_named_as_the_conventions_list_them() {
        let named = ["x86_64", "aarch64", "arm", "powerpc", "powerpc64", "x86", "s390x", "riscv64"];
        assert_eq!(
            named.map(host_arch),
            ["amd64", "arm64", "arm32", "ppc32", "ppc64", "x86", "s390x", "riscv64"]
        );
    }
}
