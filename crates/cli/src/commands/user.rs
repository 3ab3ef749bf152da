//! `glioscope user`: accounts, made where the server runs.

use std::io::BufRead as _;

use anyhow::{Context, bail};
use serde::Serialize;
use server::accounts::rows::{self, Change, NewUser, Standing};
use server::accounts::{Passwords, Person, Role, account_name, made_password};
use server::audit::{self, Action, Kind, Object};
use server::entity::user::Model;
use server::error::Problem;
use server::text::rfc3339;

use crate::Outcome;
use crate::args::{RoleName, User, UserAdd, UserChange, UserList};
use crate::commands::place::block_on;
use crate::commands::store::Store;
use crate::show::{self, Show, table};

pub(crate) fn run(args: &User, show: Show) -> anyhow::Result<Outcome> {
    block_on(async {
        match args {
            User::Add(args) => add(args, show).await,
            User::Change(args) => change(args, show).await,
            User::List(args) => list(args, show).await,
        }
    })?;
    Ok(Outcome::Done)
}

async fn add(args: &UserAdd, show: Show) -> anyhow::Result<()> {
    let store = Store::open(&args.place).await?;
    let name = account_name(&args.name).map_err(said)?;
    let password = if args.password_stdin { Password::read()? } else { Password::make()? };
    let password_hash = Passwords::open().hash(password.text.clone()).await.map_err(said)?;
    let new = NewUser { name, password_hash, role: args.role.into() };
    let write = store.db.write().await?;
    let user = rows::create_user(&write, new).await.map_err(said)?;
    let object = Object::one(Kind::User, user.id).with(serde_json::json!({"role": user.role}));
    audit::commit(write, &Person::command_line(), Action::Create, object).await.map_err(said)?;
    show.note(format_args!("{} is {}", user.name, user.role.as_str()));
    password.tell()
}

async fn change(args: &UserChange, show: Show) -> anyhow::Result<()> {
    let store = Store::open(&args.place).await?;
    let Some(user) = rows::user_named(&store.db, &args.name).await? else {
        bail!("there is no account {:?}; `glioscope user list` names them", args.name);
    };
    let password = match (args.new_password, args.password_stdin) {
        (_, true) => Some(Password::read()?),
        (true, false) => Some(Password::make()?),
        (false, false) => None,
    };
    let password_hash = match &password {
        Some(password) => Some(Passwords::open().hash(password.text.clone()).await.map_err(said)?),
        None => None,
    };
    let standing = match (args.close, args.open) {
        (true, _) => Some(Standing::Closed),
        (_, true) => Some(Standing::Open),
        (false, false) => None,
    };
    let wish = Change { role: args.role.map(Role::from), password_hash, standing };
    let write = store.db.write().await?;
    let user = rows::change_user(&write, user.id, wish).await.map_err(said)?;
    let detail = serde_json::json!({
        "role": args.role.map(|role| Role::from(role).as_str()),
        "password": password.is_some(),
        "disabled": standing.map(|standing| standing == Standing::Closed),
    });
    let object = Object::one(Kind::User, user.id).with(detail);
    audit::commit(write, &Person::command_line(), Action::Change, object).await.map_err(said)?;
    show.note(format_args!("{} is changed", user.name));
    password.map_or(Ok(()), |password| password.tell())
}

#[derive(Serialize)]
struct Row {
    name: String,
    role: Role,
    created_at: String,
    disabled_at: Option<String>,
}

async fn list(args: &UserList, show: Show) -> anyhow::Result<()> {
    let store = Store::open(&args.place).await?;
    let row = |user: Model| Row {
        name: user.name,
        role: user.role,
        created_at: rfc3339(user.created_at),
        disabled_at: user.disabled_at.map(rfc3339),
    };
    let users: Vec<Row> = rows::users(&store.db).await?.into_iter().map(row).collect();
    if show.is_json() {
        return show::json(&users);
    }
    if users.is_empty() {
        show.note("there are no accounts: whoever opens the link that `glioscope serve` prints may do everything");
    }
    let cells = |user: Row| {
        vec![user.name, user.role.as_str().to_owned(), user.created_at, user.disabled_at.unwrap_or_default()]
    };
    show::result(&table(&["name", "role", "since", "closed"], 4, users.into_iter().map(cells).collect()))
}

/// A password, and whether the person knows it.
struct Password {
    text: String,
    made: bool,
}

impl Password {
    fn make() -> anyhow::Result<Self> {
        Ok(Self { text: made_password().map_err(said)?, made: true })
    }

    fn read() -> anyhow::Result<Self> {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).context("the password cannot be read from stdin")?;
        Ok(Self { text: line.trim_end_matches(['\r', '\n']).to_owned(), made: false })
    }

    /// A password that was made is shown once.
    fn tell(&self) -> anyhow::Result<()> {
        if self.made { show::result(&format!("password: {}", self.text)) } else { Ok(()) }
    }
}

/// A problem in the words of the command line.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn said(problem: Problem) -> anyhow::Error {
    match problem.cause() {
        Some(cause) => anyhow::anyhow!("{} ({cause})", problem.detail()),
        None => anyhow::anyhow!("{}", problem.detail()),
    }
}

impl From<RoleName> for Role {
    fn from(role: RoleName) -> Self {
        match role {
            RoleName::Viewer => Self::Viewer,
            RoleName::Editor => Self::Editor,
            RoleName::Admin => Self::Admin,
        }
    }
}
