//! `glioscope restore`: a backup into an empty store.

use server::accounts::Person;
use server::upkeep::{RestoreReport, restore};

use crate::Outcome;
use crate::args::Restore;
use crate::commands::place::block_on;
use crate::commands::store::Store;
use crate::show::{self, Show};

pub(crate) fn run(args: &Restore, show: Show) -> anyhow::Result<Outcome> {
    let report = block_on(async {
        let store = Store::at(args.place.config()?).await?;
        let report = restore(&store.db, &store.files, &args.folder, &Person::command_line()).await?;
        store.db.close().await?;
        Ok(report)
    })?;
    for sha in &report.missing {
        show::fault(format_args!("blob {sha} is not in the backup, or damaged there"));
    }
    if show.is_json() {
        show::json(&report)?;
    } else {
        let RestoreReport { rows, blobs, .. } = report;
        show::result(&format!("{rows} rows and {blobs} files are back. Everybody logs in anew."))?;
    }
    Ok(if report.missing.is_empty() { Outcome::Done } else { Outcome::Partly })
}
