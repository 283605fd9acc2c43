//! The build of kube-apiserver 1.20 from Debian's source, with the Go that Debian has beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::VERSION;
use crate::exec;
use crate::tools::phases::Phases;

/// The project's name for Go.
const PROJECT: &str = "k8s.io/kubernetes";
/// Both are asked for the version, one by the server and one by its client library.
const VERSIONED: [&str; 2] = ["client-go/pkg/version", "component-base/version"];
/// An older one, which is vendored, crashes on the first custom resource under Go 1.18 and later.
const REFLECT: &str = "github.com/modern-go/reflect2";

/// Where in a Go path the source belongs: this version is from before modules.
pub(super) fn tree(gopath: &Path) -> PathBuf {
    gopath.join("src").join(PROJECT)
}

/// Builds the server from `gopath`, with the packages unpacked below `root`, into the file `output`.
pub(super) fn run(phases: &Phases, root: &Path, gopath: &Path, output: &Path) -> Result<()> {
    let go = Go { root: root.join("usr/lib/go-1.19"), gopath };
    let tree = tree(gopath);
    phases.phase("generating the API's description", || {
        let vendored = tree.join("vendor").join(REFLECT);
        fs::remove_dir_all(&vendored).context("the source has another layout than expected")?;
        fs::rename(root.join("usr/share/gocode/src").join(REFLECT), vendored)
            .with_context(|| format!("Debian's package of {REFLECT} has another layout than expected"))?;
        describe(phases, &go)
    })?;
    phases.phase("compiling the server, some minutes", || {
        // Without the drivers of cloud providers, a third of the program.
        phases.run(
            go.command("build")
                .args(["-trimpath", "-tags", "providerless", "-ldflags", &linker_flags(), "-o"])
                .arg(output)
                .arg("./cmd/kube-apiserver"),
        )
    })
}

struct Go<'a> {
    root: PathBuf,
    gopath: &'a Path,
}

impl Go<'_> {
    /// A command of this Go and no other, whatever the user's environment says.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.root.join("bin/go"));
        self.settle(&mut command);
        command.arg(name);
        command
    }

    fn settle(&self, command: &mut Command) {
        command.current_dir(tree(self.gopath)).env("GOROOT", &self.root).env("GOPATH", self.gopath);
        command.env("GOCACHE", self.gopath.join("cache"));
        for (name, value) in [("GO111MODULE", "off"), ("CGO_ENABLED", "0"), ("GOENV", "off"), ("GOFLAGS", "")]
        {
            command.env(name, value);
        }
        // The compiler's own target is the machine.
        for name in ["GOOS", "GOARCH", "GOBIN", "GOTMPDIR"] {
            command.env_remove(name);
        }
    }
}

/// Generates the Go code that describes every built-in type, which the published source lacks.
fn describe(phases: &Phases, go: &Go<'_>) -> Result<()> {
    let generator = go.gopath.join("openapi-gen");
    let source = "./vendor/k8s.io/kube-openapi/cmd/openapi-gen";
    phases.run(go.command("build").arg("-o").arg(&generator).arg(source))?;
    let package = format!("{PROJECT}/pkg/generated/openapi");
    let mut command = Command::new(generator);
    go.settle(&mut command);
    command.args(["--logtostderr", "-O", "zz_generated.openapi", "-p", &package, "-i"]);
    command.arg(described(go)?).args(["-h", "vendor/k8s.io/code-generator/hack/boilerplate.go.txt", "-r"]);
    phases.run(command.arg(go.gopath.join("violations")))
}

/// The Go packages whose types are described, with commas between them.
fn described(go: &Go<'_>) -> Result<String> {
    let mut grep = Command::new("grep");
    grep.current_dir(tree(go.gopath)).args(["-rlE", "--include=*.go", "^// *\\+k8s:openapi-gen="]);
    let files = exec::output(grep.args(["pkg", "staging/src/k8s.io"]))?;
    let folders = files.lines().filter_map(|file| file.rsplit_once('/')).map(|(folder, _)| folder);
    // What is staged is seen through links in `vendor`; two examples describe themselves.
    let folders = folders.map(|folder| folder.replace("staging/src/", "vendor/"));
    let mut packages: Vec<String> = folders
        .filter(|folder| !folder.contains("/code-generator/") && !folder.contains("/sample-apiserver/"))
        .map(|folder| format!("{PROJECT}/{folder}"))
        .collect();
    packages.sort();
    packages.dedup();
    ensure!(packages.len() > 50, "the source has another layout than expected");
    Ok(packages.join(","))
}

/// Strips the program and tells it its version, which clients decide by.
fn linker_flags() -> String {
    let mut flags = "-s -w".to_owned();
    for package in VERSIONED {
        let version = format!("gitVersion=v{VERSION}");
        for setting in [version.as_str(), "gitMajor=1", "gitMinor=20", "gitTreeState=archive"] {
            flags.push_str(&format!(" -X {PROJECT}/vendor/k8s.io/{package}.{setting}"));
        }
    }
    flags
}
