//! What one source file declares: its modules, which of its lines are tests, what was left in it.

use super::lexer::{Kind, Token, tokens};

/// What a file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// The files it asks for by `mod name;`.
    pub(super) modules: Vec<Module>,
    /// The files it asks for by `include!("…")`.
    pub(super) includes: Vec<String>,
    /// Its lines outside `#[cfg(test)] mod … { }`.
    pub(super) production_lines: usize,
    /// What must not stay: line and text.
    pub(super) leftovers: Vec<(usize, &'static str)>,
}

/// A `mod name;`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Module {
    pub(super) name: String,
    /// The inline modules around it, outermost first.
    pub(super) inside: Vec<String>,
    /// What `#[path]` says.
    pub(super) path: Option<String>,
    /// Whether it, or a module around it, is under `#[cfg(test)]`.
    pub(super) test: bool,
}

/// Reads a file.
pub(super) fn scan(source: &str) -> Scan {
    let tokens = tokens(source);
    let mut reader =
        Reader { rest: &tokens, scan: Scan::default(), scopes: Vec::new(), attributes: Vec::new() };
    let mut test_lines = 0;
    while let [token, rest @ ..] = reader.rest {
        reader.rest = rest;
        test_lines += reader.token(*token);
    }
    let mut scan = reader.scan;
    scan.production_lines = source.lines().count().saturating_sub(test_lines);
    scan.leftovers.extend(ignored_examples(source));
    scan
}

/// A brace that is open: that of an inline module, or another.
struct Scope {
    module: Option<String>,
    /// The line from which on lines are tests.
    test_from: Option<usize>,
}

/// An attribute before the item to come.
struct Attribute<'a> {
    line: usize,
    tokens: Vec<Kind<'a>>,
}

struct Reader<'a, 'b> {
    rest: &'b [Token<'a>],
    scan: Scan,
    scopes: Vec<Scope>,
    attributes: Vec<Attribute<'a>>,
}

impl Reader<'_, '_> {
    /// Reads on from `token`; gives the number of test lines that end with it.
    fn token(&mut self, token: Token<'_>) -> usize {
        match token.kind {
            Kind::Punct('#') => {
                self.attribute(token.line);
                return 0;
            }
            // What may stand between an attribute and the item that it belongs to.
            Kind::Word("pub" | "crate" | "super" | "self" | "in") | Kind::Punct('(' | ')') => return 0,
            Kind::Word("mod") => {
                self.module();
                return 0;
            }
            Kind::Word(word) => self.word(word, token.line),
            Kind::Punct('{') => self.scopes.push(Scope { module: None, test_from: None }),
            Kind::Punct('}') => {
                let closed = self.scopes.pop().and_then(|scope| scope.test_from);
                self.attributes.clear();
                return closed.map_or(0, |from| token.line + 1 - from);
            }
            Kind::Punct(_) | Kind::Text(_) => {}
        }
        self.attributes.clear();
        0
    }

    /// Takes `[…]` after a `#`.
    fn attribute(&mut self, line: usize) {
        if let [Token { kind: Kind::Punct('!'), .. }, rest @ ..] = self.rest {
            self.rest = rest;
        }
        let mut depth = 0_usize;
        let mut inside = Vec::new();
        while let [token, rest @ ..] = self.rest {
            match token.kind {
                Kind::Punct('[') => depth += 1,
                Kind::Punct(']') => depth = depth.saturating_sub(1),
                _ if depth == 0 => return,
                kind => inside.push(kind),
            }
            self.rest = rest;
            if depth == 0 {
                break;
            }
        }
        if inside.first() == Some(&Kind::Word("ignore")) {
            self.scan.leftovers.push((line, "#[ignore]"));
        }
        // The lifetime of the tokens is that of the source, so they can be kept.
        self.attributes.push(Attribute { line, tokens: inside });
    }

    /// Takes what follows the word `mod`.
    fn module(&mut self) {
        let attributes = std::mem::take(&mut self.attributes);
        let [Token { kind: Kind::Word(name), .. }, end, rest @ ..] = self.rest else { return };
        let test = attributes.iter().find(|attribute| attribute.is_cfg_test());
        match end.kind {
            Kind::Punct(';') => self.scan.modules.push(Module {
                name: (*name).to_owned(),
                inside: self.scopes.iter().filter_map(|scope| scope.module.clone()).collect(),
                path: attributes.iter().find_map(Attribute::path),
                test: test.is_some() || self.in_test(),
            }),
            Kind::Punct('{') => {
                // Within a test, the outer one counts the lines.
                let test_from = test.filter(|_| !self.in_test()).map(|attribute| attribute.line);
                self.scopes.push(Scope { module: Some((*name).to_owned()), test_from });
            }
            _ => return,
        }
        self.rest = rest;
    }

    fn in_test(&self) -> bool {
        self.scopes.iter().any(|scope| scope.test_from.is_some())
    }

    /// Looks for macros: `word` is one if a `!` follows.
    fn word(&mut self, word: &str, line: usize) {
        let [Token { kind: Kind::Punct('!'), .. }, after @ ..] = self.rest else { return };
        match (word, after) {
            ("todo", _) => self.scan.leftovers.push((line, "todo!")),
            ("unimplemented", _) => self.scan.leftovers.push((line, "unimplemented!")),
            ("dbg", _) => self.scan.leftovers.push((line, "dbg!")),
            ("include", [_, Token { kind: Kind::Text(path), .. }, ..]) => {
                self.scan.includes.push((*path).to_owned());
            }
            _ => {}
        }
    }
}

impl Attribute<'_> {
    /// `#[cfg(test)]` or `#[cfg(all(test, …))]`.
    fn is_cfg_test(&self) -> bool {
        let mut words = self.tokens.iter().filter(|kind| matches!(kind, Kind::Word(_)));
        let first = words.next() == Some(&Kind::Word("cfg"));
        let second = words.next();
        first
            && (second == Some(&Kind::Word("test"))
                || (second == Some(&Kind::Word("all")) && words.next() == Some(&Kind::Word("test"))))
    }

    /// The value of `#[path = "…"]`.
    fn path(&self) -> Option<String> {
        match self.tokens.as_slice() {
            [Kind::Word("path"), Kind::Punct('='), Kind::Text(path)] => Some((*path).to_owned()),
            _ => None,
        }
    }
}

/// Examples in the documentation that are not even compiled.
fn ignored_examples(source: &str) -> Vec<(usize, &'static str)> {
    let found = source.lines().zip(1..).filter(|(line, _)| {
        let line = line.trim_start();
        let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        doc.is_some_and(|doc| {
            doc.trim_start().strip_prefix("```").is_some_and(|mark| mark.contains("ignore"))
        })
    });
    found.map(|(_, line)| (line, "```ignore")).collect()
}

#[cfg(test)]
mod tests;
