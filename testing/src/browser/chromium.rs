//! Chromium, over the HTTP of its chromedriver.

use std::io::{BufRead, BufReader, ErrorKind};
use std::process::{Child, Command as Program, Stdio};
use std::sync::Once;

use reqwest::Method;
use reqwest::blocking::{Client, Response};
use serde_json::{Value as Json, json};

use super::{Command, PATIENCE, Session};

/// A session of a chromedriver's own.
pub(super) struct Chromium {
    client: Client,
    /// Where its commands go.
    session: String,
    _driver: Driver,
}

/// A chromedriver; it ends with its value.
struct Driver(Child);

impl Chromium {
    /// # Errors
    ///
    /// What is not installed.
    pub(super) fn start() -> Result<Self, String> {
        let (driver, port) = Driver::start()?;
        let client = client();
        let address = format!("http://127.0.0.1:{port}/session");
        let wanted = json!({"capabilities": {"alwaysMatch": capabilities()}});
        match ask(&client, Method::POST, &address, Some(&wanted)) {
            Ok(started) => {
                let id = started["sessionId"].as_str().expect("a session");
                Ok(Self { client, session: format!("{address}/{id}"), _driver: driver })
            }
            Err(error) if error.contains("cannot find Chrome binary") => {
                Err("Chromium is not installed".into())
            }
            Err(error) => panic!("chromedriver gave no session: {error}"),
        }
    }

    fn get(&self, path: &str) -> Result<Json, String> {
        ask(&self.client, Method::GET, &format!("{}/{path}", self.session), None)
    }

    fn post(&self, path: &str, body: &Json) -> Result<Json, String> {
        ask(&self.client, Method::POST, &format!("{}/{path}", self.session), Some(body))
    }

    /// A command of the protocol of Chromium's own developer tools.
    fn tools(&self, command: &str, params: &Json) -> Json {
        let body = json!({"cmd": command, "params": params});
        self.post("goog/cdp/execute", &body).expect("an answer")
    }
}

impl Session for Chromium {
    fn renew(&mut self) -> Result<(), String> {
        let origin = self.post("execute/sync", &json!({"script": "return origin", "args": []}))?;
        let fresh = self.post("window/new", &json!({"type": "tab"}))?["handle"].take();
        for window in self.get("window/handles")?.as_array().into_iter().flatten() {
            if *window != fresh {
                self.post("window", &json!({"handle": window}))?;
                ask(&self.client, Method::DELETE, &format!("{}/window", self.session), None)?;
            }
        }
        self.post("window", &json!({"handle": fresh}))?;
        let all = json!({"origin": origin, "storageTypes": "all"});
        self.tools("Storage.clearDataForOrigin", &all);
        self.complaints();
        Ok(())
    }

    fn send(&self, command: &Command<'_>) -> Result<Json, String> {
        match command {
            Command::Go(url) => self.post("url", &json!({"url": url})),
            Command::Reload => self.post("refresh", &json!({})),
            Command::Address => self.get("url"),
            Command::Run(script) => {
                self.post("execute/sync", &json!({"script": script, "args": []}))
            }
            Command::Find(css) => {
                self.post("element", &json!({"using": "css selector", "value": css}))
            }
            Command::Focused => self.get("element/active"),
            Command::Click(id) => self.post(&format!("element/{id}/click"), &json!({})),
            Command::Type(id, keys) => {
                self.post(&format!("element/{id}/value"), &json!({"text": keys}))
            }
            Command::Screenshot => self.get("screenshot"),
        }
    }

    fn prefer(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.tools("Emulation.setEmulatedMedia", &json!({"features": features}));
    }

    fn resize(&self, width: u32, height: u32) {
        // Not the window: that would be 500 wide at least.
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.tools("Emulation.setDeviceMetricsOverride", &size);
    }

    fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", &json!({"type": "browser"})).expect("a log");
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["message"].to_string()).collect()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // With its session the browser ends; its driver's end follows, whatever this says.
        if let Err(error) = ask(&self.client, Method::DELETE, &self.session, None) {
            eprintln!("the browser did not close: {error}");
        }
    }
}

impl Driver {
    /// Starts it on a free port, which it says on its standard output.
    fn start() -> Result<(Self, u16), String> {
        let mut program = Program::new("chromedriver");
        program.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = program.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => "chromedriver is not installed".to_owned(),
            _ => panic!("chromedriver does not start: {error}"),
        })?;
        let output = child.stdout.take().expect("the output asked for");
        let driver = Self(child);
        let port = BufReader::new(output).lines().map_while(Result::ok).find_map(|line| {
            line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        Ok((driver, port.expect("the port that chromedriver says")))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Either fails only if it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A client that waits for an answer as long as a test does.
fn client() -> Client {
    static PROVIDER: Once = Once::new();
    // The client wants a TLS stack, though nothing here speaks TLS.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    Client::builder().timeout(PATIENCE).no_proxy().build().expect("an HTTP client")
}

/// The value that is answered, or the error.
fn ask(client: &Client, method: Method, url: &str, body: Option<&Json>) -> Result<Json, String> {
    let request = client.request(method, url);
    let request = match body {
        Some(body) => request.body(body.to_string()),
        None => request,
    };
    let answer = request.send().and_then(Response::text).map_err(|error| error.to_string())?;
    let mut answer: Json = serde_json::from_str(&answer).map_err(|_| answer)?;
    let value = answer["value"].take();
    match value["error"].as_str() {
        Some(error) => Err(format!("{error}: {}", value["message"].as_str().unwrap_or_default())),
        None => Ok(value),
    }
}

fn capabilities() -> Json {
    let args = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-sync",
        "--disable-component-update",
        "--force-prefers-reduced-motion",
        "--window-size=1400,900",
    ];
    json!({
        "goog:chromeOptions": {"args": args},
        "goog:loggingPrefs": {"browser": "ALL"},
    })
}
