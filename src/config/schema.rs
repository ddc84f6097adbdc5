//! The JSON Schema of the file (draft-07, no `$defs`), made from the section tables.
//!
//! It describes types, words and bounds of numbers; what needs the values of strings (durations,
//! prefixes, names) is a pattern where one is short, and is left to `hubdns check` elsewhere.

use serde_json::{Map, Value, json};

use super::sections::{Default, FILE, Key, Kind, MANY, Section};

/// The schema of the main file.
pub fn schema() -> Value {
    let mut root = table(&FILE);
    if let Some(root) = root.as_object_mut() {
        root.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
        root.insert("title".to_owned(), json!("hubdns configuration, version 1"));
    }
    root
}

/// A table with its keys.
fn table(section: &Section) -> Value {
    let mut properties = Map::new();
    for key in section.keys {
        properties.insert(key.name.to_owned(), property(key));
    }
    let required: Vec<&str> =
        section.keys.iter().filter(|key| key.default == Default::Required).map(|key| key.name).collect();
    json!({
        "type": "object",
        "description": section.doc,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// A key: its kind with description and default.
fn property(key: &Key) -> Value {
    let mut value = kind(&key.kind);
    if let Some(value) = value.as_object_mut() {
        let doc = match key.default {
            Default::Words(words) => format!("{} Default: {words}.", key.doc),
            _ => key.doc.to_owned(),
        };
        value.insert("description".to_owned(), json!(doc));
        if let Some(default) = default_as_json(key) {
            value.insert("default".to_owned(), default);
        }
    }
    value
}

/// The default of a key as JSON. TOML's strings, lists, numbers and truth values are JSON's.
fn default_as_json(key: &Key) -> Option<Value> {
    let Default::Value(text) = key.default else {
        return None;
    };
    serde_json::from_str(text).ok()
}

/// What a kind takes.
fn kind(kind_: &Kind) -> Value {
    let pattern = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    match kind_ {
        Kind::Integer(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Label => pattern("^[A-Za-z0-9._-]{1,63}$"),
        Kind::LabelGlob => pattern("^[A-Za-z0-9._*?!\\[\\]-]{1,63}$"),
        Kind::Choice(words) => json!({ "type": "string", "enum": words }),
        Kind::Duration(..) => pattern("^[0-9]+(\\.[0-9]{1,6})?(ms|s|m|h|d)$"),
        Kind::Size(..) => pattern("^(0|[0-9]+(KiB|MiB|GiB))$"),
        Kind::Guid => pattern("^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$"),
        Kind::Text
        | Kind::Path
        | Kind::PathGlob
        | Kind::SocketAddress(_)
        | Kind::Listener
        | Kind::Prefix
        | Kind::Address
        | Kind::Server
        | Kind::Name
        | Kind::Pattern => json!({ "type": "string", "minLength": 1 }),
        Kind::List(item, least, most) => {
            let mut list = json!({ "type": "array", "items": kind(item), "minItems": least });
            if let (true, Some(list)) = (*most < MANY, list.as_object_mut()) {
                list.insert("maxItems".to_owned(), json!(most));
            }
            list
        }
        Kind::Records => json!({ "type": "object", "additionalProperties": addresses() }),
        Kind::ZoneRecords => {
            let alias = json!({
                "type": "object",
                "properties": { "cname": kind(&Kind::Name) },
                "required": ["cname"],
                "additionalProperties": false,
            });
            json!({ "type": "object", "additionalProperties": { "anyOf": [addresses(), alias] } })
        }
        Kind::Choices(words) => json!({
            "type": "object",
            "additionalProperties": { "type": "string", "enum": words },
        }),
        Kind::Answer => json!({ "anyOf": [
            { "type": "array", "items": { "type": "string", "minLength": 1 }, "minItems": 1 },
            { "type": "string", "pattern": "^(nodata|nxdomain|refused|servfail|forward(:[A-Za-z0-9._-]{1,63})?)$" },
        ] }),
        Kind::Table(section) => table(section),
        Kind::Tables(section) => json!({ "type": "array", "items": table(section) }),
    }
}

/// A list of addresses that is not empty.
fn addresses() -> Value {
    json!({ "type": "array", "items": kind(&Kind::Address), "minItems": 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_draft_07_and_has_every_key() {
        let schema = schema();
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
        assert!(!schema.to_string().contains("$defs"));
        let view = &schema["properties"]["view"]["items"];
        assert_eq!(view["properties"]["guard"]["default"], "own");
        assert_eq!(view["properties"]["forward"]["items"]["required"], json!(["suffix", "upstream"]));
        assert_eq!(schema["required"], json!(["version", "server"]));
        assert_eq!(schema["properties"]["upstream"]["items"]["additionalProperties"], false);
    }

    #[test]
    fn every_default_is_json_too() {
        for key in super::super::sections::TABLES.iter().flat_map(|section| section.keys) {
            let Default::Value(_) = key.default else {
                continue;
            };
            assert!(default_as_json(key).is_some(), "{}", key.name);
        }
    }
}
