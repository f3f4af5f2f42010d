//! Checks JSON against a schema, as far as `docs/report.schema.json` needs it. A keyword that is not known
//! here is a failure, so that nothing in the schema goes unchecked.

use serde_json::{Map, Value};

/// Keywords that say nothing about a value.
const SAYS_NOTHING: [&str; 4] = ["$schema", "title", "description", "$defs"];

/// Returns the schema of reports.
pub(crate) fn of_reports() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/report.schema.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Returns what is wrong with a report.
pub(crate) fn faults_of_report(text: &str) -> Vec<String> {
    let schema = of_reports();
    faults(&schema, &schema, &serde_json::from_str(text).unwrap())
}

/// Returns what is wrong with the details of a pair.
pub(crate) fn faults_of_detail(text: &str) -> Vec<String> {
    let schema = of_reports();
    faults(&schema, &schema["$defs"]["detail"], &serde_json::from_str(text).unwrap())
}

/// Returns what is wrong with a value by a part of a schema.
pub(crate) fn faults(whole: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut check = Check { whole, faults: Vec::new() };
    check.value(schema, value, "$");
    check.faults
}

struct Check<'a> {
    whole: &'a Value,
    faults: Vec<String>,
}

impl Check<'_> {
    fn fault(&mut self, at: &str, what: &str) {
        self.faults.push(format!("{at} {what}"));
    }

    fn value(&mut self, schema: &Value, value: &Value, at: &str) {
        let rules = schema.as_object().unwrap_or_else(|| panic!("{schema} is no schema"));
        for (keyword, rule) in rules {
            match keyword.as_str() {
                "$ref" => {
                    let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                    let whole = self.whole;
                    self.value(whole.pointer(pointer).unwrap(), value, at);
                }
                "type" => {
                    let types = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                    if !types.iter().any(|of| is_of(of.as_str().unwrap(), value)) {
                        self.fault(at, &format!("is no {rule}: {value}"));
                    }
                }
                "enum" if !rule.as_array().unwrap().contains(value) => {
                    self.fault(at, &format!("is none of {rule}: {value}"));
                }
                "const" if rule != value => self.fault(at, &format!("is not {rule}: {value}")),
                "minimum" if value.as_f64().is_some_and(|of| of < rule.as_f64().unwrap()) => {
                    self.fault(at, &format!("is below {rule}"));
                }
                "maximum" if value.as_f64().is_some_and(|of| rule.as_f64().unwrap() < of) => {
                    self.fault(at, &format!("is above {rule}"));
                }
                "enum" | "const" | "minimum" | "maximum" => {}
                "properties" | "required" | "additionalProperties" => {
                    if let (Some(object), "properties") = (value.as_object(), keyword.as_str()) {
                        self.object(rules, object, at);
                    }
                }
                "items" | "prefixItems" | "minItems" => {
                    if let (Some(list), "items") = (value.as_array(), keyword.as_str()) {
                        self.list(rules, list, at);
                    }
                }
                other => assert!(SAYS_NOTHING.contains(&other), "{other} is not checked"),
            }
        }
    }

    fn object(&mut self, rules: &Map<String, Value>, object: &Map<String, Value>, at: &str) {
        assert_eq!(rules["additionalProperties"], false, "{at} is open");
        for key in rules["required"].as_array().unwrap() {
            if !object.contains_key(key.as_str().unwrap()) {
                self.fault(at, &format!("lacks {key}"));
            }
        }
        for (key, value) in object {
            match rules["properties"].get(key) {
                Some(schema) => self.value(schema, value, &format!("{at}.{key}")),
                None => self.fault(at, &format!("has {key}, which is unknown")),
            }
        }
    }

    fn list(&mut self, rules: &Map<String, Value>, list: &[Value], at: &str) {
        let first = rules.get("prefixItems").and_then(Value::as_array).cloned().unwrap_or_default();
        if !first.is_empty() && list.len() != first.len() {
            self.fault(at, &format!("has {} entries instead of {}", list.len(), first.len()));
        }
        for (place, value) in list.iter().enumerate() {
            let schema = first.get(place).unwrap_or(&rules["items"]);
            if schema != false {
                self.value(schema, value, &format!("{at}[{place}]"));
            }
        }
    }
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{other} is no type"),
    }
}
