//! Rows of models.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder};
use segment::artefact::{Artefact, Card};

use crate::db::{Db, Write, now};
use crate::entity::Json;
use crate::entity::model::{self, Column};
use crate::error::Problem;
use crate::ids::{ModelId, Sha};

/// Writes the model inside the program into the table, once; it is used unless somebody chose another.
///
/// # Errors
/// If the model inside the program is broken, or the database cannot be written.
pub async fn register_embedded(db: &Db) -> Result<(), Problem> {
    let sha = Sha::of(segment::artefact::DEFAULT);
    let known = model::Entity::find().filter(Column::Sha.eq(sha)).one(db).await?;
    if known.is_some_and(|row| row.embedded) && active(db).await?.is_some() {
        return Ok(());
    }
    let artefact = tokio::task::spawn_blocking(Artefact::embedded).await?.map_err(Problem::internal)?;
    let write = db.write().await?;
    // One of an older program cannot be used any more, since it lies in no file.
    model::Entity::update_many()
        .col_expr(Column::Active, Expr::value(false))
        .filter(Column::Embedded.eq(true))
        .exec(&write)
        .await?;
    insert(&write, sha, &artefact.card, Origin::Embedded).await?;
    if active(&write).await?.is_none() {
        model::Entity::update_many()
            .col_expr(Column::Active, Expr::value(true))
            .filter(Column::Sha.eq(sha))
            .exec(&write)
            .await?;
    }
    Ok(write.commit_unrecorded().await?)
}

/// Where a model lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Inside the program.
    Embedded,
    /// In a blob.
    Blob,
}

/// Writes a model, not active; one of the same hash is returned as it is.
pub(super) async fn insert(write: &Write, sha: Sha, card: &Card, origin: Origin) -> Result<model::Model, Problem> {
    if let Some(known) = model::Entity::find().filter(Column::Sha.eq(sha)).one(write).await? {
        return Ok(known);
    }
    let row = model::Model {
        id: ModelId::fresh(),
        name: card.name.chars().take(191).collect(),
        sha,
        card: Json::of(card),
        active: false,
        embedded: origin == Origin::Embedded,
        created_at: now(),
    };
    model::Entity::insert(row.clone().into_active_model()).exec_without_returning(write).await?;
    Ok(row)
}

/// The model that is used.
async fn active(on: &impl ConnectionTrait) -> Result<Option<model::Model>, DbErr> {
    model::Entity::find().filter(Column::Active.eq(true)).one(on).await
}

/// All models, youngest first.
pub(super) async fn all(on: &impl ConnectionTrait) -> Result<Vec<model::Model>, DbErr> {
    model::Entity::find().order_by_desc(Column::Id).all(on).await
}

/// Makes a model the one that is used.
pub(super) async fn activate(write: &Write, id: ModelId) -> Result<model::Model, Problem> {
    let row = model::Entity::find_by_id(id).one(write).await?.ok_or_else(|| Problem::not_found("model"))?;
    if row.embedded && row.sha != Sha::of(segment::artefact::DEFAULT) {
        return Err(Problem::field("active", "This model was inside an older version of the program and is gone."));
    }
    model::Entity::update_many().col_expr(Column::Active, Expr::col(Column::Id).eq(id)).exec(write).await?;
    Ok(model::Model { active: true, ..row })
}
