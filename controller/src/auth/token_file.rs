//! Tokens from a file, for machines without a cluster's tokens: lines of a token and the name of its node.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// Shorter ones can be guessed.
const SHORTEST: usize = 16;

/// Why a token file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It cannot be read.
    #[error("cannot read {path}: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        cause: io::Error,
    },
    /// A line is wrong.
    #[error("{path}:{line}: {problem}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number.
        line: usize,
        /// What is wrong with it, without the token.
        problem: &'static str,
    },
}

/// The tokens of a file.
#[derive(Default)]
pub struct TokenFile {
    nodes: HashMap<String, String>,
}

impl std::fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenFile").field("tokens", &self.nodes.len()).finish()
    }
}

impl TokenFile {
    /// Reads a file.
    ///
    /// # Errors
    /// Names the line that is wrong.
    pub fn read(path: &Path) -> Result<Self, TokenFileError> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| TokenFileError::Read { path: path.to_owned(), cause })?;
        Self::parse(&text).map_err(|(line, problem)| TokenFileError::Line {
            path: path.to_owned(),
            line,
            problem,
        })
    }

    fn parse(text: &str) -> Result<Self, (usize, &'static str)> {
        let mut nodes = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |problem| (number + 1, problem);
            let words: Vec<&str> = line.split_whitespace().collect();
            let [token, node] = words.as_slice() else {
                return Err(wrong("expected a token and the name of a node"));
            };
            if token.len() < SHORTEST {
                return Err(wrong("the token is shorter than 16 characters"));
            }
            if nodes.insert((*token).to_owned(), (*node).to_owned()).is_some() {
                return Err(wrong("the token was there before"));
            }
        }
        Ok(Self { nodes })
    }

    /// The node of a token. The table's hash is keyed with a secret of this process, so the time that a look-up takes
    /// tells nothing of the tokens in it.
    #[must_use]
    pub fn node(&self, token: &str) -> Option<&str> {
        self.nodes.get(token).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_token_and_a_node() {
        let file = TokenFile::parse("# nodes\n\n0123456789abcdef n1\n  fedcba9876543210  n2 ").unwrap();
        assert_eq!(file.node("0123456789abcdef"), Some("n1"));
        assert_eq!(file.node("fedcba9876543210"), Some("n2"));
        assert_eq!(file.node("fedcba987654321"), None);
    }

    #[test]
    fn a_wrong_line_is_named() {
        assert_eq!(TokenFile::parse("\nlonely").unwrap_err().0, 2);
        assert_eq!(TokenFile::parse("short n1").unwrap_err().1, "the token is shorter than 16 characters");
        let twice = "0123456789abcdef n1\n0123456789abcdef n2";
        assert_eq!(TokenFile::parse(twice).unwrap_err(), (2, "the token was there before"));
    }
}
