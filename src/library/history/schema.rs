//! The tables, version by version.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// `PRAGMA application_id` of our databases: "Wand".
const APPLICATION: i32 = 0x5761_6e64;
/// What made each version of the one before; the first makes an empty database version 1.
const STEPS: [&str; 2] = [V1, V2];
/// `PRAGMA user_version` of a database that this program writes.
pub(super) const VERSION: i32 = STEPS.len() as i32;

/// Lists are JSON. The indexes are for, in this order: the newest and the counts (nothing but the index is read),
/// runs like another, and whether an output is known.
const V1: &str = "
    CREATE TABLE tasks (
        id TEXT PRIMARY KEY NOT NULL,
        job INTEGER NOT NULL,
        status TEXT NOT NULL,
        created INTEGER NOT NULL,
        started INTEGER,
        ended INTEGER NOT NULL,
        prompt TEXT NOT NULL,
        mode TEXT,
        model TEXT NOT NULL,
        model_fingerprint TEXT,
        request TEXT NOT NULL,
        output TEXT,
        category TEXT,
        error TEXT,
        generation_time_s REAL,
        stages TEXT NOT NULL,
        steps TEXT NOT NULL,
        peak_rss_mb REAL,
        peak_vram_mb REAL,
        provider TEXT,
        precision TEXT,
        retries INTEGER NOT NULL,
        story TEXT NOT NULL,
        optimizations TEXT NOT NULL,
        warnings TEXT NOT NULL
    ) STRICT;
    CREATE INDEX tasks_ended ON tasks (ended, status, category, retries);
    CREATE INDEX tasks_like ON tasks (model_fingerprint, mode, provider, precision, ended)
        WHERE status = 'done';
    CREATE INDEX tasks_output ON tasks (output) WHERE output IS NOT NULL;
";

/// What was thought before the run.
const V2: &str = "
    ALTER TABLE tasks ADD COLUMN findings TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE tasks ADD COLUMN estimated_s REAL;
    ALTER TABLE tasks ADD COLUMN estimated_peak_mb REAL;
";

/// Why a database is not used.
pub(super) enum Unfit {
    /// It is damaged, or not ours.
    Damaged(String),
    /// A newer program made it this version.
    Newer(i32),
    /// It could not be looked at.
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Unfit {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) { Self::Damaged(error.to_string()) } else { Self::Failed(error) }
    }
}

/// Whether an error says that the file's bytes are wrong.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// Refuses a database that is not ours or too new; nothing is changed.
pub(super) fn check(connection: &Connection) -> Result<(), Unfit> {
    let version = version(connection)?;
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let is_empty: bool =
        connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
    if !is_empty && (application != APPLICATION || version < 1) {
        return Err(Unfit::Damaged("it is a database of another program".to_owned()));
    }
    if version > VERSION { Err(Unfit::Newer(version)) } else { Ok(()) }
}

/// Brings a database to [`VERSION`]; an empty one gets its tables.
pub(super) fn migrate(connection: &Connection) -> Result<(), Unfit> {
    if version(connection)? == VERSION {
        return Ok(());
    }
    // another process may be doing the same: whoever has the lock looks again
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    check(&transaction)?;
    let from = version(&transaction)?;
    for step in STEPS.iter().skip(usize::try_from(from).unwrap_or_default()) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(())
}

fn version(connection: &Connection) -> rusqlite::Result<i32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}
