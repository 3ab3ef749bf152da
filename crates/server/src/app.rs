//! What every handler may use.

use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use sea_orm::DbErr;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::accounts::Accounts;
use crate::audit::Audit;
use crate::config::Config;
use crate::db::Db;
use crate::error::Problem;
use crate::events::Events;
use crate::files::Files;
use crate::frame::limits::Limiter;
use crate::studies::pictures::Pictures;
use crate::uploads::Rooms;

/// The application as a value: a test calls it without a socket.
#[derive(Clone, Debug)]
pub struct App {
    /// The database.
    pub db: Db,
    /// Images and masks, named by their hash.
    pub files: Files,
    /// The settings.
    pub config: Arc<Config>,
    /// What happens, told to open pages.
    pub events: Events,
    /// The way into the audit log.
    pub audit: Audit,
    /// Passwords, throttling, the one-time link.
    pub accounts: Arc<Accounts>,
    /// How much one person may ask for.
    pub limiter: Arc<Limiter>,
    /// Volumes and small pictures that were read lately.
    pub pictures: Arc<Pictures>,
    /// What is on its way into uploads.
    pub rooms: Rooms,
    /// Held by whoever makes the demo.
    pub demo: Arc<Mutex<()>>,
    /// Cancelled when the server is asked to end: streams end then.
    pub closing: CancellationToken,
}

/// Why the application cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made or written.
    #[error("{}: the data folder cannot be used: {source}", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database cannot be reached.
    #[error("the database cannot be used: {0}")]
    Database(#[from] DbErr),
    /// The machine gives no randomness.
    #[error("no secret can be made: {0}")]
    Secret(Problem),
}

impl App {
    /// Opens the data folder and the database, and brings its tables up to date.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(config: Config) -> BoxFuture<'static, Result<Self, OpenError>> {
        Box::pin(async move {
            make_folder(&config.data)?;
            let db = Db::connect(&config.location()).await?;
            db.migrate().await?;
            let folder = config.files_folder();
            let files = Files::open(&folder).map_err(|source| OpenError::Folder { folder, source })?;
            Ok(Self {
                audit: Audit::open(db.clone()),
                db,
                files,
                events: Events::open(),
                accounts: Arc::new(Accounts::open().map_err(OpenError::Secret)?),
                limiter: Arc::new(Limiter::of(&config.limits)),
                config: Arc::new(config),
                pictures: Arc::new(Pictures::open()),
                rooms: Rooms::default(),
                demo: Arc::default(),
                closing: CancellationToken::new(),
            })
        })
    }
}

/// Makes the data folder for its owner alone: it holds images of patients.
///
/// # Errors
/// [`OpenError::Folder`].
pub fn make_folder(folder: &Path) -> Result<(), OpenError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| OpenError::Folder { folder: folder.to_owned(), source })
}
