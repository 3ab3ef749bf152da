//! The API's own description (OpenAPI 3.1), made from the routes, and a page to try them.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{PartialSchema, ToSchema};

use crate::app::App;
use crate::error::{PROBLEM_JSON, Problem, ProblemBody};

/// The head of the document; routes add themselves.
pub fn head() -> OpenApi {
    let about = InfoBuilder::new()
        .title("Glioscope")
        .version("1")
        .description(Some(
            "Finds brain tumours in MRI. Research use only, not a medical device. Changes need the header \
             `X-Glioscope: 1` and the page's own origin, or an API token (`Authorization: Bearer ...`).",
        ))
        .build();
    let mut components = Components::new();
    components
        .add_security_scheme("token", SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build()));
    components
        .add_security_scheme("cookie", SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("glioscope-8040"))));
    let either = vec![SecurityRequirement::new("token", none()), SecurityRequirement::new("cookie", none())];
    OpenApiBuilder::new().info(about).components(Some(components)).security(Some(either)).build()
}

fn none() -> [&'static str; 0] {
    []
}

/// Completes the document: every operation may answer with a problem.
pub fn complete(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_default();
    let mut schemas = Vec::new();
    ProblemBody::schemas(&mut schemas);
    schemas.push((ProblemBody::name().into_owned(), ProblemBody::schema()));
    components.schemas.extend(schemas);
    for item in document.paths.paths.values_mut() {
        operations(item).for_each(may_fail);
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, head, .. } = item;
    [get, put, post, delete, patch, head].into_iter().filter_map(Option::as_mut)
}

fn may_fail(operation: &mut Operation) {
    let schema = RefOr::Ref(Ref::from_schema_name(ProblemBody::name()));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let problem = ResponseBuilder::new().description("What went wrong (RFC 9457)").content(PROBLEM_JSON, content);
    operation.responses.responses.entry("default".to_owned()).or_insert_with(|| RefOr::T(problem.build()));
}

/// The document and its page.
pub fn routes(document: OpenApi) -> Router<App> {
    let document = Arc::new(document);
    Router::new()
        .route("/api/openapi.json", get(move || async move { Json(Arc::clone(&document)) }))
        .route("/api/docs", get(|| async { Redirect::permanent("/api/docs/") }))
        .route("/api/docs/", get(|| async { docs("index.html") }))
        .route("/api/docs/{file}", get(|Path(file): Path<String>| async move { docs(&file) }))
}

/// Tells Swagger UI where the document is, and to send our header with changes. It asks nobody else for anything.
const INITIALIZER: &str = include_str!("openapi_page.js");

/// A file of Swagger UI, which is built into the program.
fn docs(file: &str) -> Result<Response, Problem> {
    let headers = |kind: &str| [(CONTENT_TYPE, kind.to_owned()), (CACHE_CONTROL, "public, max-age=3600".to_owned())];
    if file == "swagger-initializer.js" {
        return Ok((headers("text/javascript"), INITIALIZER).into_response());
    }
    let config = Arc::new(utoipa_swagger_ui::Config::from("/api/openapi.json"));
    let found = utoipa_swagger_ui::serve(file, config).map_err(|error| Problem::internal(error.to_string()))?;
    let file = found.ok_or_else(|| Problem::not_found("file"))?;
    Ok((headers(&file.content_type), file.bytes.into_owned()).into_response())
}
