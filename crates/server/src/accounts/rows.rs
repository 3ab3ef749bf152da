//! Accounts, sessions and tokens in the database.

use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DbErr, EntityTrait, FromQueryResult, JoinType, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect,
};

use crate::db::{Db, Write, now};
use crate::entity::{api_token, session, user};
use crate::error::{Code, Problem};
use crate::ids::{Sha, TokenId, UserId};

use super::Role;

/// Every account, by name.
///
/// # Errors
/// Those of the database.
pub async fn users(db: &Db) -> Result<Vec<user::Model>, DbErr> {
    user::Entity::find().order_by_asc(user::Column::Name).all(db).await
}

/// Whether there is an account.
///
/// # Errors
/// Those of the database.
pub async fn any_user(db: &Db) -> Result<bool, DbErr> {
    Ok(user::Entity::find().limit(1).one(db).await?.is_some())
}

/// An account that is not closed.
pub(crate) async fn active_user(db: &Db, id: UserId) -> Result<Option<user::Model>, DbErr> {
    user::Entity::find_by_id(id).filter(user::Column::DisabledAt.is_null()).one(db).await
}

/// An account by its name.
///
/// # Errors
/// Those of the database.
pub async fn user_named(db: &Db, name: &str) -> Result<Option<user::Model>, DbErr> {
    user::Entity::find().filter(user::Column::Name.eq(name)).one(db).await
}

/// What an account is made of.
#[derive(Debug)]
pub struct NewUser {
    /// Its name, cleaned.
    pub name: String,
    /// PHC string.
    pub password_hash: String,
    /// What it may do.
    pub role: Role,
}

/// Makes an account.
///
/// # Errors
/// [`Code::FirstIsAdmin`], [`Code::NameTaken`], or those of the database.
pub async fn create_user(write: &Write, new: NewUser) -> Result<user::Model, Problem> {
    if new.role != Role::Admin && user::Entity::find().limit(1).one(write).await?.is_none() {
        let detail = "The first account must be an administrator: nobody else could make the next one.";
        return Err(Problem::new(Code::FirstIsAdmin, detail));
    }
    let row = user::ActiveModel {
        id: Set(UserId::fresh()),
        name: Set(new.name),
        password_hash: Set(new.password_hash),
        role: Set(new.role),
        created_at: Set(now()),
        disabled_at: Set(None),
    };
    Ok(row.insert(write).await?)
}

/// What shall be different.
#[derive(Debug, Default)]
pub struct Change {
    /// Another role.
    pub role: Option<Role>,
    /// Another password, as a PHC string.
    pub password_hash: Option<String>,
    /// Closed or opened again.
    pub standing: Option<Standing>,
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Open,
    /// It may not; its name stays in the audit log.
    Closed,
}

/// Changes an account. Another password or a closed account ends its sessions; a closed one loses its tokens too.
///
/// # Errors
/// [`Code::NotFound`], [`Code::LastAdmin`], or those of the database.
pub async fn change_user(write: &Write, id: UserId, change: Change) -> Result<user::Model, Problem> {
    let before = user::Entity::find_by_id(id).one(write).await?.ok_or_else(|| Problem::not_found("account"))?;
    let (closed, other_password) = (change.standing == Some(Standing::Closed), change.password_hash.is_some());
    let loses = closed || change.role.is_some_and(|role| role != Role::Admin);
    if loses && before.role == Role::Admin && before.disabled_at.is_none() && !other_admin(write, id).await? {
        let detail = "This is the only administrator; please make another one first.";
        return Err(Problem::new(Code::LastAdmin, detail));
    }
    let mut row: user::ActiveModel = before.into();
    if let Some(role) = change.role {
        row.role = Set(role);
    }
    if let Some(hash) = change.password_hash {
        row.password_hash = Set(hash);
    }
    if let Some(standing) = change.standing {
        row.disabled_at = Set((standing == Standing::Closed).then(now));
    }
    let user = row.update(write).await?;
    if closed || other_password {
        session::Entity::delete_many().filter(session::Column::UserId.eq(id)).exec(write).await?;
    }
    if closed {
        api_token::Entity::delete_many().filter(api_token::Column::UserId.eq(id)).exec(write).await?;
    }
    Ok(user)
}

/// Whether somebody else could still make accounts. Locked: two administrators cannot demote each other at once.
async fn other_admin(write: &Write, than: UserId) -> Result<bool, DbErr> {
    let admins = user::Entity::find()
        .filter(user::Column::Role.eq(Role::Admin))
        .filter(user::Column::DisabledAt.is_null())
        .lock_exclusive()
        .all(write)
        .await?;
    Ok(admins.iter().any(|admin| admin.id != than))
}

