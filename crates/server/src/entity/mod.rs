//! Rows of the tables, one file a table. They hold what the database holds and know nothing of requests.

pub mod api_token;
pub mod audit;
pub mod draft;
pub mod file;
pub mod job;
pub mod measurement;
pub mod model;
pub mod patient;
pub mod patient_person;
pub mod segmentation;
pub mod series;
pub mod session;
pub mod setting;
pub mod study;
pub mod upload;
pub mod upload_file;
pub mod user;

use std::fmt;
use std::str::FromStr;

use sea_orm::DeriveValueType;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A JSON value in a column of text: the same on every database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, DeriveValueType)]
#[serde(transparent)]
#[sea_orm(value_type = "String", column_type = "Text")]
pub struct Json(pub serde_json::Value);

impl Json {
    /// Of a value that serialises; `null` for one that does not, which no type of ours is.
    pub fn of(value: &impl Serialize) -> Self {
        Self(serde_json::to_value(value).unwrap_or_default())
    }

    /// Back to a value.
    ///
    /// # Errors
    /// If something else was written.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        T::deserialize(&self.0)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Json {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text).map(Self)
    }
}
