//! The API's own description.

use std::path::Path;

use axum::http::Method;
use serde_json::{Value, json};

use crate::http::visitor::{Site, refused};

/// Writes the file instead of comparing it.
const UPDATE: &str = "UPDATE_OPENAPI";

#[test]
fn the_committed_document_is_that_of_the_routes() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let made = serde_json::to_string_pretty(&server::document()).unwrap() + "\n";
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&file, &made).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(made == committed, "docs/openapi.json is not that of the routes; UPDATE_OPENAPI=1 writes it (make api)");
}

#[tokio::test]
async fn the_document_is_served_and_every_operation_may_fail_in_words() {
    let site = Site::open().await;
    let document = site.stranger().get("/api/openapi.json").send().await.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let problem = &document["components"]["responses"]["Problem"]["content"]["application/problem+json"]["schema"];
    assert_eq!(problem["$ref"], "#/components/schemas/Problem");
    assert!(document["components"]["schemas"]["Problem"].is_object());
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for status in ["400", "401", "403", "404", "409", "413", "415", "422", "429", "default"] {
                let answer = &operation["responses"][status]["$ref"];
                assert_eq!(answer, "#/components/responses/Problem", "{method} {path} {status}");
            }
            assert!(operation["summary"].is_string() || operation["description"].is_string(), "{method} {path}");
            assert!(operation["tags"].is_array(), "{method} {path}");
        }
    }
}

/// The documented operations that read JSON, with an id that is nobody's in their paths.
fn reading_json() -> Vec<(Method, String)> {
    let document = serde_json::to_value(server::document()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["requestBody"]["content"]["application/json"].is_object() {
                let mut path = path.clone();
                while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
                    path.replace_range(from..=to, &server::ids::StudyId::fresh().to_string());
                }
                found.push((method.to_uppercase().parse().unwrap(), path));
            }
        }
    }
    found
}

#[tokio::test]
async fn where_an_object_is_described_nothing_else_is_read() {
    let site = Site::open().await;
    let kim = site.admin().await;
    let operations = reading_json();
    assert!(operations.len() >= 11, "{operations:?}");
    for (method, path) in operations {
        let arrays = (0..9).map(|n| json!(vec![Value::Null; n]));
        for body in arrays.chain([json!("text"), json!(1), json!(["kim", "a long password", "admin"])]) {
            let answer = kim.change(method.clone(), &path).json(body.clone()).send().await;
            assert_eq!(answer.problem(), (422, "invalid".to_owned()), "{method} {path} {body}: {answer:?}");
        }
    }
    let upload = crate::http::material::open(&kim).await;
    let group = json!(["key", null, null, null, null, null, false]);
    let answer = kim.post(&format!("/api/v1/uploads/{upload}/commit"), json!({"groups": [group]})).send().await;
    refused(&answer, 422, "invalid");
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    let document = serde_json::to_value(server::document()).unwrap();
    let mut rest = vec![&document];
    while let Some(value) = rest.pop() {
        if let Some(place) = value.get("$ref").and_then(Value::as_str) {
            assert!(document.pointer(place.trim_start_matches('#')).is_some(), "{place}");
        }
        match value {
            Value::Array(items) => rest.extend(items),
            Value::Object(fields) => rest.extend(fields.values()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

#[tokio::test]
async fn the_page_to_try_it_loads_nothing_from_elsewhere() {
    let site = Site::open().await;
    let page = site.stranger().get("/api/docs/").send().await;
    let text = String::from_utf8(page.body).unwrap();
    assert!(
        text.contains("swagger-ui-bundle.js") && !text.contains("https://") && !text.contains("<script>"),
        "{text}"
    );
    for file in [
        "swagger-ui-bundle.js",
        "swagger-ui-standalone-preset.js",
        "swagger-ui.css",
        "index.css",
        "swagger-initializer.js",
    ] {
        let answer = site.stranger().get(&format!("/api/docs/{file}")).send().await;
        assert!(answer.status.is_success() && !answer.body.is_empty(), "{file}: {}", answer.status);
    }
    assert_eq!(site.stranger().get("/api/docs").send().await.header("location"), "/api/docs/");
    let none: Value = serde_json::from_slice(&site.stranger().get("/api/docs/none.js").send().await.body).unwrap();
    assert_eq!(none["code"], "not_found");
}
