//! JSON values as YAML that people like to read: what policies and definitions need of it, and no more.

use std::fmt::Write as _;

use serde_json::Value;

/// A document. It reads back as the same value: every text that a reader could take for something else is quoted.
pub fn document(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

/// A value on lines of its own.
fn block(value: &Value, depth: usize, out: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                out.push_str(&indent);
                out.push_str(&text(key));
                out.push(':');
                child(value, depth + 1, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut lines = String::new();
                block(item, depth + 1, &mut lines);
                // The first line of the item stands behind its dash.
                let _ = write!(out, "{indent}- {}", lines.trim_start_matches(' '));
            }
        }
        _ => {
            let _ = writeln!(out, "{indent}{}", scalar(value));
        }
    }
}

/// A value behind its key.
fn child(value: &Value, depth: usize, out: &mut String) {
    let nested = match value {
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if nested {
        out.push('\n');
        block(value, depth, out);
    } else {
        let _ = writeln!(out, " {}", scalar(value));
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(string) => text(string),
        // The rest of JSON is YAML as it is.
        other => other.to_string(),
    }
}

/// Without quotes where no reader of YAML could take it for anything but this text.
fn text(text: &str) -> String {
    const WORDS: [&str; 8] = ["true", "false", "null", "yes", "no", "on", "off", "y"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
        && !text.eq_ignore_ascii_case("n");
    match plain {
        true => text.to_owned(),
        // A JSON string is a YAML string in double quotes.
        false => Value::from(text).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::document;

    #[test]
    fn nests_and_quotes() {
        let value =
            json!({"a": {"b": [{"c": 1, "d": [[]]}, "x y", {}], "on": true}, "e": ["1", "true"], "f": {}});
        let expected = "a:\n  b:\n    - c: 1\n      d:\n        - []\n    - \"x y\"\n    - {}\n  \"on\": true\n\
                        e:\n  - \"1\"\n  - \"true\"\nf: {}\n";
        assert_eq!(document(&value), expected);
    }
}
