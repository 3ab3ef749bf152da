//! Files, patients, studies, series; what the server remembers of itself.
#![expect(elided_lifetimes_in_paths, reason = "the trait, expanded, has no name for this lifetime")]

use sea_orm_migration::prelude::*;

use super::{Index, Tables, belongs, big, id, reference, sha, word};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let tables = Tables::of(schema);
        setting_and_file(&tables).await?;
        patient(&tables).await?;
        study(&tables).await?;
        series(&tables).await
    }
}

async fn setting_and_file(tables: &Tables<'_>) -> Result<(), DbErr> {
    let mut setting = Table::create();
    setting
        .table("setting")
        .col(ColumnDef::new("name").string_len(64).not_null().primary_key())
        .col(tables.long("value").not_null());
    tables.make(&mut setting).await?;
    let mut file = Table::create();
    file.table("file")
        .col(sha("sha").not_null().primary_key())
        .col(big("bytes").not_null())
        .col(big("created_at").not_null());
    tables.make(&mut file).await
}

async fn patient(tables: &Tables<'_>) -> Result<(), DbErr> {
    let mut patient = Table::create();
    patient
        .table("patient")
        .col(id("id").not_null().primary_key())
        .col(ColumnDef::new("pseudonym").string_len(32).not_null())
        .col(big("created_at").not_null())
        .col(big("removed_at"));
    tables.make(&mut patient).await?;
    tables.index("patient", &["pseudonym"], Index::Unique).await?;
    let mut person = Table::create();
    person
        .table("patient_person")
        .col(id("patient_id").not_null().primary_key())
        .col(ColumnDef::new("name").string_len(191))
        .col(ColumnDef::new("birth_year").integer())
        .foreign_key(&mut belongs(("patient_person", "patient_id"), ("patient", "id")));
    tables.make(&mut person).await?;
    tables.index("patient_person", &["name"], Index::Doubles).await
}

async fn study(tables: &Tables<'_>) -> Result<(), DbErr> {
    let mut study = Table::create();
    study
        .table("study")
        .col(id("id").not_null().primary_key())
        .col(id("patient_id").not_null())
        .col(ColumnDef::new("date").string_len(10))
        .col(tables.long("notes").not_null())
        .col(word("state"))
        .col(big("created_at").not_null())
        .col(id("created_by"))
        .col(big("removed_at"))
        .col(tables.long("shape"))
        .col(tables.long("spacing"))
        .col(ColumnDef::new("last_number").integer().not_null())
        .foreign_key(&mut reference(("study", "patient_id"), ("patient", "id")));
    tables.make(&mut study).await?;
    tables.index("study", &["patient_id"], Index::Doubles).await?;
    tables.index("study", &["created_at"], Index::Doubles).await?;
    tables.index("study", &["date"], Index::Doubles).await?;
    tables.index("study", &["removed_at"], Index::Doubles).await
}

async fn series(tables: &Tables<'_>) -> Result<(), DbErr> {
    let mut series = Table::create();
    series
        .table("series")
        .col(id("id").not_null().primary_key())
        .col(id("study_id").not_null())
        .col(word("sequence"))
        .col(sha("source_sha").not_null())
        .col(sha("volume_sha").not_null())
        .col(big("bytes").not_null())
        .col(tables.long("grid").not_null())
        .col(ColumnDef::new("guessed").boolean().not_null())
        .col(big("created_at").not_null())
        .foreign_key(&mut reference(("series", "study_id"), ("study", "id")))
        .foreign_key(&mut reference(("series", "source_sha"), ("file", "sha")))
        .foreign_key(&mut reference(("series", "volume_sha"), ("file", "sha")));
    tables.make(&mut series).await?;
    tables.index("series", &["study_id", "sequence"], Index::Unique).await?;
    tables.index("series", &["source_sha"], Index::Doubles).await?;
    tables.index("series", &["volume_sha"], Index::Doubles).await
}
