//! The API's own description (OpenAPI 3.1), made from the routes, and a page to try them.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
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

/// What any operation may answer instead of what was asked for; the other ones are under `default`.
const REFUSALS: [StatusCode; 9] = [
    StatusCode::BAD_REQUEST,
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::CONFLICT,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
    StatusCode::TOO_MANY_REQUESTS,
];

/// Completes the document: every operation may answer with a problem.
pub fn complete(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_default();
    let mut schemas = Vec::new();
    ProblemBody::schemas(&mut schemas);
    schemas.push((ProblemBody::name().into_owned(), ProblemBody::schema()));
    components.schemas.extend(schemas);
    components.responses.insert(ProblemBody::name().into_owned(), RefOr::T(problem()));
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            operation.operation_id = Some(operation_id(method, path));
            tell_bytes(operation);
            may_fail(operation);
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, head, .. } = item;
    let methods = ["get", "put", "post", "delete", "patch", "head"].into_iter();
    methods
        .zip([get, put, post, delete, patch, head])
        .filter_map(|(method, found)| found.as_mut().map(|operation| (method, operation)))
}

/// A name that no other operation has, for generated clients: `get_studies_id` for `GET /api/v1/studies/{id}`.
fn operation_id(method: &str, path: &str) -> String {
    let path = path.trim_start_matches("/api/v1");
    let words = path.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.fold(method.to_owned(), |name, word| name + "_" + word)
}

/// Bodies of bytes: a string of them, as the specification writes it, not an array of numbers.
/// A request without a body is one with an empty body, so that none of them is required.
fn tell_bytes(operation: &mut Operation) {
    let request = match &mut operation.request_body {
        Some(RefOr::T(body)) if body.content.keys().any(|kind| is_bytes(kind)) => {
            body.required = None;
            Some(&mut body.content)
        }
        _ => None,
    };
    let answers = operation.responses.responses.values_mut().filter_map(|answer| match answer {
        RefOr::T(answer) => Some(&mut answer.content),
        RefOr::Ref(_) => None,
    });
    let asked = request.into_iter().flatten();
    for (kind, content) in asked.chain(answers.flatten()) {
        if let (true, RefOr::T(content)) = (is_bytes(kind), content) {
            let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
            let bytes = ObjectBuilder::new().schema_type(Type::String).format(Some(binary)).build();
            content.schema = Some(RefOr::T(Schema::Object(bytes)));
        }
    }
}

fn is_bytes(kind: &str) -> bool {
    ["application/octet-stream", "application/gzip", "application/zip", "image/png"].contains(&kind)
}

fn problem() -> utoipa::openapi::Response {
    let schema = RefOr::Ref(Ref::from_schema_name(ProblemBody::name()));
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description("What went wrong (RFC 9457)").content(PROBLEM_JSON, content).build()
}

fn may_fail(operation: &mut Operation) {
    let refusals = REFUSALS.iter().map(|status| status.as_str().to_owned());
    for status in refusals.chain(["default".to_owned()]) {
        let problem = || RefOr::Ref(Ref::from_response_name(ProblemBody::name()));
        operation.responses.responses.entry(status).or_insert_with(problem);
    }
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
