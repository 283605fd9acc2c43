//! Which files the compiler reaches, by the rules of `mod name;`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::scan::{Module, Scan, scan};

/// A file that is part of a crate.
#[derive(Debug)]
pub(super) struct Reached {
    /// Its lines outside of test modules.
    pub(super) production_lines: usize,
    /// What must not stay: line and text.
    pub(super) leftovers: Vec<(usize, &'static str)>,
    /// Whether it is compiled for tests only, as far as is known yet.
    pub(super) test: bool,
}

/// The files reached so far.
#[derive(Debug, Default)]
pub(super) struct Reach {
    pub(super) files: BTreeMap<PathBuf, Reached>,
}

impl Reach {
    /// Follows the modules of a crate's root file.
    pub(super) fn follow(&mut self, root: &Path, test: bool) -> Result<()> {
        let folder = root.parent().unwrap_or(root);
        self.visit(root, folder, test)
    }

    /// Reads `file`, whose modules are in `folder`.
    fn visit(&mut self, file: &Path, folder: &Path, test: bool) -> Result<()> {
        let file = clean(file);
        if let Some(known) = self.files.get(&file)
            && (test || !known.test)
        {
            return Ok(());
        }
        let source = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let Scan { modules, includes, production_lines, leftovers } = scan(&source);
        self.files.insert(file.clone(), Reached { production_lines, leftovers, test });
        let beside = file.parent().unwrap_or(&file);
        for path in
            includes.iter().map(|path| beside.join(path)).filter(|path| is_source(path) && path.is_file())
        {
            self.visit(&path, beside, test)?;
        }
        for module in modules {
            // A module without a file does not compile, unless a condition keeps the compiler away from it.
            let found = candidates(&module, beside, folder).into_iter().find(|(path, _)| path.is_file());
            if let Some((path, folder)) = found {
                self.visit(&path, &folder, test || module.test)?;
            }
        }
        Ok(())
    }
}

/// The files that a module may be in, each with the folder that its own modules are in.
fn candidates(module: &Module, beside: &Path, folder: &Path) -> Vec<(PathBuf, PathBuf)> {
    let inside = |base: &Path| module.inside.iter().fold(base.to_owned(), |path, name| path.join(name));
    if let Some(path) = &module.path {
        // Relative to the file, but to the module's folder where it is declared inside another.
        let file = if module.inside.is_empty() { beside.join(path) } else { inside(folder).join(path) };
        let own = file.parent().unwrap_or(beside).to_owned();
        return vec![(file, own)];
    }
    let name = module.name.as_str();
    let base = inside(folder);
    let own = base.join(name);
    vec![(base.join(format!("{name}.rs")), own.clone()), (own.join("mod.rs"), own)]
}

/// Whether the path is that of a Rust source file.
pub(super) fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// The path as the file system knows it, so that one file has one name.
fn clean(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests;
