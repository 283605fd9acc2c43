//! Policy and inventory files, from names on the command line to checked values.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use postern_policy_core::policy::Policy;
use postern_policy_core::world::{Workload, WorkloadName, World};
use postern_policy_lang::inventory::load_inventory;
use postern_policy_lang::load_policies;
use postern_policy_lang::source::SourceFile;

use crate::render;

/// The larger a file, the longer its errors take to read: no policy file comes near this.
const MAX_FILE: u64 = 256 << 20;

/// Policies and what they are about.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct InputArgs {
    /// Policy files, or folders of them (`-` reads standard input)
    #[arg(long, short, required = true, num_args = 1.., value_name = "FILE")]
    pub(crate) policy: Vec<PathBuf>,
    /// What exists: Pod, Namespace, Node, Service or Workload documents
    #[arg(long, short, required = true, num_args = 1.., value_name = "FILE")]
    pub(crate) inventory: Vec<PathBuf>,
}

/// Policies and a world, without an error in either.
pub(crate) struct Inputs {
    pub(crate) policies: Vec<Policy>,
    pub(crate) world: World,
}

impl InputArgs {
    /// Loads both; warnings are printed. With any error in them nothing is used.
    pub(crate) fn load(&self) -> anyhow::Result<Inputs> {
        let (policy_files, inventory_files) = (read(&self.policy)?, read(&self.inventory)?);
        let policies = load_policies(&policy_files);
        let mut inventory = load_inventory(&inventory_files);
        let mut world = std::mem::take(&mut inventory.world);
        let clashes = policies.add_cidr_groups(&mut world);
        render::diagnostics(&policy_files, &policies.diagnostics);
        render::diagnostics(&inventory_files, &inventory.diagnostics);
        render::diagnostics(&policy_files, &clashes);
        if policies.has_errors() || inventory.has_errors() || !clashes.is_empty() {
            bail!("the files above have errors: nothing was done");
        }
        if policies.policies.is_empty() {
            bail!("there is no policy in the policy files: nothing would be enforced");
        }
        Ok(Inputs { policies: policies.policies, world })
    }
}

impl Inputs {
    /// The workload of this name, or an error that names those there are.
    pub(crate) fn workload(&self, name: &WorkloadName) -> anyhow::Result<&Workload> {
        self.world.workload(name).with_context(|| {
            let known: Vec<String> = self.world.workloads().map(|w| w.name.to_string()).collect();
            let known = if known.is_empty() { "no workloads at all".to_owned() } else { known.join(", ") };
            format!("there is no workload {name} in the inventory: it has {known}")
        })
    }
}

/// Reads files, the documents of a folder in the order of their names, and `-`.
pub(crate) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            let mut text = String::new();
            let mut input = std::io::stdin().take(MAX_FILE + 1);
            let read = input.read_to_string(&mut text).context("cannot read standard input")?;
            if u64::try_from(read).is_ok_and(|read| read > MAX_FILE) {
                bail!("standard input has more than the {MAX_FILE} bytes that are read: split it");
            }
            files.push(SourceFile { name: "<stdin>".to_owned(), text });
        } else if path.is_dir() {
            let found = documents_in(path)?;
            if found.is_empty() {
                bail!("{} has no .yaml, .yml or .json file", path.display());
            }
            for path in found {
                files.push(read_file(&path)?);
            }
        } else {
            files.push(read_file(path)?);
        }
    }
    Ok(files)
}

fn documents_in(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listing = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    let mut paths = listing().with_context(|| format!("cannot list {}", folder.display()))?;
    let is_document = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json")
    };
    paths.retain(is_document);
    paths.sort();
    Ok(paths)
}

fn read_file(path: &Path) -> anyhow::Result<SourceFile> {
    let name = path.display().to_string();
    let size = fs::metadata(path).with_context(|| format!("cannot read {name}"))?.len();
    if size > MAX_FILE {
        bail!("{name} has {size} bytes, more than the {MAX_FILE} that are read: split it");
    }
    let bytes = fs::read(path).with_context(|| format!("cannot read {name}"))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(SourceFile { name, text }),
        Err(error) => bail!(
            "{name} is not UTF-8 text: byte {} is wrong; save it as UTF-8",
            error.utf8_error().valid_up_to() + 1
        ),
    }
}
