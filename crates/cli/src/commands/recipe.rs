//! `glioscope recipe`: how two recipes differ.

use std::collections::BTreeMap;
use std::path::Path;

use segment::recipe::{DEFAULT, ORIGINAL, Recipe};
use serde_json::{Value, json};

use crate::Outcome;
use crate::args;
use crate::show::{self, Show, table};

/// Reads a recipe file, or one of the recipes inside the program.
pub(crate) fn open(path: &Path) -> anyhow::Result<Recipe> {
    let inside = match path.to_str() {
        Some("default") => Some(DEFAULT),
        Some("original") => Some(ORIGINAL),
        _ => None,
    };
    Ok(match inside {
        Some(text) => Recipe::parse(text, path)?,
        None => Recipe::read(path)?,
    })
}

pub(crate) fn run(args: &args::Recipe, show: Show) -> anyhow::Result<Outcome> {
    let args::Recipe::Diff(args) = args;
    let [first, second] = [keys(&open(&args.first)?)?, keys(&open(&args.second)?)?];
    let mut names: Vec<&String> = first.keys().chain(second.keys()).collect();
    names.sort();
    names.dedup();
    let differing: Vec<[String; 3]> = names
        .into_iter()
        .filter(|name| first.get(*name) != second.get(*name))
        .map(|name| {
            let value = |keys: &BTreeMap<String, Value>| keys.get(name).map_or("-".to_owned(), ToString::to_string);
            [name.clone(), value(&first), value(&second)]
        })
        .collect();
    if show.is_json() {
        let rows: Vec<Value> = differing
            .iter()
            .map(|[key, first, second]| json!({"key": key, "first": first, "second": second}))
            .collect();
        show::json(&rows)?;
    } else if differing.is_empty() {
        show::result("the recipes are equal")?;
    } else {
        let [first, second] = [&args.first, &args.second].map(|path| path.display().to_string());
        let rows = differing.into_iter().map(Vec::from).collect();
        show::result(&table(&["key", &first, &second], 3, rows))?;
    }
    Ok(Outcome::Done)
}

/// The values of a recipe by their full names; an array is one value.
fn keys(recipe: &Recipe) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut keys = BTreeMap::new();
    flatten(String::new(), serde_json::to_value(recipe)?, &mut keys);
    Ok(keys)
}

fn flatten(name: String, value: Value, keys: &mut BTreeMap<String, Value>) {
    if let Value::Object(fields) = value {
        for (field, value) in fields {
            let name = if name.is_empty() { field } else { format!("{name}.{field}") };
            flatten(name, value, keys);
        }
    } else {
        keys.insert(name, value);
    }
}
