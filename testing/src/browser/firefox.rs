//! Firefox, over Marionette: the protocol that it speaks itself, and that geckodriver translates
//! WebDriver into. A message is its length, a colon, and JSON: `[0, number, command, parameters]`,
//! answered by `[1, number, error, result]`.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command as Program, Stdio};
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{Command, Session, eventually};

/// The variable with the ports of Firefoxes that run already, for tests to share: to start one takes
/// longer than most tests do.
pub const SHARED: &str = "VIEWER_TEST_FIREFOX_PORTS";
/// What it is called, in Debian and elsewhere.
const PROGRAMS: [&str; 2] = ["firefox-esr", "firefox"];
/// Settings of the profile: a free port, nothing that moves, calls home or asks the reader.
const SETTINGS: &str = r#"
user_pref("marionette.port", 0);
user_pref("app.normandy.enabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.page", 0);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("ui.prefersReducedMotion", 1);
user_pref("toolkit.telemetry.server", "");
"#;

/// Makes the browser as if it had just been started.
const AFRESH: &str = "
    Services.prefs.clearUserPref('layout.css.prefers-color-scheme.content-override');
    Services.console.reset();";

/// What stands in the console of the page and is an error.
const COMPLAINTS: &str = "
    const said = Services.console.getMessageArray();
    Services.console.reset();
    return said
        .filter((message) => message instanceof Ci.nsIScriptError)
        .filter(({ flags, sourceName }) => !(flags & Ci.nsIScriptError.warningFlag) && sourceName.startsWith('http'))
        .map(({ errorMessage, sourceName, lineNumber }) => `${sourceName}:${lineNumber}: ${errorMessage}`);";

/// A session in a Firefox.
pub(super) struct Firefox {
    messages: RefCell<Messages>,
    _place: Place,
}

/// Where a session is.
enum Place {
    /// In a Firefox of its own.
    Own { _running: Running },
    /// In one of those that tests share one after the other.
    Shared(u16),
}

/// A Firefox that runs, with a profile of its own.
#[derive(Debug)]
pub struct Running {
    port: u16,
    /// Dropped before the profile that it writes to.
    _process: Process,
    _profile: TempDir,
}

/// A Firefox's process; it ends with its value.
#[derive(Debug)]
struct Process(Child);

/// A connection to Marionette.
struct Messages {
    stream: BufReader<TcpStream>,
    sent: u64,
}

/// The ports of the Firefoxes that nobody uses, of those that [`SHARED`] names.
static FREE: LazyLock<Option<Mutex<Vec<u16>>>> = LazyLock::new(|| {
    #[expect(clippy::disallowed_methods, reason = "what the tests run in is a setting")]
    let ports = std::env::var(SHARED).ok()?;
    let ports = ports.split(',').map(|port| port.parse().expect("a port"));
    Some(Mutex::new(ports.collect()))
});
static FREED: Condvar = Condvar::new();

impl Firefox {
    /// # Errors
    ///
    /// What is not installed.
    pub(super) fn start() -> Result<Self, String> {
        let (place, port) = match &*FREE {
            Some(free) => {
                let free = free.lock().unwrap_or_else(PoisonError::into_inner);
                let free = FREED.wait_while(free, |free| free.is_empty());
                let port = free.unwrap_or_else(PoisonError::into_inner).pop().expect("a port");
                (Place::Shared(port), port)
            }
            None => {
                let running = Running::start()?;
                let port = running.port;
                (Place::Own { _running: running }, port)
            }
        };
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        let mut messages = Messages { stream: BufReader::new(stream), sent: 0 };
        // It speaks first, and says who it is.
        messages.read();
        messages.ask("WebDriver:NewSession", &json!({})).expect("a session");
        let firefox = Self { messages: RefCell::new(messages), _place: place };
        firefox.browser_script(AFRESH);
        firefox.resize(1400, 900);
        Ok(firefox)
    }

    fn ask(&self, command: &str, params: &Json) -> Result<Json, String> {
        self.messages.borrow_mut().ask(command, params)
    }

    fn script(&self, script: &str) -> Result<Json, String> {
        self.ask("WebDriver:ExecuteScript", &json!({"script": script, "args": []}))
    }

    /// What a script returns that runs in the browser itself and not in the page.
    fn browser_script(&self, script: &str) -> Json {
        let context = |name| self.ask("Marionette:SetContext", &json!({"value": name}));
        context("chrome").expect("the browser's own context");
        let returned = self.script(script);
        context("content").expect("the page's context");
        returned.unwrap_or_else(|error| panic!("{script}: {error}"))
    }
}

