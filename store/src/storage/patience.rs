//! How long the store waits for a database, whichever it is.

use std::time::Duration;

/// How long to wait for a connection. After that, a request is answered with 503.
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long to wait for the first connection, when no request waits for it: a busy machine may take
/// seconds to make a new file.
pub(super) const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait before trying again to open a file that another process has locked, or to connect
/// to a server that admits nobody just now.
pub(super) const PAUSE: Duration = Duration::from_millis(20);
