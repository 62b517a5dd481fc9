//! Makes room for the open files of a run: each connection is one.

use std::{io, num::NonZeroU32};

use nix::{
    fcntl::{FcntlArg, fcntl},
    libc::c_int,
    sys::resource::{Resource, getrlimit},
    unistd::close,
};

/// How many files a process has open beside its connections, at most.
const OTHER_FILES: u64 = 64;

/// Makes the system's table of open files large enough for so many connections, before the run.
///
/// Otherwise the table would grow during the run, each time to twice its size. On Linux a process
/// with several threads waits about ten milliseconds for that, and then all trips that were due in
/// this time would start at once.
pub(crate) fn make_room(connections: NonZeroU32) {
    if let Err(error) = try_make_room(connections) {
        tracing::warn!(name: "shopper.open_files.limited", %error, "trips may start late when connections become many");
    }
}

fn try_make_room(connections: NonZeroU32) -> io::Result<()> {
    let (most_files, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let files = u64::from(connections.get()).saturating_add(OTHER_FILES).min(most_files);
    let highest = c_int::try_from(files.saturating_sub(1)).unwrap_or(c_int::MAX);
    // Opening a file with the highest number makes the table long enough. The file is not needed.
    close(fcntl(io::stderr(), FcntlArg::F_DUPFD_CLOEXEC(highest))?)?;
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_as_many_connections_as_asked_for_and_allowed() {
        let (most_files, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        for connections in [700, u32::MAX] {
            try_make_room(NonZeroU32::new(connections).unwrap()).unwrap();
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let size = status.lines().find_map(|line| line.strip_prefix("FDSize:")).unwrap();
            let size: u64 = size.trim().parse().unwrap();
            assert!(size >= most_files.min(connections.into()), "{size} of {connections}");
        }
    }
}
