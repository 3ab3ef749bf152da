//! `glioscope migrate`: brings the tables up to this version.

use serde::Serialize;

use crate::Outcome;
use crate::args::Migrate;
use crate::commands::place::block_on;
use crate::commands::store::Store;
use crate::show::{self, Show};

#[derive(Serialize)]
struct Migrated {
    steps: usize,
}

pub(crate) fn run(args: &Migrate, show: Show) -> anyhow::Result<Outcome> {
    let steps = block_on(async {
        let store = Store::at(args.place.config()?).await?;
        let steps = store.db.pending().await?;
        store.db.migrate().await?;
        store.db.close().await?;
        Ok(steps)
    })?;
    match (show.is_json(), steps) {
        (true, steps) => show::json(&Migrated { steps })?,
        (false, 0) => show::result("The tables are those of this version.")?,
        (false, steps) => show::result(&format!("The tables came up by {steps} steps."))?,
    }
    Ok(Outcome::Done)
}
