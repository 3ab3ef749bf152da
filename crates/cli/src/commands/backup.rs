//! `glioscope backup`: a copy of everything, while the server runs.

use server::audit::Action;
use server::upkeep::{BackupReport, backup};

use crate::Outcome;
use crate::args::Backup;
use crate::commands::place::block_on;
use crate::commands::store::Store;
use crate::show::{self, Show};

pub(crate) fn run(args: &Backup, show: Show) -> anyhow::Result<Outcome> {
    let report = block_on(async {
        let store = Store::open(&args.place).await?;
        store.record(Action::Export, "backup").await?;
        let report = backup(&store.db, &store.files, &args.folder).await?;
        store.db.close().await?;
        Ok(report)
    })?;
    tell(args, &report, show)?;
    Ok(if report.damaged.is_empty() { Outcome::Done } else { Outcome::Partly })
}

fn tell(args: &Backup, report: &BackupReport, show: Show) -> anyhow::Result<()> {
    for sha in &report.damaged {
        show::fault(format_args!("blob {sha} is missing or damaged, so the backup lacks it; see `glioscope check`"));
    }
    if show.is_json() {
        return show::json(report);
    }
    let BackupReport { rows, copied, kept, .. } = report;
    show::result(&format!(
        "{}: {rows} rows, {copied} files copied, {kept} were there already.\n\
         It holds images of patients: keep it as safe as the server.",
        args.folder.display()
    ))
}
