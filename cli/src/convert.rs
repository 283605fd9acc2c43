//! `postern convert`.

use std::path::PathBuf;

use postern_policy_lang::convert::{Converted, convert};
use postern_policy_lang::diagnostic::{Code, Severity};
use postern_policy_lang::yaml_text;
use serde::Serialize;
use serde_json::Value;

use crate::output::{Outcome, print, print_json};
use crate::{inputs, render};

const EXAMPLES: &str = "\
Examples:
  postern convert rule1-v1.yaml > rule1.yaml
  kubectl get networkpolicy -A -o yaml | postern convert - | kubectl apply -f -
  postern convert old/ -o json";

/// Write policies of older and foreign dialects as `cilium.io/v2`
///
/// Reads `cilium.io/v1` CiliumNetworkPolicy and Kubernetes NetworkPolicy, and writes CiliumNetworkPolicy that means
/// the same. Policies of cilium.io/v2 and documents of other kinds come out as they are; comments are lost.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Policy files, or folders of them (`-` reads standard input)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How the result is printed
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Format {
    /// The documents, one after another
    #[default]
    Yaml,
    /// A list that says of each document what it was
    Json,
}

#[derive(Serialize)]
struct Entry<'a> {
    file: &'a str,
    from: &'a str,
    changed: bool,
    document: &'a Value,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<Outcome> {
    let files = inputs::read(&args.files)?;
    let mut converted: Vec<(&str, Converted)> = Vec::new();
    let mut diagnostics = Vec::new();
    for file in &files {
        let (documents, found) = convert(file);
        converted.extend(documents.into_iter().map(|document| (file.name.as_str(), document)));
        diagnostics.extend(found);
    }
    // That the dialect is an old one is why it is converted.
    diagnostics.retain(|diagnostic| diagnostic.code != Code::LegacyDialect);
    render::diagnostics(&files, &diagnostics);
    if diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        // A part of a set of policies can mean anything: nothing is printed that could be applied.
        return Ok(Outcome::Findings);
    }
    match args.output {
        Format::Yaml => {
            let texts: Vec<String> =
                converted.iter().map(|(_, converted)| yaml_text::document(converted.document())).collect();
            print(&texts.join("---\n"))?;
        }
        Format::Json => print_json(&converted.iter().map(entry).collect::<Vec<_>>())?,
    }
    Ok(Outcome::Ok)
}

fn entry<'a>((file, converted): &'a (&'a str, Converted)) -> Entry<'a> {
    let (from, changed) = match converted {
        Converted::Changed { from, .. } => (from, true),
        Converted::Kept { kind, .. } => (kind, false),
    };
    Entry { file, from, changed, document: converted.document() }
}
