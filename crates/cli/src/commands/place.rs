//! Which server a command speaks of, and what it runs on.

use std::future::Future;

use anyhow::Context;
use server::config::{Config, Flags};
use tokio::runtime::Builder;

use crate::args::Place;

impl Place {
    /// The flags among the settings.
    pub(crate) fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            data: self.data.clone(),
            database: self.database.clone(),
            ..Flags::default()
        }
    }

    /// The settings.
    ///
    /// # Errors
    /// In words that say which file, variable or flag and what to do.
    pub(crate) fn config(&self) -> anyhow::Result<Config> {
        Ok(Config::read(&self.flags())?)
    }
}

/// Does what waits, on threads of its own.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    Builder::new_multi_thread().enable_all().build().context("threads cannot be made")?.block_on(work)
}
