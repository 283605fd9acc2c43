//! Pages for people.

use std::fmt::Write as _;

use super::{Enforced, Field, Resource, Takes};

/// The page of a resource, as Markdown.
pub fn page(resource: &Resource) -> String {
    let Resource { kind, version, about, example, .. } = resource;
    let file = resource.file_name();
    let mut page = format!(
        "<!-- Written by a test of policy/lang: POSTERN_UPDATE=1 cargo test -p postern-policy-lang -->\n\
         # {kind}, {version}\n\n{about}\n\n```yaml\n{example}```\n\n\
         JSON Schema: [{file}.json](schemas/{file}.json). An editor with the YAML language server completes and checks by it:\n\n\
         ```yaml\n# yaml-language-server: $schema=docs/reference/schemas/{file}.json\n```\n\n"
    );
    page.push_str("| field | takes | means | enforced |\n|---|---|---|---|\n");
    for field in resource.fields {
        rows(field, "", &mut page);
    }
    page
}

fn rows(field: &Field, parent: &str, page: &mut String) {
    let name = match parent {
        "" => field.name.to_owned(),
        parent => format!("{parent}.{}", field.name),
    };
    let mut takes = &field.takes;
    let mut path = name.clone();
    while let Takes::List(items) = takes {
        path.push_str("[]");
        takes = items;
    }
    let must = if field.required { ", required" } else { "" };
    // Writing to a string does not fail.
    let _ = writeln!(
        page,
        "| `{name}` | {}{must} | {} | {} |",
        describe(&field.takes),
        field.about,
        enforced(field.enforced)
    );
    if let Takes::Object(fields) = takes {
        // What a selector is made of is the same everywhere.
        if field.name.ends_with("elector") || is_selector(fields) {
            return;
        }
        for field in *fields {
            rows(field, &path, page);
        }
    }
}

fn is_selector(fields: &[Field]) -> bool {
    fields.first().is_some_and(|field| field.name == "matchLabels")
}

fn describe(takes: &Takes) -> String {
    match takes {
        Takes::Text => "text".to_owned(),
        Takes::OneOf(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Takes::Number(least, most) => format!("number, {least} to {most}"),
        Takes::NumberOrText => "number or text".to_owned(),
        Takes::Boolean => "`true`, `false`".to_owned(),
        Takes::Object(fields) if is_selector(fields) => {
            "selector: `matchLabels`, `matchExpressions`".to_owned()
        }
        Takes::Object(_) => "object".to_owned(),
        Takes::Texts => "texts by name".to_owned(),
        Takes::List(items) => format!("list of: {}", describe(items)),
        Takes::Anything => "anything".to_owned(),
    }
}

fn enforced(by: Enforced) -> &'static str {
    match by {
        Enforced::Everywhere => "kernel and proxies",
        Enforced::Requests => "proxies, each request",
        Enforced::Kernel => "kernel",
        Enforced::Quarantined => "not yet: quarantined",
        Enforced::Said => "",
    }
}