impl Session for Firefox {
    fn send(&self, command: &Command<'_>) -> Result<Json, String> {
        match command {
            Command::Go(url) => self.ask("WebDriver:Navigate", &json!({"url": url})),
            Command::Address => self.ask("WebDriver:GetCurrentURL", &json!({})),
            Command::Run(script) => self.script(script),
            Command::Find(css) => {
                self.ask("WebDriver:FindElement", &json!({"using": "css selector", "value": css}))
            }
            Command::Focused => self.ask("WebDriver:GetActiveElement", &json!({})),
            Command::Click(id) => self.ask("WebDriver:ElementClick", &json!({"id": id})),
            Command::Type(id, keys) => {
                self.ask("WebDriver:ElementSendKeys", &json!({"id": id, "text": keys}))
            }
            Command::Screenshot => {
                self.ask("WebDriver:TakeScreenshot", &json!({"full": false, "hash": false}))
            }
        }
    }

    fn prefer(&self, scheme: &str) {
        let number = i32::from(scheme == "light");
        self.browser_script(&format!(
            "Services.prefs.setIntPref('layout.css.prefers-color-scheme.content-override', {number})"
        ));
    }

    fn resize(&self, width: u32, height: u32) {
        // Not the window: that would be 450 wide at least.
        self.browser_script(&format!(
            "const {{ style }} = gBrowser.selectedBrowser;
            style.width = '{width}px';
            style.height = '{height}px';"
        ));
    }

    fn complaints(&self) -> Vec<String> {
        let said = self.browser_script(COMPLAINTS);
        let lines = said.as_array().into_iter().flatten();
        lines.filter_map(|line| line.as_str().map(str::to_owned)).collect()
    }
}

impl Drop for Firefox {
    fn drop(&mut self) {
        // For whoever comes next. After a panic the page may be anything, but it is left.
        for (command, params) in [
            ("WebDriver:Navigate", json!({"url": "about:blank"})),
            ("WebDriver:DeleteSession", json!({})),
        ] {
            if let Err(error) = self.ask(command, &params) {
                eprintln!("{command}: {error}");
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let (Self::Shared(port), Some(free)) = (self, &*FREE) {
            free.lock().unwrap_or_else(PoisonError::into_inner).push(*port);
            FREED.notify_one();
        }
    }
}

impl Running {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// What is not installed.
    ///
    /// # Panics
    ///
    /// When it is installed and does not start.
    pub fn start() -> Result<Self, String> {
        let profile = TempDir::new().expect("a folder");
        std::fs::write(profile.path().join("user.js"), SETTINGS).expect("a file");
        let start = |program| Process::start(program, &profile);
        let process = PROGRAMS.into_iter().map(start).find(Result::is_ok);
        let process = process.unwrap_or_else(|| Err("Firefox is not installed".into()))?;
        let port = eventually("the port of Marionette", || {
            let said = std::fs::read_to_string(profile.path().join("MarionetteActivePort"));
            said.map_err(|error| error.to_string())?.parse().map_err(|_| String::from("no port"))
        });
        Ok(Self { port, _process: process, _profile: profile })
    }

    /// The port of its Marionette.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Process {
    fn start(program: &str, profile: &TempDir) -> Result<Self, String> {
        let child = Program::new(program)
            .args(["--headless", "--no-remote", "--marionette", "--remote-allow-system-access"])
            .arg("--profile")
            .arg(profile.path())
            .env("MOZ_CRASHREPORTER_DISABLE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        child.map(Self).map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("{program} is not installed"),
            _ => panic!("{program} does not start: {error}"),
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Its other processes end with it. Either fails only if it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Messages {
    fn ask(&mut self, command: &str, params: &Json) -> Result<Json, String> {
        self.sent += 1;
        let message = json!([0, self.sent, command, params]).to_string();
        write!(self.stream.get_mut(), "{}:{message}", message.len()).expect("a connection");
        let mut answer = self.read();
        assert_eq!(answer[1], self.sent, "{command}: {answer}");
        match &answer[2] {
            Json::Null => {}
            error => return Err(format!("{}: {}", error["error"], error["message"])),
        }
        let result = answer[3].take();
        Ok(result.get("value").cloned().unwrap_or(result))
    }

    fn read(&mut self) -> Json {
        let mut length = Vec::new();
        self.stream.read_until(b':', &mut length).expect("a message");
        let length = String::from_utf8_lossy(&length).trim_end_matches(':').parse();
        let mut message = vec![0; length.expect("a length")];
        self.stream.read_exact(&mut message).expect("a whole message");
        serde_json::from_slice(&message).expect("JSON")
    }
}
