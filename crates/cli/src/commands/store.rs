//! The store of a server, for commands that work on it while the server may run.

use anyhow::bail;
use server::accounts::Person;
use server::audit::{Action, Audit, Kind, Object};
use server::config::Config;
use server::db::Db;
use server::files::Files;

use crate::args::Place;

/// Database and files.
pub(crate) struct Store {
    pub(crate) db: Db,
    pub(crate) files: Files,
}

impl Store {
    /// Opens what is there already.
    ///
    /// # Errors
    /// If there is nothing, or of another version: only `serve` and `migrate` make and change tables.
    pub(crate) async fn open(place: &Place) -> anyhow::Result<Self> {
        let config = place.config()?;
        if !config.files_folder().is_dir() {
            bail!(
                "{}: there is no store here; name its folder with --data DIR, or make one with `glioscope serve` or \
                 `glioscope migrate`",
                config.data.display()
            );
        }
        let store = Self::at(config).await?;
        match store.db.pending().await? {
            0 => Ok(store),
            n => bail!(
                "the database is older than this version of the program ({n} steps); make a backup with the older version, \
                 then bring it up with `glioscope migrate`"
            ),
        }
    }

    /// Opens or makes it; tables are as they are.
    pub(crate) async fn at(config: Config) -> anyhow::Result<Self> {
        server::app::make_folder(&config.data)?;
        let db = Db::connect(&config.location()).await?;
        let files = Files::open(&config.files_folder())?;
        Ok(Self { db, files })
    }

    /// Writes into the audit log that the command line did this to everything.
    ///
    /// # Errors
    /// What cannot be recorded must not be done.
    pub(crate) async fn record(&self, action: Action, what: &str) -> anyhow::Result<()> {
        let object = Object::all(Kind::Cohort).with(serde_json::json!({"command": what}));
        let audit = Audit::open(self.db.clone());
        Ok(audit.record(&Person::command_line(), action, object).await?)
    }
}
