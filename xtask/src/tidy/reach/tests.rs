use std::fs;
use std::path::Path;

use super::Reach;

/// Makes files in a folder of the test's own, follows `src/lib.rs`, and gives what was reached, test
/// files with a `T` in front.
fn reached(files: &[(&str, &str)]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut reach = Reach::default();
    reach.follow(&root.join("src/lib.rs"), false).unwrap();
    let shown = |path: &Path| path.strip_prefix(&root).unwrap().display().to_string();
    let found = reach.files.iter().map(|(path, file)| {
        let mark = if file.test { "T " } else { "" };
        format!("{mark}{}", shown(path))
    });
    found.collect()
}

#[test]
fn both_ways_of_laying_out_modules() {
    let found = reached(&[
        ("src/lib.rs", "mod a; mod b; mod gone;"),
        ("src/a.rs", "mod deep;"),
        ("src/a/deep.rs", ""),
        ("src/b/mod.rs", "mod deep;"),
        ("src/b/deep.rs", ""),
        ("src/orphan.rs", ""),
    ]);
    assert_eq!(found, ["src/a/deep.rs", "src/a.rs", "src/b/deep.rs", "src/b/mod.rs", "src/lib.rs"]);
}

#[test]
fn inline_modules_paths_and_includes() {
    let found = reached(&[
        ("src/lib.rs", "mod outer { mod inner; } #[path = \"../other/x.rs\"] mod x; include!(\"table.rs\");"),
        ("src/outer/inner.rs", ""),
        ("other/x.rs", "mod y;"),
        ("other/y.rs", ""),
        ("src/table.rs", ""),
    ]);
    assert_eq!(found, ["other/x.rs", "other/y.rs", "src/lib.rs", "src/outer/inner.rs", "src/table.rs"]);
}

#[test]
fn what_only_tests_reach_is_a_test() {
    let found = reached(&[
        ("src/lib.rs", "#[cfg(test)] mod tests; #[cfg(test)] #[path = \"shared.rs\"] mod first; mod shared;"),
        ("src/tests.rs", "mod cases;"),
        ("src/tests/cases.rs", ""),
        ("src/shared.rs", ""),
    ]);
    assert_eq!(found, ["src/lib.rs", "src/shared.rs", "T src/tests/cases.rs", "T src/tests.rs"]);
}
