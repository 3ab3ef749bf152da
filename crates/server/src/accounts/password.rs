//! Passwords: argon2id, off the threads that answer requests, a few at a time.

use std::ops::RangeInclusive;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::error::{Code, Problem};

/// How long a password may be: long enough to be a few words, short enough to be hashed in no time.
pub const PASSWORD_BYTES: RangeInclusive<usize> = 10..=512;

/// Hashes at once: each takes 19 MiB for about 30 ms, and a crowd that guesses must not take the machine.
const AT_ONCE: usize = 2;

/// Hashes and compares passwords.
#[derive(Clone, Debug)]
pub struct Passwords(Arc<Semaphore>);

impl Passwords {
    /// Nothing is being hashed.
    pub fn open() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }

    /// The hash of a new password, as a PHC string.
    ///
    /// # Errors
    /// [`Code::PasswordWeak`] for a length outside [`PASSWORD_BYTES`].
    pub async fn hash(&self, password: String) -> Result<String, Problem> {
        allowed(&password)?;
        self.quietly(move || Ok(argon2()?.hash_password(password.as_bytes())?.to_string())).await
    }

    /// Whether the password is the one of the hash. Without a hash it takes as long and is wrong, so that the
    /// time does not tell which names exist.
    ///
    /// # Errors
    /// [`Code::Internal`] for a hash that is none.
    pub async fn fits(&self, password: String, hash: Option<String>) -> Result<bool, Problem> {
        self.quietly(move || {
            let argon2 = argon2()?;
            let Some(hash) = hash else {
                argon2.hash_password(password.as_bytes())?;
                return Ok(false);
            };
            match argon2.verify_password(password.as_bytes(), &PasswordHash::new(&hash)?) {
                Ok(()) => Ok(true),
                Err(password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    async fn quietly<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = Arc::clone(&self.0).acquire_owned().await.map_err(Problem::internal)?;
        tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop(turn);
            outcome
        })
        .await?
        .map_err(Problem::internal)
    }
}

/// Whether a password is long enough to be one.
///
/// # Errors
/// [`Code::PasswordWeak`].
pub(crate) fn allowed(password: &str) -> Result<(), Problem> {
    if PASSWORD_BYTES.contains(&password.len()) {
        return Ok(());
    }
    let (least, most) = (PASSWORD_BYTES.start(), PASSWORD_BYTES.end());
    Err(Problem::new(
        Code::PasswordWeak,
        format!("A password has {least} to {most} characters; three or four words make a good one."),
    ))
}

/// Argon2id with 19 MiB and two passes: the OWASP Password Storage Cheat Sheet's first choice.
fn argon2() -> Result<Argon2<'static>, Failure> {
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19 * 1024, 2, 1, None)?))
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("argon2: {0}")]
    Argon2(argon2::Error),
    #[error("password hash: {0}")]
    Hash(password_hash::Error),
    #[error("password hash: {0}")]
    Phc(argon2::password_hash::phc::Error),
}

impl From<argon2::Error> for Failure {
    fn from(error: argon2::Error) -> Self {
        Self::Argon2(error)
    }
}

impl From<password_hash::Error> for Failure {
    fn from(error: password_hash::Error) -> Self {
        Self::Hash(error)
    }
}

impl From<argon2::password_hash::phc::Error> for Failure {
    fn from(error: argon2::password_hash::phc::Error) -> Self {
        Self::Phc(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let passwords = Passwords::open();
        let hash = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.fits("correct horse".to_owned(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.fits("Correct horse".to_owned(), Some(hash)).await.unwrap());
        assert!(!passwords.fits("correct horse".to_owned(), None).await.unwrap(), "no account, no password");
        assert!(passwords.fits("x".to_owned(), Some("no hash".to_owned())).await.is_err());
    }

    #[test]
    fn a_password_has_a_length() {
        for (password, fine) in [("short", false), ("ten letter", true), (&"x".repeat(513), false)] {
            assert_eq!(allowed(password).is_ok(), fine, "{password}");
        }
    }
}
