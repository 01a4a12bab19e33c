//! The settings file: TOML, flattened to dotted keys and text.
//!
//! Invariant: this module knows the shape of TOML and nothing of settings. Every scalar becomes the
//! text that an environment variable would hold, so one rule reads a value wherever it comes from.

use std::collections::BTreeMap;
use std::path::Path;

use super::fault::Fault;

/// A value as written in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// The value as text; the elements of a list are joined with commas.
    pub(super) text: String,
    /// The value was written as a list.
    pub(super) list: bool,
}

/// Reads the file, and adds its faults to `faults`.
pub(super) fn read(path: &Path, faults: &mut Vec<Fault>) -> BTreeMap<String, Written> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
    text.and_then(|text| flatten(&text))
        .unwrap_or_else(|reason| {
            let path = path.display().to_string();
            faults.push(Fault::File { path, reason });
            BTreeMap::new()
        })
}

fn flatten(text: &str) -> Result<BTreeMap<String, Written>, String> {
    let table: toml::Table = toml::from_str(text).map_err(|error| syntax(text, &error))?;
    let mut values = BTreeMap::new();
    walk("", table, &mut values)?;
    Ok(values)
}

/// A syntax error with its line. The parser's own message quotes the line, which may hold a password.
fn syntax(text: &str, error: &toml::de::Error) -> String {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    format!("line {line} is not TOML: {}", error.message())
}

fn walk(
    prefix: &str,
    table: toml::Table,
    values: &mut BTreeMap<String, Written>,
) -> Result<(), String> {
    for (name, value) in table {
        let key = format!("{prefix}{name}");
        let (text, list) = match value {
            toml::Value::Table(inner) => {
                walk(&format!("{key}."), inner, values)?;
                continue;
            }
            toml::Value::Array(items) => (join(&key, items)?, true),
            scalar => (scalar_text(scalar), false),
        };
        values.insert(key, Written { text, list });
    }
    Ok(())
}

fn join(key: &str, items: Vec<toml::Value>) -> Result<String, String> {
    let text = |item: toml::Value| {
        if item.is_array() || item.is_table() {
            return Err(format!("{key} is a list of lists, give a list of texts"));
        }
        let text = scalar_text(item);
        if text.contains(',') {
            return Err(format!(
                "{key} has an element with a comma, give each element by itself"
            ));
        }
        Ok(text)
    };
    let texts: Result<Vec<String>, String> = items.into_iter().map(text).collect();
    Ok(texts?.join(","))
}

fn scalar_text(value: toml::Value) -> String {
    match value {
        toml::Value::String(text) => text,
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Boolean(flag) => flag.to_string(),
        toml::Value::Datetime(time) => time.to_string(),
        // Both are taken apart before; a text no rule accepts is the safe answer.
        toml::Value::Array(_) | toml::Value::Table(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str, list: bool) -> Written {
        Written {
            text: value.to_owned(),
            list,
        }
    }

    #[test]
    fn tables_become_dotted_keys_and_scalars_become_text() {
        let values =
            flatten("a.b = 1_000\n[c]\nd = true\ne = \"5s\"\nf = [\"x\", \"y\"]\n[c.g]\nh = 0.5\n")
                .unwrap();
        let expected = [
            ("a.b", text("1000", false)),
            ("c.d", text("true", false)),
            ("c.e", text("5s", false)),
            ("c.f", text("x,y", true)),
            ("c.g.h", text("0.5", false)),
        ];
        assert_eq!(
            values,
            expected.map(|(key, value)| (key.to_owned(), value)).into()
        );
    }

    #[test]
    fn a_syntax_fault_names_the_line_and_does_not_quote_it() {
        let reason = flatten("a = 1\nurl = \"postgresql://u:hidden@h/d\n").unwrap_err();
        assert!(reason.contains("line 2"), "{reason}");
        assert!(!reason.contains("hidden"), "{reason}");
    }

    #[test]
    fn nested_lists_and_elements_with_commas_are_refused() {
        for bad in ["a = [[1], [2]]", "a = [\"x,y\"]"] {
            assert!(flatten(bad).unwrap_err().starts_with("a "), "{bad}");
        }
    }
}
