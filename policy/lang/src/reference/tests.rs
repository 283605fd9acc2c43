use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::{Field, RESOURCES, Resource, Takes, json_schema, page};
use crate::diagnostic::{Code, Diagnostic};
use crate::source::SourceFile;

#[test]
fn the_published_reference_is_what_the_tables_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    let mut expected =
        BTreeSet::from(["README.md".to_owned(), "bundle.schema.json".to_owned(), "schemas".to_owned()]);
    for resource in &RESOURCES {
        let name = resource.file_name();
        expected.insert(format!("{name}.md"));
        let schema = serde_json::to_string_pretty(&json_schema(resource)).unwrap() + "\n";
        for (path, text) in [(format!("{name}.md"), page(resource)), (format!("schemas/{name}.json"), schema)]
        {
            let path = folder.join(path);
            if std::env::var_os("POSTERN_UPDATE").is_some() {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, &text).unwrap();
            }
            let published = std::fs::read_to_string(&path).unwrap_or_default();
            let how = "run `POSTERN_UPDATE=1 cargo test -p postern-policy-lang` and commit it";
            assert!(published == text, "{} is stale: {how}", path.display());
        }
    }
    let found: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, expected);
}

fn read(resource: &Resource, text: String) -> Vec<Diagnostic> {
    let file = SourceFile { name: "r.yaml".to_owned(), text };
    match resource.kind {
        "Workload" => crate::inventory::load_inventory(&[file]).diagnostics,
        "PolicyTest" => crate::policy_test::load_policy_tests(&[file]).diagnostics,
        _ => crate::load_policies(&[file]).diagnostics,
    }
}

#[test]
fn examples_are_read_without_a_word() {
    for resource in &RESOURCES {
        let found = read(resource, resource.example.to_owned());
        let found: Vec<_> = found.iter().filter(|found| found.code != Code::LegacyDialect).collect();
        assert!(found.is_empty(), "{}: {found:?}", resource.kind);
    }
}

/// Puts an object where it belongs in a document.
type Around<'a> = &'a dyn Fn(Value) -> Value;

/// Every object of a resource: how to reach it, and its fields.
fn objects(
    fields: &'static [Field],
    around: Around<'_>,
    visit: &mut dyn FnMut(Around<'_>, &'static [Field]),
) {
    visit(around, fields);
    for field in fields {
        let mut takes = field.takes;
        let mut depth = 0;
        while let Takes::List(items) = takes {
            takes = *items;
            depth += 1;
        }
        if let Takes::Object(inner) = takes {
            let within = |value: Value| {
                let value = (0..depth).fold(value, |value, _| json!([value]));
                let needed = |other: &&Field| {
                    other.required && other.name != field.name && matches!(other.takes, Takes::Object(_))
                };
                let mut object: serde_json::Map<String, Value> =
                    fields.iter().filter(needed).map(|other| (other.name.to_owned(), json!({}))).collect();
                object.insert(field.name.to_owned(), value);
                around(Value::Object(object))
            };
            objects(inner, &within, visit);
        }
    }
}

/// An object with a field that nobody knows is told which there are: those of the table, and no others.
#[test]
fn the_readers_know_the_fields_of_the_tables() {
    for resource in &RESOURCES {
        let whole = |mut spec: Value| {
            let document = spec.as_object_mut().unwrap();
            document.insert("apiVersion".to_owned(), json!(resource.version));
            document.insert("kind".to_owned(), json!(resource.kind));
            document.insert("metadata".to_owned(), json!({"name": "r"}));
            spec
        };
        objects(resource.fields, &whole, &mut |around, fields| {
            let text = around(json!({"zzzzzzzz": 1})).to_string();
            let found = read(resource, text.clone());
            let unknown = found.iter().find(|found| found.code == Code::UnknownField);
            let Some(unknown) = unknown else { panic!("{text}: {found:?}") };
            let help = unknown.help.clone().unwrap_or_default();
            let known: BTreeSet<&str> =
                help.strip_prefix("expected one of ").unwrap_or(&help).split(", ").collect();
            let common = ["apiVersion", "kind", "metadata"];
            let known: BTreeSet<&str> = known.difference(&common.into()).copied().collect();
            let table: BTreeSet<&str> =
                fields.iter().map(|field| field.name).filter(|name| !common.contains(name)).collect();
            let (untold, unread) = (known.difference(&table), table.difference(&known));
            // Some are known so that they can be refused in words of their own; one is an old spelling.
            let untold: Vec<_> =
                untold.filter(|name| !["authentication", "toFQDNs"].contains(name)).collect();
            let unread: Vec<_> = unread.filter(|name| **name != "HTTP").collect();
            assert!(
                untold.is_empty() && unread.is_empty(),
                "{text}: read {untold:?}, in the table {unread:?}"
            );
        });
    }
}
