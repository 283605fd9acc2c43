use std::fs;

use super::{LIMIT, check_tree};

/// Makes a crate of these files, and gives what is found in it.
fn findings(files: &[(&str, &str)]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let roots =
        [("src/lib.rs", false), ("tests/all.rs", true)].map(|(path, test)| (dir.path().join(path), test));
    let roots = roots.into_iter().filter(|(path, _)| path.is_file());
    let found = check_tree(dir.path(), &dir.path().join("out"), roots).unwrap();
    found.into_iter().map(|finding| format!("{}: {}", finding.place, finding.problem)).collect()
}

#[test]
fn a_tidy_tree_has_no_findings() {
    let found = findings(&[
        ("src/lib.rs", "mod a;"),
        ("src/a.rs", ""),
        ("tests/all.rs", ""),
        ("out/generated.rs", "todo!()"),
        ("deeper/target/built.rs", ""),
        (".hidden/x.rs", ""),
        ("notes.txt", "todo!()"),
    ]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn an_orphan_is_named() {
    let found = findings(&[("src/lib.rs", "// mod a;"), ("src/a.rs", ""), ("docs/b.rs", "")]);
    let problem = "no `mod` reaches this file: it is never compiled";
    assert_eq!(found, [format!("docs/b.rs: {problem}"), format!("src/a.rs: {problem}")]);
}

#[test]
fn a_long_file_is_named_unless_it_is_tests() {
    let long = "fn f() {}\n".repeat(LIMIT + 1);
    let within = format!("#[cfg(test)]\nmod tests {{\n{long}}}\n");
    let found = findings(&[
        ("src/lib.rs", "mod long; mod within; #[cfg(test)] mod tests;"),
        ("src/long.rs", &long),
        ("src/within.rs", &within),
        ("src/tests.rs", &long),
        ("tests/all.rs", &long),
    ]);
    assert_eq!(found, ["src/long.rs: 601 lines without tests, more than 600"]);
}

#[test]
fn a_leftover_is_named_with_its_line() {
    let found = findings(&[
        ("src/lib.rs", "\nfn f() { todo!() }"),
        ("tests/all.rs", "#[test]\n#[ignore]\nfn t() {}"),
    ]);
    assert_eq!(found, ["src/lib.rs:2: todo! was left here", "tests/all.rs:2: #[ignore] was left here"]);
}
