//! Streams that are full and are not read, so that a process that writes to one waits at once.

use std::{
    io::{ErrorKind, Write},
    os::fd::{AsFd, OwnedFd},
    process::Stdio,
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    pty::openpty,
};

/// A stream that is full until this is dropped.
#[derive(Debug)]
pub struct Unread {
    writer: OwnedFd,
    _reader: OwnedFd,
}

impl Unread {
    /// A pipe, like one to a log agent that is stuck.
    ///
    /// # Panics
    /// When the system gives none.
    pub fn pipe() -> Self {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        Self::filled(reader.into(), writer.into())
    }

    /// A terminal, like one whose window is frozen.
    ///
    /// # Panics
    /// When the system gives none.
    pub fn terminal() -> Self {
        let terminal = openpty(None, None).expect("a terminal");
        Self::filled(terminal.master, terminal.slave)
    }

    /// The stream, as the standard output or error of a process.
    ///
    /// # Panics
    /// When there are no more descriptors.
    pub fn stdio(&self) -> Stdio {
        self.writer.try_clone().expect("a descriptor").into()
    }

    fn filled(reader: OwnedFd, writer: OwnedFd) -> Self {
        let flags = |flags| fcntl(writer.as_fd(), FcntlArg::F_SETFL(flags)).expect("its flags");
        let mut file = std::fs::File::from(writer.try_clone().expect("a descriptor"));
        flags(OFlag::O_NONBLOCK);
        // Single bytes last, because a pipe may have room for a byte but not for a larger piece.
        for piece in [&[b'.'; 1024][..], b"."] {
            while !matches!(file.write(piece), Err(error) if error.kind() == ErrorKind::WouldBlock)
            {
            }
        }
        flags(OFlag::empty());
        Self { writer, _reader: reader }
    }
}
