//! Splits Rust source into words and punctuation, without comments, and with string literals as one
//! token each, so that no check takes what is written in a text for code.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// An identifier, a keyword, or a number.
    Word(&'a str),
    /// A string literal: what is between its quotes, escapes untouched.
    Text(&'a str),
    /// Any other character.
    Punct(char),
}

/// A token and the line it starts on, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) line: usize,
}

/// The tokens of `source`. It need not be valid: what is cut short ends at the end.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut lexer = Lexer { rest: source, line: 1 };
    let mut tokens = Vec::new();
    while let Some(first) = lexer.rest.chars().next() {
        let line = lexer.line;
        if let Some(kind) = lexer.token(first) {
            tokens.push(Token { kind, line });
        }
    }
    tokens
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Lexer<'a> {
    /// Takes one token, or something that is none: a space, a comment, a character literal.
    fn token(&mut self, first: char) -> Option<Kind<'a>> {
        if self.rest.starts_with("//") {
            self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
            None
        } else if self.rest.starts_with("/*") {
            self.block_comment();
            None
        } else if let Some(text) = self.raw_string() {
            Some(Kind::Text(text))
        } else if first == '"' {
            Some(Kind::Text(self.string()))
        } else if first == '\'' {
            self.quote();
            None
        } else if is_word(first) {
            let length = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
            // The prefix of a byte or C string, which is part of that literal.
            let word = self.take(length);
            let prefix = matches!(word, "b" | "c") && self.rest.starts_with(['"', '\'']);
            (!prefix).then_some(Kind::Word(word))
        } else {
            self.take(first.len_utf8());
            (!first.is_whitespace()).then_some(Kind::Punct(first))
        }
    }

    /// Takes that many bytes, which end on a character boundary.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while !self.rest.is_empty() {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.take(2);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.take(2);
                if depth == 0 {
                    return;
                }
            } else {
                self.take_char();
            }
        }
    }

    fn raw_string(&mut self) -> Option<&'a str> {
        let after = ["r", "br", "cr"].iter().find_map(|prefix| {
            let after = self.rest.strip_prefix(prefix)?;
            after.starts_with(['"', '#']).then_some(after)
        })?;
        let hashes = after.len() - after.trim_start_matches('#').len();
        // `r#name` is an identifier.
        let opening = self.rest.len() - after.len() + hashes + 1;
        after.trim_start_matches('#').strip_prefix('"')?;
        self.take(opening);
        let closing = format!("\"{}", "#".repeat(hashes));
        let text = self.take(self.rest.find(&closing).unwrap_or(self.rest.len()));
        self.take(closing.len());
        Some(text)
    }

    fn string(&mut self) -> &'a str {
        self.take(1);
        let mut escaped = false;
        let end = self.rest.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let text = self.take(end.unwrap_or(self.rest.len()));
        self.take(1);
        text
    }

    /// A character literal or the quote of a lifetime.
    fn quote(&mut self) {
        self.take(1);
        let mut chars = self.rest.chars();
        match (chars.next(), chars.next()) {
            (Some('\\'), Some(escaped)) => {
                self.take(1 + escaped.len_utf8());
                self.take(self.rest.find('\'').map_or(self.rest.len(), |end| end + 1));
            }
            (Some(c), Some('\'')) => {
                self.take(c.len_utf8() + 1);
            }
            _ => {}
        }
    }

    fn take_char(&mut self) {
        let length = self.rest.chars().next().map_or(0, char::len_utf8);
        self.take(length);
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

#[cfg(test)]
mod tests;
