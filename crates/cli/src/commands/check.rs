//! `glioscope check`: reads every file of the store, compares it with its hash, and looks for what lacks something.

use server::upkeep::{CheckReport, check};

use crate::Outcome;
use crate::args::Check;
use crate::commands::place::block_on;
use crate::commands::store::Store;
use crate::show::{self, Show};

pub(crate) fn run(args: &Check, show: Show) -> anyhow::Result<Outcome> {
    let report = block_on(async {
        let store = Store::open(&args.place).await?;
        let report = check(&store.db, &store.files).await?;
        store.db.close().await?;
        Ok(report)
    })?;
    if show.is_json() {
        show::json(&report)?;
    } else {
        tell(&report)?;
    }
    Ok(if report.findings.is_empty() { Outcome::Done } else { Outcome::Partly })
}

fn tell(report: &CheckReport) -> anyhow::Result<()> {
    for finding in &report.findings {
        show::fault(finding);
    }
    let CheckReport { blobs, bytes, unreferenced, audit_entries, findings } = report;
    show::result(&format!(
        "{blobs} files with {:.1} MB read, {unreferenced} of them used by nothing (they go by themselves); \
         {audit_entries} entries in the audit log; {}.",
        *bytes as f64 / 1e6,
        match findings.len() {
            0 => "all is well".to_owned(),
            1 => "1 fault".to_owned(),
            n => format!("{n} faults"),
        }
    ))
}
