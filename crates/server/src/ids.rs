//! Names of things: UUIDs of version 7 for rows, SHA-256 for files. Never a bare string.

use std::fmt;
use std::str::FromStr;

use sea_orm::{DbErr, DeriveValueType, TryFromU64};
use segment::source::{Digest, NotADigest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema, DeriveValueType,
        )]
        #[serde(transparent)]
        #[schema(value_type = String, format = Uuid)]
        #[sea_orm(value_type = "String", column_type = "String(sea_orm::sea_query::StringLen::N(36))")]
        pub struct $name(Uuid);

        impl $name {
            /// One that never was before; later ones sort after earlier ones.
            pub fn fresh() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(text).map(Self)
            }
        }

        impl TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                Err(DbErr::ConvertFromU64(stringify!($name)))
            }
        }
    )*};
}

ids! {
    /// Of a patient.
    PatientId,
    /// Of a study.
    StudyId,
    /// Of a series.
    SeriesId,
    /// Of a segmentation.
    SegmentationId,
    /// Of a job.
    JobId,
    /// Of an upload.
    UploadId,
    /// Of a file of an upload.
    UploadFileId,
    /// Of a person with an account.
    UserId,
    /// Of a model.
    ModelId,
    /// Of a token for programs.
    TokenId,
}

/// The SHA-256 of a blob, which is its name; written as 64 hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema, DeriveValueType)]
#[serde(into = "String", try_from = "String")]
#[schema(value_type = String, min_length = 64, max_length = 64)]
#[sea_orm(value_type = "String", column_type = "String(sea_orm::sea_query::StringLen::N(64))")]
pub struct Sha(pub [u8; 32]);

impl Sha {
    /// That of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Digest::of(bytes).into()
    }
}

impl From<Digest> for Sha {
    fn from(digest: Digest) -> Self {
        Self(digest.0)
    }
}

impl fmt::Display for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Digest(self.0).fmt(f)
    }
}

impl fmt::Debug for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha({self})")
    }
}

impl From<Sha> for String {
    fn from(sha: Sha) -> Self {
        sha.to_string()
    }
}

impl TryFrom<String> for Sha {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        Digest::try_from(text).map(Self::from)
    }
}

impl FromStr for Sha {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        Self::try_from(text.to_owned())
    }
}

impl TryFromU64 for Sha {
    fn try_from_u64(_: u64) -> Result<Self, DbErr> {
        Err(DbErr::ConvertFromU64("Sha"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_age_and_survive_text() {
        let (first, second) = (JobId::fresh(), JobId::fresh());
        assert!(first < second, "{first} {second}");
        assert_eq!(first.to_string().parse(), Ok(first));
        assert!("1'; DROP TABLE job".parse::<JobId>().is_err());
    }

    #[test]
    fn a_sha_is_sixty_four_digits() {
        let sha = Sha::of(b"abc");
        assert_eq!(sha.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(sha.to_string().to_uppercase().parse(), Ok(sha));
        assert!("../../etc/passwd".parse::<Sha>().is_err());
    }
}
