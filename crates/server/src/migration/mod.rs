//! How the tables came to be, step by step. A step that was released is never changed; another is added.
//!
//! MySQL commits each change of a table at once, so a step that was interrupted is repeated: every part of a step asks
//! first whether it was done. Text that is indexed is short, times are milliseconds since 1970, JSON is text, and the
//! collation is binary everywhere: two names are the same if their bytes are.

mod m0001_studies;
mod m0002_results;
mod m0003_people;
mod m0004_uploads;
mod m0005_order;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// All steps, in order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_studies::Migration),
            Box::new(m0002_results::Migration),
            Box::new(m0003_people::Migration),
            Box::new(m0004_uploads::Migration),
            Box::new(m0005_order::Migration),
        ]
    }
}

/// The first step count whose rows are those of this version: later steps added nothing but indexes.
pub(crate) const SAME_ROWS_SINCE: usize = 4;

/// How many steps there are.
pub(crate) fn steps() -> usize {
    Migrator::migrations().len()
}

/// The words in which steps are written.
struct Tables<'a> {
    schema: &'a SchemaManager<'a>,
    backend: DbBackend,
}

impl<'a> Tables<'a> {
    fn of(schema: &'a SchemaManager<'a>) -> Self {
        Self { schema, backend: schema.get_database_backend() }
    }

    /// Makes a table if it is not there.
    async fn make(&self, table: &mut TableCreateStatement) -> Result<(), DbErr> {
        table.if_not_exists();
        if self.backend == DbBackend::MySql {
            table.engine("InnoDB").character_set("utf8mb4").collate("utf8mb4_bin");
        }
        self.schema.create_table(table.take()).await
    }

    /// Makes an index over columns of a table if it is not there.
    async fn index(&self, table: &'static str, columns: &[&'static str], kind: Index) -> Result<(), DbErr> {
        let name = format!("{table}_by_{}", columns.join("_"));
        if self.schema.has_index(table, &name).await? {
            return Ok(());
        }
        let mut index = sea_query::Index::create();
        index.name(name).table(table);
        for &column in columns {
            index.col(column);
        }
        if kind == Index::Unique {
            index.unique();
        }
        self.schema.create_index(index).await
    }

    /// Text of any length. MySQL's `TEXT` ends at 64 kB; a report or a card may be longer.
    fn long(&self, name: &'static str) -> ColumnDef {
        let mut column = ColumnDef::new(name);
        if self.backend == DbBackend::MySql {
            column.custom("LONGTEXT")
        } else {
            column.text()
        };
        column.take()
    }
}

/// Whether an index allows doubles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Index {
    Unique,
    Doubles,
}

/// An id: a UUID as text.
fn id(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).string_len(36).take()
}

/// A hash as text.
fn sha(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).string_len(64).take()
}

/// Milliseconds since 1970, or another large number.
fn big(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().take()
}

/// A word from a short list.
fn word(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).string_len(16).not_null().take()
}

/// A reference: the row cannot be written before, nor the other removed before this one.
fn reference(from: (&'static str, &'static str), to: (&'static str, &'static str)) -> ForeignKeyCreateStatement {
    let mut key = ForeignKey::create();
    key.name(format!("{}_{}", from.0, from.1)).from(from.0, from.1).to(to.0, to.1);
    key.take()
}

/// A reference by a row that goes when the other goes.
fn belongs(from: (&'static str, &'static str), to: (&'static str, &'static str)) -> ForeignKeyCreateStatement {
    reference(from, to).on_delete(ForeignKeyAction::Cascade).take()
}
