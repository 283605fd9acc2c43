//! Diagnostics: what is wrong, where, and what to do about it.

use std::fmt;

use crate::lint::Lint;
use crate::source::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing need be wrong; the author may want to know.
    Note,
    /// The document is used; the author should look at it.
    Warning,
    /// The document is refused.
    Error,
}

impl Severity {
    /// The name, as it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The stable name of a kind of diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// The text is not YAML.
    YamlSyntax,
    /// The document is deeper or larger than any policy.
    TooLarge,
    /// A key stands twice in one mapping.
    DuplicateKey,
    /// The schema has no such field.
    UnknownField,
    /// The schema has the field; Postern does not build it yet.
    UnsupportedField,
    /// The kind is a policy; Postern does not build it yet.
    UnsupportedKind,
    /// The document is no policy, or no part of an inventory.
    ForeignKind,
    /// A field that must be there is not.
    MissingField,
    /// A field has a value of the wrong type.
    WrongType,
    /// A field has a value that cannot be.
    InvalidValue,
    /// An expression is not valid.
    InvalidPattern,
    /// The fields contradict each other.
    Conflict,
    /// A selector names another namespace than its policy's.
    NamespaceOverridden,
    /// The document is written in the dialect of 2017.
    LegacyDialect,
    /// A pod shares its node's network.
    HostNetwork,
    /// Nothing is wrong with the form; it probably does not mean what was meant.
    Lint(Lint),
}

impl Code {
    /// The name, as it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::YamlSyntax => "yaml-syntax",
            Self::TooLarge => "too-large",
            Self::DuplicateKey => "duplicate-key",
            Self::UnknownField => "unknown-field",
            Self::UnsupportedField => "unsupported-field",
            Self::UnsupportedKind => "unsupported-kind",
            Self::ForeignKind => "foreign-kind",
            Self::MissingField => "missing-field",
            Self::WrongType => "wrong-type",
            Self::InvalidValue => "invalid-value",
            Self::InvalidPattern => "invalid-pattern",
            Self::Conflict => "conflict",
            Self::NamespaceOverridden => "namespace-overridden",
            Self::LegacyDialect => "legacy-dialect",
            Self::HostNetwork => "host-network",
            Self::Lint(lint) => lint.as_str(),
        }
    }

    /// The lint of this kind, where it is one: what a user may allow.
    pub fn lint(self) -> Option<Lint> {
        match self {
            Self::Lint(lint) => Some(lint),
            Self::LegacyDialect => Some(Lint::LegacyDialect),
            Self::NamespaceOverridden => Some(Lint::NamespaceOverridden),
            _ => None,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What kind it is.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// Where: the file's name.
    pub file: String,
    /// Where: the stretch of text.
    pub span: Span,
    /// Where: the field, such as `spec.ingress[1].toPorts[0].ports[0].port`; empty for a whole document.
    pub field: String,
    /// What was expected there, or what to do.
    pub help: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = self.severity.as_str();
        let place = self.span.place;
        write!(f, "{}:{}:{}: {severity}[{}]: ", self.file, place.line, place.column, self.code)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}
