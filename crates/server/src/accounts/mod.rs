//! Who is asking, and what they may do: accounts, sessions, API tokens, and the link of a server without accounts.

pub mod entry;
pub mod identity;
mod password;
pub mod routes;
pub mod rows;
mod secret;
mod throttle;

use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::DbErr;

use crate::db::Db;
use crate::error::{Code, Problem};
use crate::ids::UserId;
use crate::text::line;

pub use crate::entity::user::Role;
pub use entry::Entry;
pub use password::{PASSWORD_BYTES, Passwords};
pub use routes::routes;
pub use secret::made_password;
pub use throttle::Throttle;

impl Role {
    /// Its name in the database and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

/// A role that does not exist.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no role: there are viewer, editor and admin")]
pub struct NoRole(String);

impl FromStr for Role {
    type Err = NoRole;

    fn from_str(text: &str) -> Result<Self, NoRole> {
        [Self::Viewer, Self::Editor, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| NoRole(text.to_owned()))
    }
}

/// How a person came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// By a session cookie, on the page.
    Page,
    /// By an API token.
    Token,
    /// By the command line of the machine itself.
    CommandLine,
}

/// Who is asking. As an argument of a handler it demands that somebody is known.
#[derive(Clone, Debug)]
pub struct Person {
    /// The account; `None`: whoever sits at this computer.
    pub user: Option<UserId>,
    /// The account's name, or `local`.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// How they came in.
    pub via: Via,
    key: String,
}

/// The key of the person of a server without accounts, in drafts, uploads and the audit log.
pub const LOCAL: &str = "local";

impl Person {
    /// The holder of an account.
    pub fn with_account(user: UserId, name: String, role: Role, via: Via) -> Self {
        let key = user.to_string();
        Self { user: Some(user), name, role, via, key }
    }

    /// Whoever sits at this computer, on a server without accounts.
    pub fn local() -> Self {
        Self { user: None, name: LOCAL.to_owned(), role: Role::Admin, via: Via::Page, key: LOCAL.to_owned() }
    }

    /// Whoever may run commands on the server's machine.
    pub fn command_line() -> Self {
        Self { via: Via::CommandLine, key: "command-line".to_owned(), ..Self::local() }
    }

    /// The server itself, in its upkeep.
    pub fn server() -> Self {
        Self { via: Via::CommandLine, key: "server".to_owned(), ..Self::local() }
    }

    /// Nobody that is known, for entries of failed logins.
    pub(crate) fn unknown() -> Self {
        Self { role: Role::Viewer, key: "unknown".to_owned(), ..Self::local() }
    }

    /// What is personal carries this key: the account's id, or `local`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Demands a role.
    ///
    /// # Errors
    /// [`Code::RoleTooLow`].
    pub fn must(&self, role: Role) -> Result<(), Problem> {
        if self.role >= role {
            return Ok(());
        }
        let detail = format!("This needs the role {}; yours is {}.", role.as_str(), self.role.as_str());
        Err(Problem::new(Code::RoleTooLow, detail))
    }

    /// Demands that the person is at the page: an API token must not make more tokens or accounts.
    ///
    /// # Errors
    /// [`Code::SessionNeeded`].
    pub fn must_be_at_the_page(&self) -> Result<(), Problem> {
        if self.via == Via::Token { Err(Problem::of(Code::SessionNeeded)) } else { Ok(()) }
    }
}

/// What the accounts keep in memory.
#[derive(Debug)]
pub struct Accounts {
    /// Hashing, a few at a time.
    pub passwords: Passwords,
    /// Attempts to log in.
    pub throttle: Throttle,
    /// The link of a server without accounts.
    pub entry: Entry,
    /// Whether an account was seen: accounts are closed, never deleted, so this does not become false again.
    exist: AtomicBool,
}

impl Accounts {
    /// Nobody has logged in yet.
    ///
    /// # Errors
    /// [`Problem`] if the machine gives no randomness.
    pub fn open() -> Result<Self, Problem> {
        Ok(Self {
            passwords: Passwords::open(),
            throttle: Throttle::open(),
            entry: Entry::open()?,
            exist: AtomicBool::new(false),
        })
    }
}

impl Accounts {
    /// Whether there is an account. It may have been made by the command line while the server runs.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn exist(&self, db: &Db) -> Result<bool, DbErr> {
        if self.exist.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let exist = rows::any_user(db).await?;
        self.exist.store(exist, Ordering::Relaxed);
        Ok(exist)
    }
}

/// A name that an account may have.
///
/// # Errors
/// [`Code::Invalid`].
pub fn account_name(typed: &str) -> Result<String, Problem> {
    line("name", typed, 64)
}
