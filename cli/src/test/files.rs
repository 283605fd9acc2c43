//! Which files are meant: test files on the command line, and the files that tests name.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use postern_policy_lang::policy_test::{PolicyTest, load_policy_tests};
use postern_policy_lang::source::SourceFile;
use postern_policy_testing::glob;

use crate::{inputs, render};

/// Reads the tests in files, folders and patterns. A file that is named must hold one; what a folder or a pattern
/// brings up may be something else.
pub(super) fn tests(paths: &[PathBuf]) -> anyhow::Result<Vec<PolicyTest>> {
    let mut files: Vec<SourceFile> = Vec::new();
    for path in paths {
        let found = test_files(path)?;
        files.extend(
            found
                .into_iter()
                .filter(|found| !files.iter().any(|file| file.name == found.name))
                .collect::<Vec<_>>(),
        );
    }
    let loaded = load_policy_tests(&files);
    render::diagnostics(&files, &loaded.diagnostics);
    if loaded.has_errors() {
        bail!("the files above have errors: nothing was tested");
    }
    if loaded.tests.is_empty() {
        bail!("there is no PolicyTest in these files: nothing would be tested");
    }
    Ok(loaded.tests)
}

fn test_files(path: &Path) -> anyhow::Result<Vec<SourceFile>> {
    let text = path.to_string_lossy();
    let found = if path.is_dir() {
        let mut found = Vec::new();
        documents_below(path, &mut found)?;
        found
    } else if glob::is_pattern(&text) && !path.exists() {
        matching(Path::new(""), &text)?
    } else {
        return inputs::read(&[path.to_owned()]);
    };
    let mut files = inputs::read(&found)?;
    // What has no such word in it is no test, whether it can be read as YAML or not.
    files.retain(|file| file.text.contains("PolicyTest"));
    if files.is_empty() {
        bail!("there is no PolicyTest in {text}");
    }
    Ok(files)
}

/// The YAML and JSON files in a folder and below it, in order. Links to folders are not followed.
fn documents_below(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for (path, is_folder) in entries(folder)? {
        let extension = path.extension().and_then(|extension| extension.to_str());
        if is_folder {
            documents_below(&path, found)?;
        } else if matches!(extension, Some("yaml" | "yml" | "json")) {
            found.push(path);
        }
    }
    Ok(())
}

/// The files and folders that a name or pattern means, seen from a folder, in order. A name without a star means
/// itself, whether it is there or not.
pub(super) fn matching(base: &Path, pattern: &str) -> anyhow::Result<Vec<PathBuf>> {
    if !glob::is_pattern(pattern) {
        return Ok(vec![base.join(pattern)]);
    }
    let (base, pattern) = match pattern.strip_prefix('/') {
        Some(rest) => (Path::new("/"), rest),
        None => (base, pattern),
    };
    let steps: Vec<&str> = pattern.split('/').filter(|step| !step.is_empty() && *step != ".").collect();
    let mut found = Vec::new();
    expand(base, &steps, &mut found)?;
    found.sort();
    found.dedup();
    Ok(found)
}

fn expand(base: &Path, steps: &[&str], found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let Some((step, rest)) = steps.split_first() else {
        if base.exists() {
            found.push(base.to_owned());
        }
        return Ok(());
    };
    if *step == "**" {
        expand(base, rest, found)?;
        for (path, _) in entries(base)?.into_iter().filter(|(_, is_folder)| *is_folder) {
            expand(&path, steps, found)?;
        }
        return Ok(());
    }
    if !glob::is_pattern(step) {
        return expand(&base.join(step), rest, found);
    }
    for (path, _) in entries(base)? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        if name.is_some_and(|name| glob::step_matches(step, &name)) && (rest.is_empty() || path.is_dir()) {
            expand(&path, rest, found)?;
        }
    }
    Ok(())
}

/// What is in a folder, in order, and whether it is a folder itself, not a link to one. Hidden folders such as `.git`
/// count as none, and a folder that is not there is empty.
fn entries(folder: &Path) -> anyhow::Result<Vec<(PathBuf, bool)>> {
    let shown = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let listing = match fs::read_dir(shown) {
        Ok(listing) => listing,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error).with_context(|| format!("cannot list {}", shown.display())),
    };
    let mut entries = Vec::new();
    for entry in listing {
        let entry = entry.with_context(|| format!("cannot list {}", shown.display()))?;
        let kind = entry.file_type().with_context(|| format!("cannot look at {}", entry.path().display()))?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        entries.push((folder.join(entry.file_name()), kind.is_dir() && !hidden));
    }
    entries.sort();
    Ok(entries)
}
