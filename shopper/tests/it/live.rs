//! The live view on a real terminal: it appears, and the terminal is restored however the shopper
//! ends.

use std::{
    fs::File,
    io::Read as _,
    num::NonZero,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use nix::{
    pty::{Winsize, openpty},
    sys::signal::Signal,
};
use testing::process::Process;

use crate::{
    stub::Stub,
    support::{DEADLINE, end, shopper},
};

/// A shopper whose standard error is a terminal, and what that terminal shows.
struct Session {
    shopper: Process,
    screen: Arc<Mutex<vt100::Parser>>,
    reader: thread::JoinHandle<()>,
}

impl Session {
    fn start(store_url: &str, arguments: &[&str]) -> Self {
        let size = Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).unwrap();
        let shopper = shopper(store_url)
            .args(["--shoppers", "2", "--every", "20ms"])
            .args(arguments)
            .envs([("TERM", "xterm")])
            .stderr(File::from(pty.slave))
            .start();
        let (rows, columns) = (NonZero::new(24).unwrap(), NonZero::new(100).unwrap());
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let reader = thread::spawn({
            let (screen, mut terminal) = (Arc::clone(&screen), File::from(pty.master));
            move || {
                let mut bytes = [0; 4096];
                // Reading fails when the shopper has closed the other side.
                while let Ok(count @ 1..) = terminal.read(&mut bytes) {
                    screen.lock().unwrap().process(&bytes[..count]);
                }
            }
        });
        Self { shopper, screen, reader }
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Waits until the terminal shows `text`.
    async fn until_shown(&self, text: &str) {
        let shown = async {
            while !self.text().contains(text) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let shown = tokio::time::timeout(DEADLINE, shown).await;
        shown.unwrap_or_else(|_| panic!("{text:?} is not shown:\n{}", self.text()));
    }

    /// The terminal when the shopper has ended.
    async fn end(self) -> Arc<Mutex<vt100::Parser>> {
        let Self { shopper, screen, reader } = self;
        end(shopper).await;
        tokio::task::spawn_blocking(move || reader.join()).await.unwrap().unwrap();
        screen
    }
}

/// Nothing of the view is left, and all rows scroll again.
fn assert_restored(terminal: &Mutex<vt100::Parser>, way: &str) {
    let mut terminal = terminal.lock().unwrap();
    let text = terminal.screen().contents();
    assert!(!text.contains("shopping for") && !text.contains("whole run"), "{way}:\n{text}");
    assert!(!terminal.screen().hide_cursor(), "{way}: the cursor is hidden");
    for n in 0..60 {
        terminal.process(format!("\r\nline {n}").as_bytes());
    }
    assert_eq!(terminal.screen().rows(0, 100).last().as_deref(), Some("line 59"), "{way}");
}

#[actix_web::test]
async fn however_the_shopper_ends_its_terminal_is_whole_again() {
    let stub = Stub::proper();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        let session = Session::start(&stub.url, &[]);
        session.until_shown("whole run").await;
        session.shopper.signal(signal);
        assert_restored(&*session.end().await, signal.as_str());
    }
    let session = Session::start(&stub.url, &["--duration", "4s"]);
    session.until_shown("whole run").await;
    assert_restored(&*session.end().await, "the end of the run");
}

#[actix_web::test]
async fn a_quiet_shopper_draws_nothing() {
    let stub = Stub::proper();
    for arguments in [["--trips", "3", "--quiet"], ["--trips", "3", "--term=dumb"]] {
        let terminal = Session::start(&stub.url, &arguments).end().await;
        let text = terminal.lock().unwrap().screen().contents();
        assert!(text.starts_with("telemetry: "), "{arguments:?}: {text}");
    }
}
