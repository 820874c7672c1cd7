//! The database schema and its migrations.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// `PRAGMA application_id` of the database: "Wand".
const APPLICATION: i32 = 0x5761_6e64;
/// Migration statements: the first creates version 1 in an empty database, each further one migrates to the next
/// version.
const STEPS: [&str; 5] = [V1, V2, V3, V4, V5];
/// Schema version that this program writes (`PRAGMA user_version`).
pub(super) const VERSION: i32 = STEPS.len() as i32;

/// Lists are stored as JSON. The indexes serve, in this order: the newest entries and the counts (a covering index),
/// comparable runs, and the search for an output.
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

/// Estimates of the preflight.
const V2: &str = "
    ALTER TABLE tasks ADD COLUMN findings TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE tasks ADD COLUMN estimated_s REAL;
    ALTER TABLE tasks ADD COLUMN estimated_peak_mb REAL;
";

/// Checks of the finished file.
const V3: &str = "
    ALTER TABLE tasks ADD COLUMN checks TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE tasks ADD COLUMN suggestions TEXT NOT NULL DEFAULT '[]';
";

/// What a step cache saved.
const V4: &str = "
    ALTER TABLE tasks ADD COLUMN step_cache TEXT NOT NULL DEFAULT 'null';
";

/// Groups of jobs, such as sweeps: the group's id, and its place in it as JSON.
const V5: &str = "
    ALTER TABLE tasks ADD COLUMN group_id TEXT;
    ALTER TABLE tasks ADD COLUMN job_group TEXT;
    CREATE INDEX tasks_group ON tasks (group_id) WHERE group_id IS NOT NULL;
";

/// Why a database cannot be used.
pub(super) enum Unfit {
    /// It is damaged or belongs to another program.
    Damaged(String),
    /// It has a newer schema version, written by a newer program.
    Newer(i32),
    /// It could not be read.
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Unfit {
    fn from(error: rusqlite::Error) -> Self {
        if is_damage(&error) { Self::Damaged(error.to_string()) } else { Self::Failed(error) }
    }
}

/// Whether an error means that the file is damaged.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// Rejects a database of another program or a newer version, without changing it.
pub(super) fn check(connection: &Connection) -> Result<(), Unfit> {
    let version = version(connection)?;
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let is_empty: bool =
        connection.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
    if !is_empty && (application != APPLICATION || version < 1) {
        return Err(Unfit::Damaged("it is a database of another program".to_owned()));
    }
    if version > VERSION {
        return Err(Unfit::Newer(version));
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'tasks')";
    let has_table: bool = connection.query_row(sql, [], |row| row.get(0))?;
    if is_empty && version == 0 || has_table {
        Ok(())
    } else {
        Err(Unfit::Damaged("its table of jobs is missing".to_owned()))
    }
}

/// Migrates a database to [`VERSION`], and creates the tables of an empty one.
pub(super) fn migrate(connection: &Connection) -> Result<(), Unfit> {
    if version(connection)? == VERSION {
        return Ok(());
    }
    // another process may have migrated it in the meantime, so the version is read again under the lock
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
