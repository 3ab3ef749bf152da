//! Models, segmentations, measurements, jobs, drafts.
#![expect(elided_lifetimes_in_paths, reason = "the trait, expanded, has no name for this lifetime")]

use sea_orm_migration::prelude::*;

use super::{Index, Tables, belongs, big, id, reference, sha, word};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let tables = Tables::of(schema);
        model(&tables).await?;
        segmentation(&tables).await?;
        measurement(&tables).await?;
        job(&tables).await?;
        draft(&tables).await
    }
}

async fn model(tables: &Tables<'_>) -> Result<(), DbErr> {
    let mut model = Table::create();
    model
        .table("model")
        .col(id("id").not_null().primary_key())
        .col(ColumnDef::new("name").string_len(191).not_null())
        .col(sha("sha").not_null()) // no reference: the embedded model is no blob
        .col(tables.long("card").not_null())
        .col(ColumnDef::new("active").boolean().not_null())
        .col(ColumnDef::new("embedded").boolean().not_null())
        .col(big("created_at").not_null());
    tables.make(&mut model).await?;
    tables.index("model", &["sha"], Index::Unique).await
}

async fn segmentation(tables: &Tables<'_>) -> Result<(), DbErr> {
    let mut segmentation = Table::create();
    segmentation
        .table("segmentation")
        .col(id("id").not_null().primary_key())
        .col(id("study_id").not_null())
        .col(ColumnDef::new("number").integer().not_null())
        .col(word("source"))
        .col(id("parent_id")) // no reference: a version may outlive what it was made from
        .col(id("model_id"))
        .col(tables.long("parameters").not_null())
        .col(word("state"))
        .col(sha("labels_sha").not_null())
        .col(sha("picture_sha"))
        .col(id("created_by"))
        .col(big("created_at").not_null())
        .col(id("decided_by"))
        .col(big("decided_at"))
        .col(tables.long("note").not_null())
        .foreign_key(&mut reference(("segmentation", "study_id"), ("study", "id")))
        .foreign_key(&mut reference(("segmentation", "model_id"), ("model", "id")))
        .foreign_key(&mut reference(("segmentation", "labels_sha"), ("file", "sha")))
        .foreign_key(&mut reference(("segmentation", "picture_sha"), ("file", "sha")));
    tables.make(&mut segmentation).await?;
    tables.index("segmentation", &["study_id", "number"], Index::Unique).await?;
    tables.index("segmentation", &["model_id"], Index::Doubles).await?;
    tables.index("segmentation", &["labels_sha"], Index::Doubles).await?;
    tables.index("segmentation", &["picture_sha"], Index::Doubles).await
}

async fn measurement(tables: &Tables<'_>) -> Result<(), DbErr> {
    let mut measurement = Table::create();
    measurement.table("measurement").col(id("segmentation_id").not_null().primary_key());
    for name in ["ml_ncr", "ml_ed", "ml_et", "ml_wt", "ml_tc"] {
        measurement.col(ColumnDef::new(name).double().not_null());
    }
    for name in ["n_wt", "n_tc", "n_et"] {
        measurement.col(ColumnDef::new(name).integer().not_null());
    }
    for name in ["diameter_wt_mm", "diameter_tc_mm", "diameter_et_mm"] {
        measurement.col(ColumnDef::new(name).double());
    }
    measurement
        .col(ColumnDef::new("n_warnings").integer().not_null())
        .col(tables.long("report").not_null())
        .col(tables.long("confidence"))
        .foreign_key(&mut belongs(("measurement", "segmentation_id"), ("segmentation", "id")));
    tables.make(&mut measurement).await?;
    tables.index("measurement", &["ml_wt"], Index::Doubles).await?;
    tables.index("measurement", &["ml_et"], Index::Doubles).await
}

async fn job(tables: &Tables<'_>) -> Result<(), DbErr> {
    let mut job = Table::create();
    job.table("job")
        .col(id("id").not_null().primary_key())
        .col(id("study_id").not_null())
        .col(word("kind"))
        .col(id("model_id").not_null())
        .col(word("state"))
        .col(ColumnDef::new("attempt").integer().not_null())
        .col(ColumnDef::new("max_attempts").integer().not_null())
        .col(ColumnDef::new("lost").integer().not_null())
        .col(big("token").not_null())
        .col(big("lease_until"))
        .col(ColumnDef::new("worker").string_len(191))
        .col(ColumnDef::new("stage").string_len(16))
        .col(ColumnDef::new("share").double().not_null())
        .col(big("eta_ms"))
        .col(ColumnDef::new("failure_code").string_len(64))
        .col(tables.long("failure_detail"))
        .col(id("segmentation_id"))
        .col(big("created_at").not_null())
        .col(big("started_at"))
        .col(big("ended_at"))
        .col(big("changed_at").not_null())
        .col(id("created_by"))
        .col(ColumnDef::new("cancel_asked").boolean().not_null())
        .foreign_key(&mut reference(("job", "study_id"), ("study", "id")))
        .foreign_key(&mut reference(("job", "model_id"), ("model", "id")));
    tables.make(&mut job).await?;
    tables.index("job", &["state", "id"], Index::Doubles).await?;
    tables.index("job", &["study_id"], Index::Doubles).await?;
    tables.index("job", &["model_id"], Index::Doubles).await?;
    tables.index("job", &["changed_at"], Index::Doubles).await
}

async fn draft(tables: &Tables<'_>) -> Result<(), DbErr> {
    let mut draft = Table::create();
    draft
        .table("draft")
        .col(id("study_id").not_null())
        .col(ColumnDef::new("user_key").string_len(36).not_null())
        .col(id("parent_id"))
        .col(sha("labels_sha").not_null())
        .col(big("updated_at").not_null())
        .primary_key(sea_query::Index::create().col("study_id").col("user_key"))
        .foreign_key(&mut belongs(("draft", "study_id"), ("study", "id")))
        .foreign_key(&mut reference(("draft", "labels_sha"), ("file", "sha")));
    tables.make(&mut draft).await?;
    tables.index("draft", &["labels_sha"], Index::Doubles).await
}
