//! Accounts, sessions, tokens, the audit log.
#![expect(elided_lifetimes_in_paths, reason = "the trait, expanded, has no name for this lifetime")]

use sea_orm_migration::prelude::*;

use super::{Index, Tables, belongs, big, id, sha, word};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, schema: &SchemaManager) -> Result<(), DbErr> {
        let tables = Tables::of(schema);
        user(&tables).await?;
        session(&tables).await?;
        api_token(&tables).await?;
        audit(&tables).await
    }
}

async fn user(tables: &Tables<'_>) -> Result<(), DbErr> {
    let mut user = Table::create();
    user.table("user")
        .col(id("id").not_null().primary_key())
        .col(ColumnDef::new("name").string_len(191).not_null())
        .col(ColumnDef::new("password_hash").string_len(255).not_null())
        .col(word("role"))
        .col(big("created_at").not_null())
        .col(big("disabled_at"));
    tables.make(&mut user).await?;
    tables.index("user", &["name"], Index::Unique).await
}

async fn session(tables: &Tables<'_>) -> Result<(), DbErr> {
    let mut session = Table::create();
    session
        .table("session")
        .col(sha("token_sha").not_null().primary_key())
        .col(id("user_id"))
        .col(big("created_at").not_null())
        .col(big("seen_at").not_null())
        .col(big("expires_at").not_null())
        .foreign_key(&mut belongs(("session", "user_id"), ("user", "id")));
    tables.make(&mut session).await?;
    tables.index("session", &["user_id"], Index::Doubles).await?;
    tables.index("session", &["expires_at"], Index::Doubles).await
}

async fn api_token(tables: &Tables<'_>) -> Result<(), DbErr> {
    let mut token = Table::create();
    token
        .table("api_token")
        .col(id("id").not_null().primary_key())
        .col(id("user_id").not_null())
        .col(ColumnDef::new("name").string_len(191).not_null())
        .col(sha("token_sha").not_null())
        .col(word("scope"))
        .col(big("expires_at").not_null())
        .col(big("created_at").not_null())
        .col(big("last_used_at"))
        .foreign_key(&mut belongs(("api_token", "user_id"), ("user", "id")));
    tables.make(&mut token).await?;
    tables.index("api_token", &["token_sha"], Index::Unique).await?;
    tables.index("api_token", &["user_id"], Index::Doubles).await
}

async fn audit(tables: &Tables<'_>) -> Result<(), DbErr> {
    let mut audit = Table::create();
    audit
        .table("audit")
        .col(big("id").not_null().auto_increment().primary_key())
        .col(big("at").not_null())
        .col(ColumnDef::new("user_key").string_len(36).not_null())
        .col(ColumnDef::new("action").string_len(64).not_null())
        .col(ColumnDef::new("object_kind").string_len(64).not_null())
        .col(ColumnDef::new("object_id").string_len(191).not_null())
        .col(tables.long("detail").not_null())
        .col(sha("previous_hash").not_null())
        .col(sha("hash").not_null());
    tables.make(&mut audit).await?;
    tables.index("audit", &["previous_hash"], Index::Unique).await?; // the chain has no branches
    tables.index("audit", &["at"], Index::Doubles).await?;
    tables.index("audit", &["object_kind", "object_id"], Index::Doubles).await
}
