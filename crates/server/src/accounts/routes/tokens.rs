//! `/tokens`: for programs that act for a person. They are personal, and shown once.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::{Person, rows, secret};
use crate::app::App;
use crate::audit::{self, Action, Kind, Object};
use crate::db::now;
use crate::entity::api_token::{self, Scope};
use crate::error::{Code, Problem};
use crate::fields::Fields;
use crate::ids::{TokenId, UserId};
use crate::list::List;
use crate::text::{line, rfc3339};

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(delete))
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Token {
    id: TokenId,
    /// What its owner calls it.
    name: String,
    /// What it may do, at most; its owner's role is the other limit.
    scope: Scope,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    #[schema(format = DateTime, required)]
    last_used_at: Option<String>,
}

impl From<api_token::Model> for Token {
    fn from(row: api_token::Model) -> Self {
        Self {
            id: row.id,
            name: row.name,
            scope: row.scope,
            created_at: rfc3339(row.created_at),
            expires_at: rfc3339(row.expires_at),
            last_used_at: row.last_used_at.map(rfc3339),
        }
    }
}

/// A new token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewToken)]
pub(super) struct New {
    /// What its owner calls it.
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// What it may do.
    scope: Scope,
    /// Days until it expires; 90 if nothing is said.
    #[schema(minimum = 1, maximum = 366)]
    days: Option<u16>,
}

/// A token with its secret, this one time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeToken {
    /// What programs send as `Authorization: Bearer ...`; it is not shown again.
    secret: String,
    /// What it is.
    token: Token,
}

/// One's own tokens, newest first.
#[utoipa::path(get, path = "/tokens", tag = "accounts", responses((status = OK, body = List<Token>)))]
async fn list(State(app): State<App>, person: Person) -> Result<Json<List<Token>>, Problem> {
    let tokens = match person.user {
        Some(user) => rows::tokens(&app.db, user).await?,
        None => Vec::new(),
    };
    Ok(Json(List::whole(tokens.into_iter().map(Token::from).collect())))
}

/// Makes a token; its secret is in this answer alone.
#[utoipa::path(post, path = "/tokens", tag = "accounts", request_body = New,
    responses((status = CREATED, body = MadeToken)))]
async fn create(
    State(app): State<App>,
    person: Person,
    Json(Fields(new)): Json<Fields<New>>,
) -> Result<(StatusCode, Json<MadeToken>), Problem> {
    let user_id = owner(&person)?;
    let name = line("name", &new.name, 64)?;
    let days = new.days.unwrap_or(90);
    if !(1..=366).contains(&days) {
        return Err(Problem::field("days", "From 1 to 366."));
    }
    let secret = format!("glioscope_{}", secret::random()?); // the prefix lets secret scanners find it in code
    let row = api_token::Model {
        id: TokenId::fresh(),
        user_id,
        name,
        token_sha: secret::sha(&secret),
        scope: new.scope,
        expires_at: now() + i64::from(days) * 24 * 60 * 60 * 1000,
        created_at: now(),
        last_used_at: None,
    };
    let write = app.db.write().await?;
    let row = rows::create_token(&write, row).await?;
    let object = Object::one(Kind::Token, row.id).with(json!({"scope": row.scope, "days": days}));
    audit::commit(write, &person, Action::Create, object).await?;
    Ok((StatusCode::CREATED, Json(MadeToken { secret, token: row.into() })))
}

/// Deletes one of one's own tokens; it stops working at once.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "accounts", params(("id" = TokenId, Path)),
    responses((status = NO_CONTENT)))]
async fn delete(State(app): State<App>, person: Person, Path(id): Path<TokenId>) -> Result<StatusCode, Problem> {
    let owner = owner(&person)?;
    let write = app.db.write().await?;
    if !rows::delete_token(&write, owner, id).await? {
        return Err(Problem::not_found("token")); // another's token is none: its existence is nobody's concern
    }
    audit::commit(write, &person, Action::Remove, Object::one(Kind::Token, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whose tokens; a token must not make another one that outlives it.
fn owner(person: &Person) -> Result<UserId, Problem> {
    person.must_be_at_the_page()?;
    let detail = "An API token acts for an account; please make one first (glioscope user add NAME --role admin).";
    person.user.ok_or_else(|| Problem::new(Code::AccountNeeded, detail))
}
