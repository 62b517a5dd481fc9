//! Signals that would end or stop the process at once, and leave its terminal with a view that
//! nobody draws any more.
//!
//! SIGINT, SIGTERM and SIGHUP are not among them: they end the run in good order, and its view with it.

use signal_hook::consts::{SIGQUIT, SIGTSTP};
use signal_hook::low_level::emulate_default_handler;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Holds the signals up while it lives, so that the view can be taken away first.
#[derive(Debug)]
pub(super) struct Interruptions {
    /// The last signal that came; 0 is none.
    came: Arc<AtomicUsize>,
    /// Set when nobody holds the signals up any more: they do what they do by default.
    over: Arc<AtomicBool>,
}

/// A signal that waits to be obeyed.
#[derive(Debug)]
pub(super) struct Interruption(i32);

impl Interruptions {
    pub(super) fn register() -> io::Result<Self> {
        let (came, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        for signal in [SIGQUIT, SIGTSTP] {
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&over))?;
            signal_hook::flag::register_usize(signal, Arc::clone(&came), signal as usize)?;
        }
        Ok(Interruptions { came, over })
    }

    /// The signal that came since the last call.
    pub(super) fn take(&self) -> Option<Interruption> {
        let signal = i32::try_from(self.came.swap(0, Ordering::AcqRel)).ok()?;
        (signal != 0).then_some(Interruption(signal))
    }
}

impl Drop for Interruptions {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
    }
}

impl Interruption {
    /// Does what the signal does by default: the process ends, or stops until it is continued.
    pub(super) fn obey(self) -> io::Result<()> {
        emulate_default_handler(self.0)
    }
}
