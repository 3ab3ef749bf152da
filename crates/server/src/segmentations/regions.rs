//! `/regions`: codes, colours and names of tissues, said once for every page.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accounts::Person;
use crate::app::App;

/// A tissue of a mask.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct TissueEntry {
    /// Its number in the masks of this server.
    pub code: u8,
    /// Its short name.
    #[schema(schema_with = keys)]
    pub key: &'static str,
    /// The report's colour.
    pub colour: &'static str,
    /// In English.
    pub name_en: &'static str,
    /// In Korean.
    pub name_ko: &'static str,
}

/// Necrotic core, oedema, enhancing tumour.
pub(crate) const TISSUES: [TissueEntry; 3] = [
    TissueEntry { code: 1, key: "ncr", colour: "#3b6cff", name_en: "necrotic core", name_ko: "괴사 중심부" },
    TissueEntry { code: 2, key: "ed", colour: "#2fbf4a", name_en: "oedema", name_ko: "부종" },
    TissueEntry { code: 3, key: "et", colour: "#ff3b3b", name_en: "enhancing tumour", name_ko: "조영증강 종양" },
];

fn keys() -> Schema {
    let names = TISSUES.map(|tissue| tissue.key);
    let key = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
    Schema::Object(key.description(Some("Its short name.")).build())
}

/// The routes of this file.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// The tissues of masks.
#[utoipa::path(get, path = "/regions", tag = "segmentations", responses((status = OK, body = Vec<TissueEntry>)))]
async fn list(_person: Person) -> Json<Vec<TissueEntry>> {
    Json(TISSUES.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use segment::labels::Tissue;

    #[test]
    fn codes_are_those_of_the_masks() {
        assert_eq!(TISSUES.map(|tissue| tissue.code), Tissue::TUMOUR.map(Tissue::code));
    }
}
