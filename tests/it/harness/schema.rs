//! JSON against a schema: as much of JSON Schema as docs/openapi.json uses, and a panic at a keyword that is not known
//! here, so that none is passed over.

use serde_json::Value;

/// What is wrong with a value, each with its place; nothing where it fits.
pub(crate) fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    check(document, schema, value, "", &mut found);
    found
}

fn check(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let Value::Object(keywords) = schema else { panic!("{schema} is no schema") };
    for (keyword, own) in keywords {
        let mut unless = |fits: bool| {
            if !fits {
                found.push(format!("{at}: {value} is not as {keyword}: {own}"));
            }
        };
        match keyword.as_str() {
            "description" | "default" => {}
            "$ref" => {
                let pointer = own.as_str().and_then(|text| text.strip_prefix('#')).expect("a local reference");
                let target = document.pointer(pointer).unwrap_or_else(|| panic!("{pointer} leads nowhere"));
                check(document, target, value, at, found);
            }
            "type" => unless(names(own).iter().any(|kind| is_of(value, kind))),
            "enum" => unless(own.as_array().expect("a list").contains(value)),
            "const" => unless(own == value),
            "minimum" => unless(value.as_f64().is_none_or(|number| number >= own.as_f64().expect("a number"))),
            "pattern" => unless(value.as_str().is_none_or(|text| fits(text, own.as_str().expect("a pattern")))),
            "required" => {
                for name in names(own) {
                    unless(value.as_object().is_none_or(|members| members.contains_key(&name)));
                }
            }
            "properties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = own.get(name) {
                        check(document, schema, member, &format!("{at}/{name}"), found);
                    }
                }
            }
            "additionalProperties" => {
                for (name, member) in value.as_object().into_iter().flatten() {
                    let is_known = keywords.get("properties").is_some_and(|known| known.get(name).is_some());
                    match own {
                        _ if is_known => {}
                        Value::Bool(allowed) if *allowed => {}
                        Value::Bool(_) => found.push(format!("{at}: {name:?} is not described")),
                        schema => check(document, schema, member, &format!("{at}/{name}"), found),
                    }
                }
            }
            "propertyNames" => {
                for name in value.as_object().into_iter().flat_map(|members| members.keys()) {
                    check(document, own, &Value::String(name.clone()), at, found);
                }
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(document, own, item, &format!("{at}/{index}"), found);
                }
            }
            "oneOf" => {
                let fitting = own.as_array().expect("a list").iter();
                let fitting = fitting.filter(|schema| faults(document, schema, value).is_empty()).count();
                unless(fitting == 1);
            }
            other => panic!("{other:?} is not known here"),
        }
    }
}

fn names(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    value.as_array().map_or_else(|| vec![text(value)], |list| list.iter().map(text).collect())
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        other => panic!("{other:?} is no type"),
    }
}

/// The one pattern in use: a letter and digits.
fn fits(text: &str, pattern: &str) -> bool {
    assert_eq!(pattern, "^H[0-9]{4}$");
    text.strip_prefix('H').is_some_and(|digits| digits.len() == 4 && digits.bytes().all(|own| own.is_ascii_digit()))
}

#[test]
fn a_value_that_does_not_fit_is_told() {
    let document = serde_json::json!({ "a": { "type": ["integer", "null"], "minimum": 0 } });
    let schema = serde_json::json!({
        "type": "object", "required": ["x"], "additionalProperties": false,
        "properties": { "x": { "$ref": "#/a" }, "y": { "type": "array", "items": { "enum": ["b"] } } },
    });
    let count = |value: Value| faults(&document, &schema, &value).len();
    assert_eq!(count(serde_json::json!({ "x": 1, "y": ["b"] })), 0);
    assert_eq!(count(serde_json::json!({ "x": null })), 0);
    assert_eq!(count(serde_json::json!({ "x": -1 })), 1);
    assert_eq!(count(serde_json::json!({ "y": ["c"], "z": 1 })), 3);
    assert_eq!(count(serde_json::json!([])), 1);
}
