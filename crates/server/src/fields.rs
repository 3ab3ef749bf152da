//! Bodies of JSON that have fields with names. What is derived for a structure takes an array of its fields too, in the
//! order in which they happen to be declared, which nobody means and no description says.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// Something that is read from an object and from nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Fields<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(OfObject(PhantomData))
    }
}

struct OfObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OfObject<T> {
    type Value = Fields<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Fields<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields)).map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Change {
        name: Option<String>,
        year: Option<i32>,
    }

    #[test]
    fn an_array_is_no_object() {
        let read = |text: &str| serde_json::from_str::<Fields<Change>>(text).map(|Fields(change)| change);
        let change = |name: Option<&str>, year| Change { name: name.map(str::to_owned), year };
        assert_eq!(read(r#"{"year": 1961, "name": "Kim"}"#).unwrap(), change(Some("Kim"), Some(1961)));
        assert_eq!(read("{}").unwrap(), change(None, None));
        for wrong in ["[null, null]", "[\"Kim\", 1961]", "[]", "null", "1", "\"Kim\"", "{\"age\": 1}", "{} {}"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<[Change; 1]>("[[null, null]]").is_ok(), "which is why");
    }
}
