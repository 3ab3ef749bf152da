//! `/users`: administrators make, change and close accounts; everybody changes their own password.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::rows::{self, Change, NewUser, Standing};
use crate::accounts::{Person, Role, account_name};
use crate::app::App;
use crate::audit::{self, Action, Kind, Object};
use crate::entity::user;
use crate::error::{Code, Problem};
use crate::fields::Fields;
use crate::ids::UserId;
use crate::list::List;
use crate::text::rfc3339;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(change, close))
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct User {
    id: UserId,
    name: String,
    role: Role,
    #[schema(format = DateTime)]
    created_at: String,
    /// Since when it is closed.
    #[schema(format = DateTime, required)]
    disabled_at: Option<String>,
}

impl From<user::Model> for User {
    fn from(row: user::Model) -> Self {
        Self {
            id: row.id,
            name: row.name,
            role: row.role,
            created_at: rfc3339(row.created_at),
            disabled_at: row.disabled_at.map(rfc3339),
        }
    }
}

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewUser)]
pub(super) struct New {
    /// What they type to log in.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// Ten characters or more.
    #[schema(format = Password, min_length = 10, max_length = 512)]
    password: String,
    /// The first account must be an administrator.
    role: Role,
}

/// What shall be different.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UserChange)]
pub(super) struct Wish {
    /// Another role (administrators).
    role: Option<Role>,
    /// Another password.
    #[schema(format = Password, min_length = 10, max_length = 512)]
    password: Option<String>,
    /// The present password, to change one's own.
    #[schema(format = Password)]
    present_password: Option<String>,
    /// Whether the account is closed (administrators).
    disabled: Option<bool>,
}

/// All accounts, by name.
#[utoipa::path(get, path = "/users", tag = "accounts", responses((status = OK, body = List<User>)))]
async fn list(State(app): State<App>, person: Person) -> Result<Json<List<User>>, Problem> {
    person.must(Role::Admin)?;
    let users = rows::users(&app.db).await?;
    Ok(Json(List::whole(users.into_iter().map(User::from).collect())))
}

/// Makes an account. With the first one, everybody must log in from then on.
#[utoipa::path(post, path = "/users", tag = "accounts", request_body = New, responses((status = CREATED, body = User)))]
async fn create(
    State(app): State<App>,
    person: Person,
    Json(Fields(new)): Json<Fields<New>>,
) -> Result<(StatusCode, Json<User>), Problem> {
    person.must(Role::Admin)?;
    person.must_be_at_the_page()?;
    let name = account_name(&new.name)?;
    let password_hash = app.accounts.passwords.hash(new.password).await?;
    let write = app.db.write().await?;
    let user = rows::create_user(&write, NewUser { name, password_hash, role: new.role }).await?;
    let object = Object::one(Kind::User, user.id).with(json!({"role": user.role.as_str()}));
    audit::commit(write, &person, Action::Create, object).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// Changes an account: role, password, closed or open. Another password ends the account's sessions.
#[utoipa::path(patch, path = "/users/{id}", tag = "accounts", params(("id" = UserId, Path)), request_body = Wish,
    responses((status = OK, body = User)))]
async fn change(
    State(app): State<App>,
    person: Person,
    Path(id): Path<UserId>,
    Json(Fields(wish)): Json<Fields<Wish>>,
) -> Result<Json<User>, Problem> {
    person.must_be_at_the_page()?;
    let own = person.user == Some(id);
    if !own || wish.role.is_some() || wish.disabled.is_some() {
        person.must(Role::Admin)?;
    }
    if own && wish.password.is_some() {
        confirm(&app, id, wish.present_password).await?;
    }
    let detail = json!({
        "role": wish.role.map(Role::as_str), "password": wish.password.is_some(), "disabled": wish.disabled,
    });
    let password_hash = match wish.password {
        Some(password) => Some(app.accounts.passwords.hash(password).await?),
        None => None,
    };
    let standing = wish.disabled.map(|closed| if closed { Standing::Closed } else { Standing::Open });
    let change = Change { role: wish.role, password_hash, standing };
    let write = app.db.write().await?;
    let user = rows::change_user(&write, id, change).await?;
    audit::commit(write, &person, Action::Change, Object::one(Kind::User, id).with(detail)).await?;
    Ok(Json(user.into()))
}

/// Closes an account: nobody logs in with it any more; its name stays in the audit log.
#[utoipa::path(delete, path = "/users/{id}", tag = "accounts", params(("id" = UserId, Path)),
    responses((status = NO_CONTENT)))]
async fn close(State(app): State<App>, person: Person, Path(id): Path<UserId>) -> Result<StatusCode, Problem> {
    person.must(Role::Admin)?;
    person.must_be_at_the_page()?;
    let change = Change { standing: Some(Standing::Closed), ..Change::default() };
    let write = app.db.write().await?;
    rows::change_user(&write, id, change).await?;
    audit::commit(write, &person, Action::Remove, Object::one(Kind::User, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whoever finds an open browser must not be able to take the account over.
async fn confirm(app: &App, id: UserId, present: Option<String>) -> Result<(), Problem> {
    let user = rows::active_user(&app.db, id).await?.ok_or_else(|| Problem::not_found("account"))?;
    app.accounts.throttle.confirm(id)?;
    if app.accounts.passwords.fits(present.unwrap_or_default(), Some(user.password_hash)).await? {
        return Ok(());
    }
    Err(Problem::new(Code::PasswordWrong, "To change your password, please give the present one too."))
}
