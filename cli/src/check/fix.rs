//! `postern check --fix`: files written anew, where that is certain.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use postern_policy_lang::lint::{Fix, Levels, Lint, fix as fix_file};
use postern_policy_lang::source::SourceFile;
use serde::Serialize;

use super::diff;
use super::report::counted;

/// The name of what comes by standard input.
const STDIN: &str = "<stdin>";

/// What was changed, or would be.
#[derive(Debug, Default, Serialize)]
pub(super) struct Changes {
    files: Vec<Change>,
    /// The fixed text of what came by standard input.
    #[serde(skip_serializing_if = "Option::is_none")]
    filtered: Option<String>,
}

#[derive(Debug, Serialize)]
struct Change {
    file: String,
    written: bool,
    fixes: Vec<Made>,
    refused: Vec<Refused>,
    diff: String,
}

#[derive(Debug, Serialize)]
struct Made {
    lint: &'static str,
    rule: String,
    field: &'static str,
    to: String,
}

#[derive(Debug, Serialize)]
struct Refused {
    #[serde(flatten)]
    fix: Made,
    why: String,
}

impl Made {
    fn new(lint: Lint, fix: &Fix) -> Self {
        let (rule, to) = (fix.rule.to_string(), fix.to.clone());
        Self { lint: lint.as_str(), rule, field: fix.field.as_str(), to }
    }
}

impl Changes {
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.filtered.is_none()
    }

    /// Whether standard output is for the text that came by standard input.
    pub(super) fn is_filter(&self) -> bool {
        self.filtered.is_some()
    }

    /// What standard output gets of it.
    pub(super) fn printed(&self, dry: bool) -> String {
        if let Some(text) = &self.filtered {
            return text.clone();
        }
        let mut text = String::new();
        for change in &self.files {
            if dry {
                text.push_str(&change.diff);
            } else if change.written {
                text.push_str(&format!(
                    "{}: {} made\n",
                    change.file,
                    counted(change.fixes.len(), "fix", "fixes")
                ));
            }
            for Refused { fix, why } in &change.refused {
                text.push_str(&format!(
                    "{}: {} of {} is not fixed: {why}\n",
                    change.file, fix.field, fix.rule
                ));
            }
        }
        text
    }
}

/// Fixes the files and, unless `dry`, writes them. From here on their texts are the fixed ones.
pub(super) fn fix(
    paths: &[PathBuf],
    files: &mut [SourceFile],
    levels: &Levels,
    dry: bool,
) -> anyhow::Result<Changes> {
    let mut changes = Changes::default();
    let from_stdin = paths.iter().any(|path| path == Path::new("-"));
    if from_stdin && files.len() > 1 && !dry {
        bail!("--fix prints what comes by standard input: give it no other file beside `-`");
    }
    for file in files {
        let fixed = fix_file(file, levels);
        let is_stdin = file.name == STDIN && from_stdin;
        let changed = fixed.text != file.text;
        if changed && !dry && !is_stdin {
            write(file, &fixed.text)?;
        }
        if changed || !fixed.refused.is_empty() {
            changes.files.push(Change {
                file: file.name.clone(),
                written: changed && !dry && !is_stdin,
                fixes: fixed.applied.iter().map(|(lint, fix)| Made::new(*lint, fix)).collect(),
                refused: fixed
                    .refused
                    .iter()
                    .map(|(lint, fix, why)| Refused { fix: Made::new(*lint, fix), why: why.to_string() })
                    .collect(),
                diff: diff::unified(&file.name, &file.text, &fixed.text),
            });
        }
        if is_stdin && !dry {
            changes.filtered = Some(fixed.text.clone());
        }
        file.text = fixed.text;
    }
    Ok(changes)
}

/// Replaces a file at once, and only if it is still what was read. Its mode and the links to it stay.
fn write(file: &SourceFile, text: &str) -> anyhow::Result<()> {
    let path = fs::canonicalize(&file.name).with_context(|| format!("cannot find {}", file.name))?;
    let name = path.file_name().with_context(|| format!("{} is no file", file.name))?.to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = (|| -> anyhow::Result<()> {
        let mut new = fs::OpenOptions::new().write(true).create_new(true).open(&beside)?;
        new.write_all(text.as_bytes())?;
        new.set_permissions(fs::metadata(&path)?.permissions())?;
        new.sync_all()?;
        if fs::read(&path)? != file.text.as_bytes() {
            bail!("it was changed meanwhile: run the command again");
        }
        Ok(fs::rename(&beside, &path)?)
    })();
    if written.is_err() {
        // The first error is the one to tell of.
        let _ = fs::remove_file(&beside);
    }
    written.with_context(|| format!("cannot write {}", file.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_changed_meanwhile_is_left() {
        let folder = std::env::temp_dir().join(format!("postern-check-fix-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("p.yaml");
        let file = SourceFile { name: path.display().to_string(), text: "as it was".to_owned() };
        fs::write(&path, "something else").unwrap();
        let error = write(&file, "fixed").unwrap_err();
        assert!(format!("{error:#}").contains("changed meanwhile"), "{error:#}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "something else");
        fs::write(&path, "as it was").unwrap();
        write(&file, "fixed").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "fixed");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
        fs::remove_dir_all(&folder).unwrap();
    }
}
