//! The chain of hashes: how entries are appended, and how it is verified.

use sea_orm::ActiveValue::{NotSet, Set};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, SqlErr,
};
use sha2::{Digest as _, Sha256};

use super::Entry;
use crate::db::{Db, Write, now};
use crate::entity::{Json, audit, setting};
use crate::ids::Sha;

/// Before the first entry.
fn origin() -> String {
    Sha([0; 32]).to_string()
}

/// A transaction that met another one is tried again so often.
const TRIES: usize = 20;

/// The setting whose row is held by whoever appends, so that nobody else reads the same end of the chain.
const END: &str = "audit_end";

/// Appends entries in a transaction of their own.
pub(super) async fn append(db: &Db, entries: &[Entry]) -> Result<(), DbErr> {
    let mut tries = 1;
    loop {
        match try_append(db, entries).await {
            Err(error) if tries < TRIES && is_overtaken(&error) => tries += 1,
            outcome => return outcome,
        }
    }
}

fn is_overtaken(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
        || error.to_string().to_lowercase().contains("deadlock")
}

async fn try_append(db: &Db, entries: &[Entry]) -> Result<(), DbErr> {
    let write = db.write().await?;
    put(&write, entries).await?;
    write.commit_unrecorded().await
}

/// Appends entries within a transaction, which holds the chain's end until it ends. So it comes last, right before the
/// commit: whoever waited for another row meanwhile could wait for ever.
pub(super) async fn put(write: &Write, entries: &[Entry]) -> Result<(), DbErr> {
    hold_end(write).await?;
    let last = audit::Entity::find().order_by_desc(audit::Column::Id).one(write).await?;
    let mut previous = last.map_or_else(origin, |last| last.hash);
    let at = now();
    let mut rows = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut row = audit::Model {
            id: 0,
            at,
            user_key: entry.user_key.clone(),
            action: entry.action.as_str().to_owned(),
            object_kind: entry.object.kind.as_str().to_owned(),
            object_id: entry.object.id.clone().unwrap_or_default(),
            detail: Json(entry.object.detail.clone()),
            previous_hash: previous.clone(),
            hash: String::new(),
        };
        row.hash = hash(&row);
        previous.clone_from(&row.hash);
        rows.push(audit::ActiveModel {
            id: NotSet,
            at: Set(row.at),
            user_key: Set(row.user_key),
            action: Set(row.action),
            object_kind: Set(row.object_kind),
            object_id: Set(row.object_id),
            detail: Set(row.detail),
            previous_hash: Set(row.previous_hash),
            hash: Set(row.hash),
        });
    }
    audit::Entity::insert_many(rows).exec_without_returning(write).await?;
    Ok(())
}

async fn hold_end(write: &Write) -> Result<(), DbErr> {
    if write.get_database_backend() == DbBackend::Sqlite {
        return Ok(()); // one transaction writes at a time
    }
    let end = setting::ActiveModel { name: Set(END.to_owned()), value: Set(String::new()) };
    let known = OnConflict::column(setting::Column::Name).update_column(setting::Column::Name).to_owned();
    setting::Entity::insert(end).on_conflict(known).exec_without_returning(write).await?;
    Ok(())
}

/// Over every field but the number, each with its length before it, so that no two entries read alike.
fn hash(row: &audit::Model) -> String {
    let (at, detail) = (row.at.to_string(), row.detail.to_string());
    let mut sha = Sha256::new();
    let fields = [&row.previous_hash, &at, &row.user_key, &row.action, &row.object_kind, &row.object_id, &detail];
    for field in fields {
        sha.update((field.len() as u64).to_le_bytes());
        sha.update(field.as_bytes());
    }
    Sha(sha.finalize().into()).to_string()
}

/// What the chain says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Entries that were read.
    pub entries: u64,
    /// The first entry that does not fit.
    pub broken: Option<Broken>,
    /// The hash of the last entry: noted elsewhere, it shows later that the end was not cut off.
    pub last: String,
}

/// Where the chain breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// This entry is not as it was written.
    Changed(i64),
    /// Entries before this one are gone, or were put in.
    Cut(i64),
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Changed(id) => write!(f, "entry {id} of the audit log is not as it was written"),
            Self::Cut(id) => write!(f, "entries before entry {id} of the audit log were removed or put in"),
        }
    }
}

/// Entries read at once.
const PART: u64 = 1000;

/// Reads the whole log and says whether it is as it was written.
///
/// # Errors
/// Those of the database.
pub async fn verify(db: &Db) -> Result<Verdict, DbErr> {
    let mut verdict = Verdict { entries: 0, broken: None, last: origin() };
    let mut after = i64::MIN;
    loop {
        let part = audit::Entity::find()
            .filter(audit::Column::Id.gt(after))
            .order_by_asc(audit::Column::Id)
            .limit(PART)
            .all(db)
            .await?;
        let Some(end) = part.last() else { return Ok(verdict) };
        after = end.id;
        for row in part {
            verdict.entries += 1;
            let broken = if row.previous_hash != verdict.last {
                Some(Broken::Cut(row.id))
            } else if hash(&row) != row.hash {
                Some(Broken::Changed(row.id))
            } else {
                None
            };
            verdict.broken = verdict.broken.or(broken);
            verdict.last = row.hash;
        }
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait;
    use serde_json::json;

    use super::super::{Action, Kind, Object};
    use super::*;
    use crate::db::Location;

    async fn log_of(n: usize) -> (tempfile::TempDir, Db) {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::connect(&Location::of(None, folder.path())).await.unwrap();
        db.migrate().await.unwrap();
        for part in 0..n {
            let detail = json!({"text": "'; DROP TABLE audit; --", "share": 0.1 + 0.2, "n": part});
            let object = Object::one(Kind::Study, part).with(detail);
            let entry = Entry { user_key: "kim".to_owned(), action: Action::Read, object };
            append(&db, &[entry.clone(), entry]).await.unwrap();
        }
        (folder, db)
    }

    #[tokio::test]
    async fn an_untouched_log_is_whole() {
        let (_folder, db) = log_of(3).await;
        let verdict = verify(&db).await.unwrap();
        assert_eq!((verdict.entries, verdict.broken), (6, None));
    }

    #[tokio::test]
    async fn a_touched_log_says_where() {
        let cases = [
            ("UPDATE audit SET user_key = 'lee' WHERE id = 4", Broken::Changed(4)),
            ("UPDATE audit SET at = at + 1 WHERE id = 2", Broken::Changed(2)),
            ("UPDATE audit SET detail = '{}' WHERE id = 6", Broken::Changed(6)),
            ("DELETE FROM audit WHERE id = 3", Broken::Cut(4)),
            ("DELETE FROM audit WHERE id = 1", Broken::Cut(2)),
        ];
        for (sql, broken) in cases {
            let (_folder, db) = log_of(3).await;
            db.execute_unprepared(sql).await.unwrap();
            assert_eq!(verify(&db).await.unwrap().broken, Some(broken), "{sql}");
        }
    }

    #[tokio::test]
    async fn two_processes_make_one_chain() {
        let (folder, first) = log_of(1).await;
        let second = Db::connect(&Location::of(None, folder.path())).await.unwrap();
        let write = |db: Db| async move {
            for n in 0..20 {
                let entry = Entry { user_key: "kim".into(), action: Action::List, object: Object::one(Kind::Study, n) };
                append(&db, &[entry]).await.unwrap();
            }
        };
        tokio::join!(write(first.clone()), write(second));
        let verdict = verify(&first).await.unwrap();
        assert_eq!((verdict.entries, verdict.broken), (42, None));
    }
}
