//! What keeps a store healthy over the years: a look at everything, a copy elsewhere, the way back, and taking out the bin.

mod backup;
mod check;
mod purge;
mod refer;
mod restore;

use std::time::Duration;

use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::accounts::Person;
use crate::db::Db;
use crate::files::Files;

pub use backup::{BackupError, BackupReport, MANIFEST, Manifest, backup};
pub use check::{CheckReport, Finding, check};
pub use purge::{Ages, Purged, purge};
pub use restore::{RestoreError, RestoreReport, restore};

/// Takes out the bin, soon after the start and then every few hours, until `stop`.
pub async fn tend(db: Db, files: Files, ages: Ages, stop: CancellationToken) {
    let mut rounds = interval(Duration::from_hours(6));
    while stop.run_until_cancelled(rounds.tick()).await.is_some() {
        match purge(&db, &files, &Person::server(), ages).await {
            Ok(purged) if purged.is_nothing() => {}
            Ok(purged) => info!(
                studies = purged.studies,
                patients = purged.patients,
                uploads = purged.uploads,
                files = purged.files,
                "the bin was taken out"
            ),
            Err(error) => warn!(%error, "the bin was not taken out; next time"),
        }
    }
}
