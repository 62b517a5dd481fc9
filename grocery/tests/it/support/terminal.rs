//! A program at a terminal, and what that shows.

use std::{
    fs::File,
    io::Read as _,
    sync::{Arc, Mutex},
    thread,
};

use nix::pty::openpty;
use testing::process::{Process, Program};

/// A running program whose standard output and standard error are a terminal.
pub(crate) struct Terminal {
    pub(crate) process: Process,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    pub(crate) fn start(program: Program) -> Self {
        let pty = openpty(None, None).unwrap();
        let terminal = File::from(pty.slave);
        let program = program.envs([("TERM", "dumb")]);
        let program = program.stdout(terminal.try_clone().unwrap()).stderr(terminal);
        let shown = Arc::<Mutex<Vec<u8>>>::default();
        thread::spawn({
            let (shown, mut terminal) = (Arc::clone(&shown), File::from(pty.master));
            move || {
                let mut bytes = [0; 4096];
                // It ends with an error when the other side is closed.
                while let Ok(count @ 1..) = terminal.read(&mut bytes) {
                    shown.lock().unwrap().extend_from_slice(&bytes[..count]);
                }
            }
        });
        Self { process: program.start(), shown }
    }

    /// What it has shown so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }
}
