//! Uploads and their files.
#![expect(elided_lifetimes_in_paths, reason = "the trait, expanded, has no name for this lifetime")]

use sea_orm_migration::prelude::*;

use super::{Index, Tables, belongs, big, id, reference, sha, word};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let tables = Tables::of(schema);
        let mut upload = Table::create();
        upload
            .table("upload")
            .col(id("id").not_null().primary_key())
            .col(ColumnDef::new("user_key").string_len(36).not_null())
            .col(big("created_at").not_null())
            .col(big("updated_at").not_null())
            .col(word("state"));
        tables.make(&mut upload).await?;
        tables.index("upload", &["user_key", "state"], Index::Doubles).await?;
        let mut file = Table::create();
        file.table("upload_file")
            .col(id("id").not_null().primary_key())
            .col(id("upload_id").not_null())
            .col(tables.long("name").not_null())
            .col(big("bytes").not_null())
            .col(sha("sha"))
            .col(word("state"))
            .col(tables.long("group_key").not_null())
            .col(ColumnDef::new("sequence").string_len(16))
            .col(ColumnDef::new("scheme").string_len(16))
            .col(ColumnDef::new("guessed").boolean().not_null())
            .col(tables.long("grid"))
            .col(tables.long("problem"))
            .foreign_key(&mut belongs(("upload_file", "upload_id"), ("upload", "id")))
            .foreign_key(&mut reference(("upload_file", "sha"), ("file", "sha")));
        tables.make(&mut file).await?;
        tables.index("upload_file", &["upload_id"], Index::Doubles).await?;
        tables.index("upload_file", &["sha"], Index::Doubles).await
    }
}
