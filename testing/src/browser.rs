//! A browser for one test, as if it had just been started. Its calls block, so that a test reads from
//! top to bottom.
//!
//! To start one takes longer than most tests do. So one that a test has done with is used by the next
//! test of the process, unless the test has failed. When no test has one, all of them end.
//!
//! What a test asks of a browser is in [`Browser`]; how Chromium and Firefox are asked, in the two
//! modules.

mod chromium;
mod firefox;

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use url::Url;

use crate::installed;

use self::chromium::Chromium;
use self::firefox::Firefox;

/// The variable that says which browser the tests run in: `chromium`, which is the default, or
/// `firefox`.
pub const BROWSER: &str = "VIEWER_TEST_BROWSER";

/// The name under which WebDriver answers an element's id.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A headless browser with one page.
pub struct Browser(Option<Box<dyn Session>>);

/// The browsers of this process.
struct Pool {
    /// Those that no test has.
    idle: Vec<Box<dyn Session>>,
    /// How many tests have one.
    in_use: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { idle: Vec::new(), in_use: 0 });

impl fmt::Debug for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser").finish_non_exhaustive()
    }
}

/// A browser's session, in the words of its own protocol. The browser ends with it.
trait Session: Send {
    /// Makes the browser as if it had just been started.
    fn renew(&mut self) -> Result<(), String>;
    /// The answer to a command of WebDriver.
    fn send(&self, command: &Command<'_>) -> Result<Json, String>;
    /// Makes the system's setting for dark or light be this.
    fn prefer(&self, scheme: &str);
    /// Makes the page this large.
    fn resize(&self, width: u32, height: u32);
    /// The errors of the page's console so far.
    fn complaints(&self) -> Vec<String>;
}

/// The commands of WebDriver that the tests need.
enum Command<'a> {
    Go(&'a str),
    Reload,
    Address,
    Run(&'a str),
    Find(&'a str),
    Focused,
    Click(&'a str),
    Type(&'a str, &'a str),
    Screenshot,
}

/// A key that writes no character, as WebDriver writes it.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    /// To the next element.
    Tab,
    /// The button or the link.
    Enter,
    /// Away from here.
    Escape,
    /// To the last.
    End,
    /// To the first.
    Home,
    /// An arrow.
    Left,
    /// An arrow.
    Up,
    /// An arrow.
    Right,
    /// An arrow.
    Down,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = match self {
            Self::Tab => '\u{e004}',
            Self::Enter => '\u{e007}',
            Self::Escape => '\u{e00c}',
            Self::End => '\u{e010}',
            Self::Home => '\u{e011}',
            Self::Left => '\u{e012}',
            Self::Up => '\u{e013}',
            Self::Right => '\u{e014}',
            Self::Down => '\u{e015}',
        };
        write!(f, "{code}")
    }
}

impl Browser {
    /// A browser; `None`, said plainly, where it is not installed.
    ///
    /// # Panics
    ///
    /// In CI, where both browsers have to be.
    #[expect(clippy::disallowed_methods, reason = "which browser it is, is a setting")]
    pub fn start() -> Option<Self> {
        let idle = pool().idle.pop();
        let session: Result<Box<dyn Session>, String> = match std::env::var(BROWSER).as_deref() {
            _ if idle.is_some() => idle.ok_or_else(String::new),
            Ok("firefox") => Firefox::start().map(|session| Box::new(session) as _),
            Ok("chromium") | Err(_) => Chromium::start().map(|session| Box::new(session) as _),
            Ok(other) => panic!("{BROWSER} is {other:?}: expected chromium or firefox"),
        };
        let session = installed(session)?;
        pool().in_use += 1;
        Some(Self(Some(session)))
    }

    /// Goes to this address.
    ///
    /// # Panics
    ///
    /// When the browser does not do it.
    pub fn goto(&self, url: &str) {
        self.send(&Command::Go(url)).unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// Goes to a path of the page that is open.
    ///
    /// # Panics
    ///
    /// When the browser does not do it.
    pub fn goto_path(&self, path: &str) {
        self.goto(self.url().join(path).expect("a path").as_str());
    }

    /// Loads the page again.
    ///
    /// # Panics
    ///
    /// When the browser does not do it.
    pub fn reload(&self) {
        self.send(&Command::Reload).unwrap_or_else(|error| panic!("loading again: {error}"));
    }

    /// The path and query of the page.
    ///
    /// # Panics
    ///
    /// When the browser does not do it.
    pub fn path(&self) -> String {
        let url = self.url();
        url.query().map_or_else(|| url.path().into(), |query| format!("{}?{query}", url.path()))
    }

    /// What the script returns; of a promise, what it becomes.
    ///
    /// # Panics
    ///
    /// When the browser does not do it.
    pub fn run(&self, script: &str) -> Json {
        self.send(&Command::Run(script)).unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits until the script returns `wanted`.
    ///
    /// # Panics
    ///
    /// When the browser does not do it.
    pub fn expect(&self, script: &str, wanted: impl Into<Json>) {
        let wanted = wanted.into();
        eventually(script, || {
            let got = self.run(script);
            if got == wanted { Ok(()) } else { Err(got) }
        });
    }

    /// Waits until the script returns `wanted`, a text of several lines that is easier to compare
    /// as such.
    ///
    /// # Panics
    ///
    /// When the browser does not do it.
    pub fn expect_text(&self, script: &str, wanted: &str) {
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
    ///
    /// # Panics
    ///
    /// When the browser does not do it.
    pub fn click(&self, css: &str) {
        eventually(css, || {
            let element = element(&self.send(&Command::Find(css))?);
            self.send(&Command::Click(&element))
        });
    }

    /// Types into the element that has the focus.
    ///
    /// # Panics
    ///
    /// When the browser does not do it.
    pub fn press(&self, keys: impl ToString) {
        let keys = keys.to_string();
        // A list that is just drawn anew has another element in the place of the focused one, or has not
        // placed it yet. Nothing has been typed then.
        eventually(&keys, || {
            let focused = self.send(&Command::Focused)?;
            match self.send(&Command::Type(&element(&focused), &keys)) {
                Err(error)
                    if ["stale element reference", "element not interactable"]
                        .iter()
                        .any(|why| error.contains(why)) =>
                {
                    Err(error)
                }
                Err(error) => panic!("{keys}: {error}"),
                Ok(_) => Ok(()),
            }
        });
    }

    /// Makes the system's setting for dark or light be this.
    ///
    /// # Panics
    ///
    /// When the browser does not do it.
    pub fn prefer(&self, scheme: &str) {
        self.session().prefer(scheme);
        self.expect(
            &format!("return matchMedia('(prefers-color-scheme: {scheme})').matches"),
            true,
        );
    }

    /// Makes the page this large, in CSS pixels.
    ///
    /// # Panics
    ///
    /// When the browser does not do it.
    pub fn resize(&self, width: u32, height: u32) {
        self.session().resize(width, height);
        self.expect("return [innerWidth, innerHeight]", json!([width, height]));
    }

    /// What the browser has complained of: exceptions, what the Content-Security-Policy refused.
    ///
    /// # Panics
    ///
    /// When the browser does not do it.
    pub fn complaints(&self) -> Vec<String> {
        self.session().complaints()
    }

    /// Writes what is in sight to a file, to be looked at.
    ///
    /// # Errors
    ///
    /// When the browser has no picture, or the file cannot be written.
    pub fn screenshot(&self, file: impl AsRef<Path>) -> Result<(), String> {
        let image = self.send(&Command::Screenshot)?;
        let bytes = STANDARD.decode(image.as_str().unwrap_or_default());
        let bytes = bytes.map_err(|error| error.to_string())?;
        std::fs::write(file, bytes).map_err(|error| error.to_string())
    }

    fn url(&self) -> Url {
        let address = self.send(&Command::Address).expect("an address");
        address.as_str().and_then(|address| address.parse().ok()).expect("an address")
    }

    fn send(&self, command: &Command<'_>) -> Result<Json, String> {
        self.session().send(command)
    }

    fn session(&self) -> &dyn Session {
        self.0.as_deref().expect("it is there until this is dropped")
    }
}

fn pool() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let thread = std::thread::current();
            let test = thread.name().unwrap_or("test").replace("::", ".");
            let picture = std::env::temp_dir().join(format!("{test}.png"));
            match self.screenshot(&picture) {
                Ok(()) => eprintln!("the page as it was: {}", picture.display()),
                Err(error) => eprintln!("no picture of the page: {error}"),
            }
        }
        let Some(mut session) = self.0.take() else { return };
        // After a panic the page may be anything.
        let is_good = !std::thread::panicking()
            && session.renew().inspect_err(|error| eprintln!("a browser ends: {error}")).is_ok();
        let mut pool = pool();
        pool.in_use -= 1;
        let mut ending = Vec::new();
        if is_good { &mut pool.idle } else { &mut ending }.push(session);
        if pool.in_use == 0 {
            ending.append(&mut pool.idle);
        }
        // Other tests need not wait for their ends.
        drop(pool);
        drop(ending);
    }
}

/// How long anything may take that a test of a page waits for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Calls `attempt` until it succeeds; what it said last is the failure.
///
/// # Panics
/// When it does not succeed within [`PATIENCE`].
pub fn eventually<T, E: fmt::Debug>(what: &str, mut attempt: impl FnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(last) => assert!(Instant::now() < deadline, "{what}: not yet, but {last:?}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The id of the element that was found.
fn element(found: &Json) -> String {
    found[ELEMENT].as_str().expect("an element").to_owned()
}
