//! The machine's apt sources, with the source packages of each added.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// Copies the sources of `etc` (`sources.list` and what is in `sources.list.d`) into the folder `into`.
pub(super) fn write(etc: &Path, into: &Path) -> Result<()> {
    let mut written = 0_usize;
    for path in all(etc)? {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        // apt reads only these two kinds of file, each in its own format.
        let with_sources = match path.extension().and_then(|end| end.to_str()) {
            Some("list") => of_lines(&text),
            Some("sources") => of_stanzas(&text),
            _ => continue,
        };
        let name = path.file_name().context("an apt source without a name")?;
        fs::write(into.join(name), with_sources).context("cannot write a list of apt sources")?;
        written += 1;
    }
    ensure!(written > 0, "{} names no apt sources: this needs Debian's archive", etc.display());
    Ok(())
}

fn all(etc: &Path) -> Result<Vec<PathBuf>> {
    let mut all = vec![etc.join("sources.list")];
    let parts = etc.join("sources.list.d");
    if parts.is_dir() {
        let entries = fs::read_dir(&parts).with_context(|| format!("cannot read {}", parts.display()))?;
        for entry in entries {
            all.push(entry?.path());
        }
    }
    all.retain(|path| path.is_file());
    Ok(all)
}

/// `deb …` gets a second line `deb-src …`.
fn of_lines(text: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        lines.push(line.to_owned());
        if let Some(rest) = line.trim_start().strip_prefix("deb")
            && rest.starts_with([' ', '\t'])
        {
            lines.push(format!("deb-src{rest}"));
        }
    }
    lines.join("\n") + "\n"
}

/// `Types: deb` becomes `Types: deb deb-src`.
fn of_stanzas(text: &str) -> String {
    let lines = text.lines().map(|line| match line.split_once(':') {
        Some((key, _)) if key.eq_ignore_ascii_case("types") => "Types: deb deb-src",
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_get_their_source_packages() {
        assert_eq!(
            of_lines("# deb no\ndeb [arch=amd64] x:/y stable main\ndeb-src x:/z stable main"),
            "# deb no\ndeb [arch=amd64] x:/y stable main\ndeb-src [arch=amd64] x:/y stable main\ndeb-src x:/z stable main\n"
        );
        assert_eq!(
            of_stanzas("Types: deb\nURIs: x:/y\n\ntypes: deb-src\nSigned-By: /k"),
            "Types: deb deb-src\nURIs: x:/y\n\nTypes: deb deb-src\nSigned-By: /k\n"
        );
    }

    #[test]
    fn files_that_apt_does_not_read_are_left_out() {
        let etc = tempfile::tempdir().unwrap();
        fs::create_dir(etc.path().join("sources.list.d")).unwrap();
        fs::write(etc.path().join("sources.list.d/a.list.disabled"), "deb x:/y stable main").unwrap();
        let into = tempfile::tempdir().unwrap();
        let error = write(etc.path(), into.path()).unwrap_err().to_string();
        assert!(error.contains("names no apt sources"), "{error}");
        fs::write(etc.path().join("sources.list"), "deb x:/y stable main").unwrap();
        write(etc.path(), into.path()).unwrap();
        assert!(into.path().join("sources.list").is_file());
        assert_eq!(fs::read_dir(into.path()).unwrap().count(), 1);
    }
}
