//! The application: HTTP, database, files, queue.
pub mod db;
pub mod entity;
pub mod files;
pub mod ids;
pub mod migration;
