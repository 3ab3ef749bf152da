//! Just enough JSON to read the golden file, which our own script writes: no escapes in strings.

/// A parsed value; objects keep their order.
#[derive(Debug)]
pub(crate) enum Json {
    Null,
    Number(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    pub(crate) fn parse(text: &str) -> Json {
        let mut rest = text;
        let value = value(&mut rest);
        assert!(rest.trim().is_empty(), "text after the JSON value: {rest:.20}");
        value
    }

    pub(crate) fn get(&self, key: &str) -> &Json {
        let Json::Object(members) = self else { panic!("no object around {key}: {self:?}") };
        match members.iter().find(|(name, _)| name == key) {
            Some((_, value)) => value,
            None => panic!("no {key} in the object"),
        }
    }

    pub(crate) fn list(&self) -> &[Json] {
        let Json::List(items) = self else { panic!("not a list: {self:?}") };
        items
    }

    pub(crate) fn text(&self) -> &str {
        let Json::Text(text) = self else { panic!("not a string: {self:?}") };
        text
    }

    pub(crate) fn number(&self) -> f64 {
        match self.optional() {
            Some(number) => number,
            None => panic!("null where a number is needed"),
        }
    }

    /// A number, or `None` for null.
    pub(crate) fn optional(&self) -> Option<f64> {
        match self {
            Json::Number(number) => Some(*number),
            Json::Null => None,
            Json::Text(_) | Json::List(_) | Json::Object(_) => panic!("not a number: {self:?}"),
        }
    }

    pub(crate) fn numbers(&self) -> Vec<f64> {
        self.list().iter().map(Json::number).collect()
    }

    /// A list of counts.
    pub(crate) fn counts(&self) -> Vec<usize> {
        self.numbers().into_iter().map(whole).collect()
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "asserted to survive the way back")]
fn whole(number: f64) -> usize {
    let count = number as usize;
    assert!((count as f64 - number).abs() < f64::EPSILON, "not a count: {number}");
    count
}

fn value(rest: &mut &str) -> Json {
    *rest = rest.trim_start();
    match rest.as_bytes().first() {
        Some(b'{') => Json::Object(items(rest, '}', |rest| {
            let Json::Text(key) = value(rest) else { panic!("a key is a string") };
            skip(rest, ':');
            (key, value(rest))
        })),
        Some(b'[') => Json::List(items(rest, ']', value)),
        Some(b'"') => {
            let Some((text, after)) = rest[1..].split_once('"') else { panic!("a string without end") };
            *rest = after;
            Json::Text(text.to_owned())
        }
        Some(b'n') => {
            *rest = &rest["null".len()..];
            Json::Null
        }
        _ => {
            let end = rest.find([',', ']', '}', '\n']).unwrap_or(rest.len());
            let (number, after) = rest.split_at(end);
            *rest = after;
            Json::Number(number.trim().parse().unwrap_or_else(|_| panic!("not a number: {number}")))
        }
    }
}

/// The members between an opening bracket and `close`.
fn items<T>(rest: &mut &str, close: char, item: impl Fn(&mut &str) -> T) -> Vec<T> {
    *rest = &rest[1..];
    let mut items = Vec::new();
    loop {
        *rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix(close) {
            *rest = after;
            return items;
        }
        if !items.is_empty() {
            skip(rest, ',');
        }
        items.push(item(rest));
    }
}

fn skip(rest: &mut &str, sign: char) {
    match rest.trim_start().strip_prefix(sign) {
        Some(after) => *rest = after,
        None => panic!("{sign} expected before {rest:.20}"),
    }
}
