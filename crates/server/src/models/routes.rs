//! `/models`.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use segment::artefact::Artefact;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::rows::{self, Origin};
use crate::accounts::{Person, Role};
use crate::app::App;
use crate::audit::{self, Action, Kind, Object};
use crate::entity::model;
use crate::error::{Code, Problem};
use crate::fields::Fields;
use crate::ids::ModelId;
use crate::text::rfc3339;

/// The most bytes of a model.
const MODEL_BYTES: u64 = 1 << 30;

/// A model that may be used.
#[expect(clippy::struct_excessive_bools, reason = "two facts of a row that have nothing to do with each other")]
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Model {
    /// Its id.
    pub id: ModelId,
    /// What its card calls it.
    pub name: String,
    /// The hash of its file.
    pub sha256: String,
    /// Whether it is the one that is used.
    pub active: bool,
    /// Whether it lies inside the program.
    pub embedded: bool,
    /// When it came.
    pub created_at: String,
    /// What it says of itself: recipe, provenance, scores.
    #[schema(value_type = Object)]
    pub card: Value,
}

impl Model {
    fn of(row: model::Model) -> Self {
        Self {
            id: row.id,
            name: row.name,
            sha256: row.sha.to_string(),
            active: row.active,
            embedded: row.embedded,
            created_at: rfc3339(row.created_at),
            card: row.card.0,
        }
    }
}

/// What changes of a model.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelChange {
    /// `true`: it is used from now on.
    active: bool,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(change))
}

/// The models, youngest first.
#[utoipa::path(get, path = "/models", tag = "models", responses((status = OK, body = Vec<Model>)))]
async fn list(State(app): State<App>, _person: Person) -> Result<Json<Vec<Model>>, Problem> {
    Ok(Json(rows::all(&app.db).await?.into_iter().map(Model::of).collect()))
}

/// Adds a model: the safetensors file that a training left.
#[utoipa::path(post, path = "/models", tag = "models",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses((status = CREATED, body = Model)))]
async fn add(State(app): State<App>, person: Person, body: Body) -> Result<(StatusCode, Json<Model>), Problem> {
    person.must(Role::Admin)?;
    let staged = app.files.stage(body.into_data_stream(), MODEL_BYTES).await?;
    let permit = app.pictures.permit().await?;
    let read = move || {
        let _permit = permit;
        let opened = Artefact::open(staged.path());
        (staged, opened)
    };
    let (staged, opened) = tokio::task::spawn_blocking(read).await?;
    let artefact = opened.map_err(|error| {
        let detail = "The file is no model of Glioscope. Send the model.safetensors that `glioscope train` left.";
        Problem::new(Code::ModelUnusable, detail).caused_by(error)
    })?;
    let is_embedded = staged.sha() == crate::ids::Sha::of(segment::artefact::DEFAULT);
    let (origin, sha) = if is_embedded {
        (Origin::Embedded, staged.sha())
    } else {
        (Origin::Blob, app.files.keep(&app.db, staged).await?)
    };
    let write = app.db.write().await?;
    let row = rows::insert(&write, sha, &artefact.card, origin).await?;
    audit::commit(write, &person, Action::Create, Object::one(Kind::Model, row.id)).await?;
    Ok((StatusCode::CREATED, Json(Model::of(row))))
}

/// Chooses the model that is used.
#[utoipa::path(patch, path = "/models/{id}", tag = "models", params(("id" = ModelId, Path)), request_body = ModelChange,
    responses((status = OK, body = Model)))]
async fn change(
    State(app): State<App>,
    person: Person,
    Path(id): Path<ModelId>,
    Json(Fields(change)): Json<Fields<ModelChange>>,
) -> Result<Json<Model>, Problem> {
    person.must(Role::Admin)?;
    if !change.active {
        return Err(Problem::field("active", "One model must be used: make another one active instead."));
    }
    let write = app.db.write().await?;
    let row = rows::activate(&write, id).await?;
    audit::commit(write, &person, Action::Change, Object::one(Kind::Model, id)).await?;
    Ok(Json(Model::of(row)))
}
