//! What `docker/` says about the program is true: every container of the Kubernetes manifests and of the
//! compose file is started with its own arguments and variables, as far as the program reads them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

/// Where the files are, seen from this crate.
const DOCKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docker");

/// Variables that the program does not read itself: Kubernetes makes others of them, or the driver of
/// PostgreSQL reads them.
const OF_OTHERS: [&str; 8] = [
    "DATABASE_PASSWORD",
    "DATABASE_USER",
    "NODE_NAME",
    "PGPASSFILE",
    "POD_NAME",
    "POD_NAMESPACE",
    "POD_UID",
    "POSTGRES_PASSWORD",
];

/// A container of the program's image.
#[derive(Debug)]
struct Container {
    /// The file and the name.
    what: String,
    args: Vec<String>,
    /// In the order of the file: a value may be made of those before it.
    variables: Vec<(String, String)>,
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() { yaml_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    files
}

fn documents(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    let documents = serde_saphyr::from_multiple(&text);
    documents.unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items.map(|item| item.as_str().unwrap().to_owned()).collect()
}

/// The containers of the base and of each overlay. What an overlay adds to a container of the base is a
/// patch with the same name, so it is tried together with what the base has.
fn kubernetes() -> Vec<Container> {
    let all: Vec<(PathBuf, Value)> = yaml_files(&Path::new(DOCKER).join("k8s"))
        .into_iter()
        .flat_map(|file| documents(&file).into_iter().map(move |one| (file.clone(), one)))
        .collect();
    let configured: BTreeMap<&str, &Value> = all
        .iter()
        .filter(|(_, object)| object["kind"] == "ConfigMap")
        .map(|(_, object)| (object["metadata"]["name"].as_str().unwrap(), &object["data"]))
        .collect();
    let mut bases = BTreeMap::new();
    let mut containers = Vec::new();
    for (file, object) in &all {
        let pod = &object["spec"]["template"]["spec"];
        let lists = [&pod["initContainers"], &pod["containers"]];
        for container in lists.into_iter().filter_map(Value::as_array).flatten() {
            let name = container["name"].as_str().unwrap();
            let is_base = container["image"] == "grocery";
            if is_base {
                bases.insert(name, container);
            }
            let Some(base) = bases.get(name) else { continue };
            let mut variables = Vec::new();
            for from in
                container["envFrom"].as_array().or(base["envFrom"].as_array()).into_iter().flatten()
            {
                let map = configured[from["configMapRef"]["name"].as_str().unwrap()];
                let data = map.as_object().unwrap().iter();
                variables.extend(
                    data.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())),
                );
            }
            let own = container["env"].as_array().into_iter().flatten();
            let inherited = base["env"].as_array().filter(|_| !is_base).into_iter().flatten();
            for variable in own.chain(inherited) {
                let value = variable["value"].as_str().unwrap_or("from-the-cluster");
                let value = variables.iter().fold(
                    value.to_owned(),
                    |value, (name, known): &(String, String)| {
                        value.replace(&format!("$({name})"), known)
                    },
                );
                assert!(
                    !value.contains("$("),
                    "{name}: {value} is made of a variable that comes later"
                );
                variables.push((variable["name"].as_str().unwrap().to_owned(), value));
            }
            let args = container.get("args").unwrap_or(&base["args"]);
            containers.push(Container {
                what: format!("{} {name}", file.display()),
                args: texts(args),
                variables,
            });
        }
    }
    containers
}

/// The services of the compose file that run a role.
fn compose() -> Vec<Container> {
    let file = Path::new(DOCKER).join("compose.yaml");
    let compose = documents(&file).remove(0);
    let services = compose["services"].as_object().unwrap().iter();
    services
        .filter(|(_, service)| {
            service["image"] == "grocery:local" && service["entrypoint"].is_null()
        })
        .map(|(name, service)| Container {
            what: format!("compose {name}"),
            args: texts(&service["command"]),
            variables: service["environment"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                .collect(),
        })
        .collect()
}

/// The variables that stand in the help of a role, and those of telemetry's document.
fn known_variables(role: &str) -> BTreeSet<String> {
    let help = Command::new(env!("CARGO_BIN_EXE_grocery")).args([role, "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let of_flags =
        help.split("[env:").skip(1).filter_map(|rest| rest.trim().split(['=', ']']).next());
    let environment = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/telemetry/environment.md");
    let environment = fs::read_to_string(environment).unwrap();
    let of_telemetry = environment.split('`').filter(|word| word.starts_with("OTEL_"));
    of_flags.chain(of_telemetry).map(str::to_owned).collect()
}

/// Starts the container's program. Its standard input has ended, so that it ends at once, after it has
/// read its arguments and variables.
fn try_it(container: &Container) {
    let Container { what, args, variables } = container;
    let known = known_variables(&args[0]);
    for (name, _) in variables {
        let is_known = known.contains(name) || OF_OTHERS.contains(&name.as_str());
        assert!(is_known, "{what}: the program does not read {name}");
    }
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_grocery"))
        .args(args)
        .arg("--parent-pipe")
        .current_dir(folder.path())
        .env_clear()
        .env("JOB_COMPLETION_INDEX", "1")
        .envs(variables.iter().map(|(name, value)| (name, value)))
        // Nothing of it is a form that could be wrong, and tests keep to loopback.
        .envs([("STORE_LISTEN", "127.0.0.1:0"), ("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_ne!(output.status.code(), Some(2), "{what}: {errors}");
    assert!(!errors.contains("OTEL_"), "{what}: {errors}");
}

#[test]
fn every_container_of_kubernetes_has_arguments_and_variables_that_the_program_reads() {
    let containers = kubernetes();
    assert!(containers.len() >= 5, "stores, shoppers and a migration: {containers:?}");
    containers.iter().for_each(try_it);
}

#[test]
fn every_service_of_compose_has_arguments_and_variables_that_the_program_reads() {
    let containers = compose();
    assert!(containers.len() >= 9, "{containers:?}");
    containers.iter().for_each(try_it);
}
