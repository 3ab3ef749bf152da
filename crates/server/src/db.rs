//! The database: SQLite in the folder of the server, or MariaDB, MySQL or PostgreSQL; one way to use them all.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sea_orm::sqlx::Executor as _;
use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    ExecResult, IsolationLevel, QueryResult, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::{MigratorTrait, async_trait};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::migration::Migrator;

/// The SQLite file's name in the folder of the server.
pub const FILE: &str = "glioscope.db";

/// How long a writer waits for another process (SQLite).
const PATIENCE: Duration = Duration::from_secs(20);

/// The time, in ms since 1970.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// Where the database is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Location {
    /// A SQLite file.
    File(PathBuf),
    /// A server: `mysql://` or `postgres://`; holds a password, so it is never shown.
    Server(String),
}

impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Server(url) => write!(f, "Server({}://...)", url.split(':').next().unwrap_or_default()),
        }
    }
}

impl Location {
    /// What the configuration says: a URL, or nothing for a file in `folder`.
    pub fn of(url: Option<&str>, folder: &Path) -> Self {
        match url {
            None => Self::File(folder.join(FILE)),
            Some(url) => match url.strip_prefix("sqlite:") {
                Some(path) => {
                    let path = path.strip_prefix("//").unwrap_or(path);
                    let path = path.rsplit_once("?mode=").map_or(path, |(path, _)| path); // as other programs write it
                    Self::File(PathBuf::from(path))
                }
                None => Self::Server(url.to_owned()),
            },
        }
    }
}

/// A pool of connections. It is a connection itself: single statements run on it.
#[derive(Clone, Debug)]
pub struct Db {
    connection: DatabaseConnection,
    /// SQLite has one writer; those of this process queue up in order instead of polling for the file's lock.
    writer: Arc<Mutex<()>>,
}

impl Db {
    /// Connects; makes the file if there is none. Tables are made by [`Db::migrate`].
    ///
    /// # Errors
    /// If the database cannot be reached or opened.
    pub fn connect(location: &Location) -> BoxFuture<'_, Result<Self, DbErr>> {
        Box::pin(async move {
            let mut options = match location {
                Location::File(path) => {
                    make_private(path);
                    sqlite(path.clone())
                }
                Location::Server(url) => server(url),
            };
            options.sqlx_logging(false).record_stmt_in_spans(false); // statements hold names
            let connection = Box::pin(Database::connect(options)).await?;
            Ok(Self { connection, writer: Arc::default() })
        })
    }

    /// Brings the tables up to this version of the program.
    ///
    /// # Errors
    /// Those of the database.
    pub fn migrate(&self) -> BoxFuture<'_, Result<(), DbErr>> {
        Box::pin(async move { Migrator::up(&self.connection, None).await })
    }

    /// Steps that [`Db::migrate`] would take.
    ///
    /// # Errors
    /// Those of the database.
    pub fn pending(&self) -> BoxFuture<'_, Result<usize, DbErr>> {
        Box::pin(async move { Ok(Migrator::get_pending_migrations_read_only(&self.connection).await?.len()) })
    }

    /// Which kind of database it is.
    pub fn backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }

    /// Begins to write: all of it is there after [`crate::audit::commit`] or [`Write::commit_unrecorded`], nothing if it is
    /// dropped before.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn write(&self) -> Result<Write, DbErr> {
        let is_file = self.backend() == DbBackend::Sqlite;
        let turn = if is_file { Some(Arc::clone(&self.writer).lock_owned().await) } else { None };
        // A transaction that reads first and writes later can fail in SQLite without waiting; an immediate one waits.
        let sqlite_transaction_mode = turn.as_ref().map(|_| SqliteTransactionMode::Immediate);
        let options = TransactionOptions { sqlite_transaction_mode, ..TransactionOptions::default() };
        let transaction = self.connection.begin_with_options(options).await?;
        Ok(Write { transaction, _turn: turn })
    }

    /// Begins to read: all that is read is of one moment, and nothing is held up by it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn snapshot(&self) -> Result<DatabaseTransaction, DbErr> {
        if self.backend() == DbBackend::Sqlite {
            return self.connection.begin().await;
        }
        let (level, access) = (IsolationLevel::RepeatableRead, AccessMode::ReadOnly);
        self.connection.begin_with_config(Some(level), Some(access)).await
    }

    /// Closes every connection.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn close(self) -> Result<(), DbErr> {
        self.connection.close().await
    }
}