/// A session, whose it is, and whether anybody has an account: every request asks, so it is one query.
#[derive(Debug, FromQueryResult)]
pub(super) struct Visitor {
    pub(super) user_id: Option<UserId>,
    pub(super) seen_at: i64,
    pub(super) expires_at: i64,
    /// The account's, unless it was closed.
    pub(super) name: Option<String>,
    pub(super) role: Option<Role>,
    accounts: i32,
}

impl Visitor {
    /// Whether there is an account.
    pub(super) fn has_accounts(&self) -> bool {
        self.accounts != 0
    }
}

pub(super) async fn session(db: &Db, sha: Sha) -> Result<Option<Visitor>, DbErr> {
    let of = session::Entity::belongs_to(user::Entity).from(session::Column::UserId).to(user::Column::Id);
    let of = of.on_condition(|_, user| Expr::col((user, user::Column::DisabledAt)).is_null().into());
    let any = Query::select().expr(Expr::value(1)).from(user::Entity).to_owned();
    let accounts: Expr = Expr::case(Expr::exists(any), 1).finally(0).into();
    session::Entity::find_by_id(sha)
        .join(JoinType::LeftJoin, of.into())
        .select_only()
        .columns([session::Column::UserId, session::Column::SeenAt, session::Column::ExpiresAt])
        .columns([user::Column::Name, user::Column::Role])
        .column_as(accounts, "accounts")
        .into_model()
        .one(db)
        .await
}

/// Opens a session, and forgets those that have ended.
pub(super) async fn open_session(
    write: &Write,
    sha: Sha,
    user_id: Option<UserId>,
    expires_at: i64,
) -> Result<(), DbErr> {
    session::Entity::delete_many().filter(session::Column::ExpiresAt.lte(now())).exec(write).await?;
    let row = session::ActiveModel {
        token_sha: Set(sha),
        user_id: Set(user_id),
        created_at: Set(now()),
        seen_at: Set(now()),
        expires_at: Set(expires_at),
    };
    session::Entity::insert(row).exec_without_returning(write).await?;
    Ok(())
}

/// Notes that a session was used.
pub(super) async fn visit(db: &Db, sha: Sha, expires_at: i64) -> Result<(), DbErr> {
    let write = db.write().await?;
    session::Entity::update_many()
        .col_expr(session::Column::SeenAt, now().into())
        .col_expr(session::Column::ExpiresAt, expires_at.into())
        .filter(session::Column::TokenSha.eq(sha))
        .exec(&write)
        .await?;
    write.commit_unrecorded().await
}

/// Closes a session; whether there was one.
pub(super) async fn close_session(write: &Write, sha: Sha) -> Result<bool, DbErr> {
    Ok(session::Entity::delete_by_id(sha).exec(write).await?.rows_affected > 0)
}

pub(super) async fn token(db: &Db, sha: Sha) -> Result<Option<api_token::Model>, DbErr> {
    api_token::Entity::find().filter(api_token::Column::TokenSha.eq(sha)).one(db).await
}

/// The tokens of an account, newest first.
pub(super) async fn tokens(db: &Db, user: UserId) -> Result<Vec<api_token::Model>, DbErr> {
    let own = api_token::Entity::find().filter(api_token::Column::UserId.eq(user));
    own.order_by_desc(api_token::Column::Id).all(db).await
}

/// Tokens that one account may have.
const TOKENS: u64 = 50;

pub(super) async fn create_token(write: &Write, row: api_token::Model) -> Result<api_token::Model, Problem> {
    let own = api_token::Entity::find().filter(api_token::Column::UserId.eq(row.user_id));
    if own.count(write).await? >= TOKENS {
        return Err(Problem::new(Code::Conflict, "An account has at most 50 tokens; please delete some."));
    }
    let row: api_token::ActiveModel = row.into();
    Ok(row.reset_all().insert(write).await?)
}

/// Deletes one of an account's own tokens; whether there was one.
pub(super) async fn delete_token(write: &Write, user: UserId, id: TokenId) -> Result<bool, DbErr> {
    let own = api_token::Entity::delete_by_id(id).filter(api_token::Column::UserId.eq(user));
    Ok(own.exec(write).await?.rows_affected > 0)
}

/// Notes that a token was used.
pub(super) async fn use_token(db: &Db, id: TokenId) -> Result<(), DbErr> {
    let write = db.write().await?;
    api_token::Entity::update_many()
        .col_expr(api_token::Column::LastUsedAt, now().into())
        .filter(api_token::Column::Id.eq(id))
        .exec(&write)
        .await?;
    write.commit_unrecorded().await
}
