use super::{Module, scan};

fn module(name: &str, inside: &[&str], path: Option<&str>, test: bool) -> Module {
    Module {
        name: name.to_owned(),
        inside: inside.iter().map(ToString::to_string).collect(),
        path: path.map(ToOwned::to_owned),
        test,
    }
}

#[test]
fn modules_are_found_wherever_they_are_declared() {
    let source = r#"
        mod a;
        pub(crate) mod b;
        #[path = "elsewhere/c.rs"]
        #[allow(dead_code)]
        mod c;
        pub mod outer { mod inner { mod d; } fn f() { let mod_e = 1; } mod g; }
        // mod not_this;
        const TEXT: &str = "mod nor_this;";
    "#;
    let expected = [
        module("a", &[], None, false),
        module("b", &[], None, false),
        module("c", &[], Some("elsewhere/c.rs"), false),
        module("d", &["outer", "inner"], None, false),
        module("g", &["outer"], None, false),
    ];
    assert_eq!(scan(source).modules, expected);
}

#[test]
fn test_modules_are_known() {
    let source = "#[cfg(test)]\nmod a;\n#[cfg(all(test, unix))]\nmod b;\n#[cfg(test)] mod t { mod c; }\n#[cfg(feature = \"test\")]\nmod d;\n#[cfg(test)]\nuse x;\nmod e;\n";
    let tests: Vec<(String, bool)> = scan(source).modules.into_iter().map(|m| (m.name, m.test)).collect();
    let expected = [("a", true), ("b", true), ("c", true), ("d", false), ("e", false)];
    assert_eq!(tests, expected.map(|(name, test)| (name.to_owned(), test)));
}

#[test]
fn lines_of_test_modules_are_not_production() {
    let source =
        "fn a() {}\n\n#[cfg(test)]\nmod tests {\n    mod x {\n    }\n    fn b() { \"}\"; }\n}\nfn c() {}\n";
    assert_eq!(scan(source).production_lines, 3);
    assert_eq!(scan("fn a() {}\n#[test]\nfn b() {\n}\n").production_lines, 4);
}

#[test]
fn leftovers_are_found_in_code_only() {
    let source = "fn a() { todo!() }\n// todo!()\n#[ignore = \"slow\"]\n#[ignore]\nfn b() { dbg!(\"dbg!(x)\"); }\nlet todo = 1;\n/// ```ignore\n/// ```rust,ignore\n/// ```\n";
    let expected =
        [(1, "todo!"), (3, "#[ignore]"), (4, "#[ignore]"), (5, "dbg!"), (7, "```ignore"), (8, "```ignore")];
    assert_eq!(scan(source).leftovers, expected);
}

#[test]
fn included_files_are_found() {
    assert_eq!(scan("const X: u8 = include!(\"data/x.rs\");").includes, ["data/x.rs"]);
}
