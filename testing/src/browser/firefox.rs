//! Firefox, over Marionette: the protocol that it speaks itself, and that geckodriver translates
//! WebDriver into. A message is its length, a colon, and JSON: `[0, number, command, parameters]`,
//! answered by `[1, number, error, result]`.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command as Program, Stdio};

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{Command, Session, eventually};

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

/// A session in a Firefox of its own.
pub(super) struct Firefox {
    messages: RefCell<Messages>,
    _running: Running,
}

/// A Firefox that runs, with a profile of its own.
struct Running {
    port: u16,
    /// Dropped before the profile that it writes to.
    _process: Process,
    _profile: TempDir,
}

/// A Firefox's process; it ends with its value.
struct Process(Child);

/// A connection to Marionette.
struct Messages {
    stream: BufReader<TcpStream>,
    sent: u64,
}

impl Firefox {
    /// # Errors
    ///
    /// What is not installed.
    pub(super) fn start() -> Result<Self, String> {
        let running = Running::start()?;
        let stream = TcpStream::connect(("127.0.0.1", running.port)).expect("a connection");
        let mut messages = Messages { stream: BufReader::new(stream), sent: 0 };
        // It speaks first, and says who it is.
        messages.read();
        let firefox = Self { messages: RefCell::new(messages), _running: running };
        firefox.begin().expect("a session");
        Ok(firefox)
    }

    /// Begins a session.
    fn begin(&self) -> Result<(), String> {
        self.ask("WebDriver:NewSession", &json!({}))?;
        self.browser_script(AFRESH);
        self.resize(1400, 900);
        Ok(())
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
    fn renew(&mut self) -> Result<(), String> {
        self.ask("WebDriver:Navigate", &json!({"url": "about:blank"}))?;
        self.ask("WebDriver:DeleteSession", &json!({}))?;
        self.begin()
    }

    fn send(&self, command: &Command<'_>) -> Result<Json, String> {
        match command {
            Command::Go(url) => self.ask("WebDriver:Navigate", &json!({"url": url})),
            Command::Reload => self.ask("WebDriver:Refresh", &json!({})),
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
    fn start() -> Result<Self, String> {
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