/// The database's time, in ms since 1970: leases of workers on several machines end by one clock.
///
/// # Errors
/// Those of the database.
pub async fn clock(on: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let backend = on.get_database_backend();
    let sql = match backend {
        DbBackend::MySql => "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED) AS t",
        DbBackend::Postgres => "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT) AS t",
        DbBackend::Sqlite | _ => return Ok(now()), // the database is a file of this machine
    };
    let row = on.query_one_raw(Statement::from_string(backend, sql)).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("the time".to_owned()))?.try_get("", "t")
}

/// A transaction that writes.
#[derive(Debug)]
pub struct Write {
    transaction: DatabaseTransaction,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Write {
    /// Makes it so without an entry in the audit log: for what no person did to patients' data, such as leases and visits.
    /// What a person did is committed by [`crate::audit::commit`].
    ///
    /// # Errors
    /// Those of the database; nothing was written then.
    pub async fn commit_unrecorded(self) -> Result<(), DbErr> {
        self.transaction.commit().await
    }
}

macro_rules! connection_through {
    ($of:ty, $field:ident) => {
        #[async_trait::async_trait]
        impl ConnectionTrait for $of {
            fn get_database_backend(&self) -> DbBackend {
                self.$field.get_database_backend()
            }

            async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
                self.$field.execute_raw(statement).await
            }

            async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
                self.$field.execute_unprepared(sql).await
            }

            async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
                self.$field.query_one_raw(statement).await
            }

            async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
                self.$field.query_all_raw(statement).await
            }
        }
    };
}

connection_through!(Db, connection);
connection_through!(Write, transaction);

/// Makes the file for its owner alone, whoever may look into its folder: it holds names. SQLite gives the files beside
/// it the same rights. If it cannot be made, connecting says why.
fn make_private(path: &Path) {
    std::fs::File::options().append(true).create(true).mode(0o600).open(path).ok();
}

fn sqlite(path: PathBuf) -> ConnectOptions {
    let mut options = ConnectOptions::new("sqlite:");
    options.max_connections(8).min_connections(1).test_before_acquire(false).acquire_timeout(PATIENCE);
    options.map_sqlx_sqlite_opts(move |sqlite| {
        sqlite
            .filename(&path)
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .row_buffer_size(256) // a page comes over from SQLite's thread without waiting for us to read it
            .pragma("journal_mode", "WAL") // readers and the writer do not wait for each other
            .pragma("synchronous", "FULL") // a power cut loses nothing that was answered
            .pragma("secure_delete", "ON") // names that are forgotten do not stay in free pages
            .pragma("trusted_schema", "OFF")
    });
    options
}

fn server(url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options.max_connections(16).min_connections(1).acquire_timeout(PATIENCE);
    options.map_sqlx_mysql_pool_opts(|pool| {
        // MySQL's own default sees old rows in a transaction and locks the gaps between new ones.
        pool.after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
                Ok(())
            })
        })
    });
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[tokio::test]
    async fn what_is_in_the_file_is_its_owners_and_goes_when_it_is_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::connect(&Location::of(None, folder.path())).await.unwrap();
        db.migrate().await.unwrap();
        for name in [FILE.to_owned(), format!("{FILE}-wal")] {
            let mode = std::fs::metadata(folder.path().join(&name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
        }
        db.execute_unprepared("INSERT INTO setting (name, value) VALUES ('x', 'Kim Unforgotten')").await.unwrap();
        db.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
        let holds = || std::fs::read(folder.path().join(FILE)).unwrap().windows(11).any(|part| part == b"Unforgotten");
        assert!(holds(), "it was written");
        db.execute_unprepared("DELETE FROM setting").await.unwrap();
        db.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
        assert!(!holds(), "it is gone");
    }

    #[test]
    fn a_url_says_where() {
        let folder = Path::new("/data");
        assert_eq!(Location::of(None, folder), Location::File("/data/glioscope.db".into()));
        assert_eq!(Location::of(Some("sqlite:///x/y?.db"), folder), Location::File("/x/y?.db".into()));
        assert_eq!(Location::of(Some("sqlite:///x/y.db?mode=rwc"), folder), Location::File("/x/y.db".into()));
        assert_eq!(Location::of(Some("mysql://h/d"), folder), Location::Server("mysql://h/d".into()));
    }
}
