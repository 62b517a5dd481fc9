//! Finds out whether a pooler stands between the store and PostgreSQL that lends each transaction
//! another connection of the server, as PgBouncer does with `pool_mode = transaction`.
//!
//! A pooler does not say so. But the process of the server that answers tells: on a connection of
//! one's own it is always the same, and no other connection has it. A pooler lends the connection that
//! came back last, or the one that has been idle for longest. In the first case a second client is
//! lent the connection that the first one has just given back. In the second case two questions of
//! one client are answered by different processes, if there are several.
//!
//! A pooler of one connection always lends that. A pooler in session mode, or none, is never mistaken
//! for one that lends by transaction.

use sqlx::{Executor as _, PgConnection, Row as _};

use super::error::DatabaseError;

/// Other clients of the pooler can take the connections that are expected here, so it is tried a few
/// times.
const ROUNDS: usize = 5;

/// The questions are sent without a name: a pooler would lend the name to others.
const PROCESS: &str = "SELECT pg_backend_pid()";

/// Whether there is one. The two connections are made by the same address.
pub(super) async fn is_there(
    one: &mut PgConnection,
    other: &mut PgConnection,
) -> Result<bool, DatabaseError> {
    let mine = process(one).await?;
    for _ in 0..ROUNDS {
        if process(one).await? != mine {
            return Ok(true);
        }
        // Within a transaction, so that the process is held while the first client asks again.
        other.execute("BEGIN").await?;
        let theirs = process(other).await?;
        if theirs == mine {
            other.execute("COMMIT").await?;
            return Ok(true);
        }
        let again = process(one).await?;
        other.execute("COMMIT").await?;
        if again != mine {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn process(connection: &mut PgConnection) -> Result<i32, DatabaseError> {
    Ok(connection.fetch_one(PROCESS).await?.try_get(0)?)
}
