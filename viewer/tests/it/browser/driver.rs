//! A browser for one test: its chromedriver and its session, both gone when it is dropped, also by
//! a panic. Its calls block, so that a test reads from top to bottom.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::process::{Child, Command, Stdio};

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value as Json, json};
use tokio::runtime::{Builder, Runtime};
use url::{ParseError, Url};

use crate::support::eventually;

/// A headless Chromium.
pub(super) struct Browser {
    runtime: Runtime,
    client: Client,
    driver: Driver,
}

/// A chromedriver; it ends with its value.
struct Driver(Child);

impl Browser {
    /// A browser with a session; `None`, said plainly, where none is installed.
    ///
    /// # Panics
    ///
    /// In CI, where a browser has to be.
    #[expect(clippy::disallowed_methods, reason = "whether a skip is a failure is CI's setting")]
    pub(super) fn start() -> Option<Self> {
        let browser = Self::start_installed();
        if let Err(missing) = &browser {
            let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!is_ci, "{missing}: in CI the browser tests must run");
            // To standard error itself: libtest keeps what `eprintln!` says to itself.
            writeln!(std::io::stderr(), "SKIPPED: {missing}").ok();
        }
        browser.ok()
    }

    fn start_installed() -> Result<Self, String> {
        let (driver, port) = Driver::start()?;
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities());
        let address = format!("http://127.0.0.1:{port}");
        match runtime.block_on(builder.connect(&address)) {
            Ok(client) => Ok(Self { runtime, client, driver }),
            Err(error) if error.to_string().contains("cannot find Chrome binary") => {
                Err("Chromium is not installed".into())
            }
            Err(error) => panic!("chromedriver gave no session: {error}"),
        }
    }

    pub(super) fn goto(&self, url: &str) {
        self.runtime.block_on(self.client.goto(url)).expect("a page");
    }

    /// Goes to a path of the page that is open.
    pub(super) fn goto_path(&self, path: &str) {
        let url = self.runtime.block_on(self.client.current_url()).expect("an address");
        self.goto(url.join(path).expect("a path").as_str());
    }

    /// The path and query of the page.
    pub(super) fn path(&self) -> String {
        let url = self.runtime.block_on(self.client.current_url()).expect("an address");
        url.query().map_or_else(|| url.path().into(), |query| format!("{}?{query}", url.path()))
    }

    /// What the script returns.
    pub(super) fn run(&self, script: &str) -> Json {
        let ran = self.runtime.block_on(self.client.execute(script, vec![]));
        ran.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits until the script returns `wanted`.
    pub(super) fn expect(&self, script: &str, wanted: impl Into<Json>) {
        let wanted = wanted.into();
        eventually(script, || {
            let got = self.run(script);
            if got == wanted { Ok(()) } else { Err(got) }
        });
    }

    /// Waits until the script returns `wanted`, a text of several lines that is easier to compare
    /// as such.
    pub(super) fn expect_text(&self, script: &str, wanted: &str) {
        let mut last = String::new();
        let wait = std::panic::AssertUnwindSafe(|| {
            eventually("a text", || {
                last = self.run(script).as_str().unwrap_or_default().to_owned();
                if last == wanted { Ok(()) } else { Err(()) }
            });
        });
        if std::panic::catch_unwind(wait).is_err() {
            assert_eq!(last, wanted);
        }
    }

    /// Clicks the first element that the CSS selector finds, once it is there.
    pub(super) fn click(&self, css: &str) {
        eventually(css, || {
            self.runtime
                .block_on(async { self.client.find(Locator::Css(css)).await?.click().await })
        });
    }

    /// Types into the element that has the focus.
    pub(super) fn press(&self, keys: impl ToString) {
        let keys = keys.to_string();
        let typed = self
            .runtime
            .block_on(async { self.client.active_element().await?.send_keys(&keys).await });
        typed.expect("an element that takes keys");
    }

    /// Makes the system's setting for dark or light be this.
    pub(super) fn prefer(&self, scheme: &'static str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let params = json!({"features": features});
        self.issue(
            "goog/cdp/execute",
            json!({"cmd": "Emulation.setEmulatedMedia", "params": params}),
        );
    }

    /// Makes the window this wide.
    pub(super) fn resize(&self, width: u32, height: u32) {
        self.runtime.block_on(self.client.set_window_size(width, height)).expect("a size");
    }

    /// What the browser has complained of: exceptions, what the Content-Security-Policy refused.
    pub(super) fn complaints(&self) -> Vec<String> {
        let log = self.issue("se/log", json!({"type": "browser"}));
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["message"].to_string()).collect()
    }

    fn issue(&self, path: &'static str, body: Json) -> Json {
        let command = Vendor { path, body };
        self.runtime.block_on(self.client.issue_cmd(command)).expect("an answer")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // With its session the browser ends; its driver's end follows, whatever this says.
        let closed = self.runtime.block_on(self.client.clone().close());
        if let Err(error) = closed {
            eprintln!("the browser did not close: {error}");
        }
        self.driver.stop();
    }
}

impl Driver {
    /// Starts it on a free port, which it says on its standard output.
    fn start() -> Result<(Self, u16), String> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| match error.kind() {
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

    fn stop(&mut self) {
        // Either fails only if it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.stop();
    }
}

fn capabilities() -> serde_json::Map<String, Json> {
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
        "--window-size=1400,900",
    ];
    let capabilities = json!({
        "goog:chromeOptions": {"args": args},
        "goog:loggingPrefs": {"browser": "ALL"},
    });
    capabilities.as_object().cloned().unwrap_or_default()
}

/// A command that chromedriver has beyond WebDriver.
#[derive(Debug)]
struct Vendor {
    path: &'static str,
    body: Json,
}

impl WebDriverCompatibleCommand for Vendor {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
