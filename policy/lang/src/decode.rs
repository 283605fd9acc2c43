//! Decoding: trees to values, every problem reported with its place, reading on after each.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use postern_policy_core::pattern::{self, Pattern, PatternError};
use postern_policy_core::policy::RuleId;

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::node::{Key, Node, Type, Value};
use crate::source::{Location, Place, SourceFile, Span};

/// How much of what is wrong with a file is told, errors and warnings each.
const MAX_TOLD: usize = 10_000;
/// The memory that the expressions of one file may take when compiled.
const MAX_EXPRESSIONS: usize = 96 * 1024 * 1024;

/// Why an expression cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ExpressionError {
    /// It is wrong itself.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// There are too many others.
    #[error(
        "the expressions of this file need more than {MAX_EXPRESSIONS} bytes when compiled: split the file"
    )]
    TooMany,
}

/// What is being read, and what has been found wrong with it.
pub(crate) struct Reader<'a> {
    file: &'a SourceFile,
    diagnostics: &'a mut Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
    /// What all expressions take together.
    compiled: usize,
    /// Aliases and habit repeat expressions: each is compiled once.
    patterns: HashMap<String, Result<Pattern, ExpressionError>>,
    places: BTreeMap<RuleId, Location>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(file: &'a SourceFile, diagnostics: &'a mut Vec<Diagnostic>) -> Self {
        let (patterns, places) = (HashMap::new(), BTreeMap::new());
        Self { file, diagnostics, errors: 0, warnings: 0, compiled: 0, patterns, places }
    }

    /// Remembers where a policy or a rule stands.
    pub(crate) fn locate(&mut self, id: &RuleId, at: &At<'_>) {
        let (file, field) = (self.file.name.clone(), at.field.clone());
        self.places.insert(id.clone(), Location { file, span: at.node.span, field });
    }

    /// Where everything stands that was read.
    pub(crate) fn into_places(self) -> BTreeMap<RuleId, Location> {
        self.places
    }

    /// How many errors were reported.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// An empty file is more often one that is being written than one that is meant.
    pub(crate) fn expect_documents(&mut self, documents: &[Node], what: &str) {
        let unreadable = self.diagnostics.last().is_some_and(|last| last.file == self.file.name);
        if documents.is_empty() && !unreadable {
            let span = Span { start: 0, end: 0, place: Place { line: 1, column: 1 } };
            let message = format!("the file has no document: expected {what}");
            let help = Some("write one, or do not name the file".to_owned());
            self.report(Severity::Error, Code::MissingField, span, "", message, help);
        }
    }

    /// An expression, compiled.
    pub(crate) fn pattern(&mut self, text: &str) -> Result<Pattern, ExpressionError> {
        if let Some(known) = self.patterns.get(text) {
            return known.clone();
        }
        if self.compiled > MAX_EXPRESSIONS {
            return Err(ExpressionError::TooMany);
        }
        let parsed = Pattern::parse(text);
        // One that is too large has cost as much as the largest that is not.
        self.compiled += parsed.as_ref().map_or(pattern::SIZE_LIMIT, Pattern::memory);
        let parsed = parsed.map_err(ExpressionError::from);
        self.patterns.insert(text.to_owned(), parsed.clone());
        parsed
    }

    pub(crate) fn error(
        &mut self,
        at: &At<'_>,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.report(Severity::Error, code, at.node.span, &at.field, message.into(), Some(help.into()));
    }

    pub(crate) fn warning(
        &mut self,
        at: &At<'_>,
        code: Code,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.report(Severity::Warning, code, at.node.span, &at.field, message.into(), Some(help.into()));
    }

    fn report(
        &mut self,
        severity: Severity,
        code: Code,
        span: Span,
        field: &str,
        message: String,
        help: Option<String>,
    ) {
        let (file, field) = (self.file.name.clone(), field.to_owned());
        let (count, what) = match severity {
            Severity::Error => (&mut self.errors, "errors"),
            // The readers themselves give no notes.
            Severity::Warning | Severity::Note => (&mut self.warnings, "warnings"),
        };
        *count += 1;
        let diagnostic = match (*count).cmp(&(MAX_TOLD + 1)) {
            Ordering::Less => Diagnostic { severity, code, message, file, span, field, help },
            Ordering::Equal => {
                let message = format!("the file has more than {MAX_TOLD} {what}: the others are not told");
                let help = Some("mend those that are told".to_owned());
                Diagnostic { severity, code: Code::TooLarge, message, file, span, field, help }
            }
            Ordering::Greater => return,
        };
        self.diagnostics.push(diagnostic);
    }

    fn expected(&mut self, at: &At<'_>, what: &str, help: impl Into<String>) {
        self.error(at, Code::WrongType, format!("expected {what}, found {}", at.node.found()), help);
    }
}

/// A node and the field it is the value of.
#[derive(Clone)]
pub(crate) struct At<'n> {
    pub(crate) node: &'n Node,
    /// Such as `spec.ingress[0]`; empty for the document.
    pub(crate) field: String,
}

impl<'n> At<'n> {
    pub(crate) fn document(node: &'n Node) -> Self {
        Self { node, field: String::new() }
    }

    /// The mapping that this must be.
    pub(crate) fn object(&self, reader: &mut Reader<'_>) -> Option<Object<'n>> {
        let object = self.peek();
        if object.is_none() {
            reader.expected(self, "a mapping", "write `{}` if it is meant to be empty");
        }
        object
    }

    /// The mapping that this is, if it is one.
    pub(crate) fn peek(&self) -> Option<Object<'n>> {
        let Value::Map(entries) = &*self.node.value else { return None };
        let fields = entries.iter().map(|(key, value)| (key, value, false)).collect();
        Some(Object { at: self.clone(), fields })
    }

    /// The items of the list that this must be.
    pub(crate) fn list(&self, reader: &mut Reader<'_>) -> Option<Vec<At<'n>>> {
        let Value::List(items) = &*self.node.value else {
            reader.expected(self, "a list", "start each item with `- `, or write `[]` for none");
            return None;
        };
        let item = |(index, node)| At { node, field: format!("{}[{index}]", self.field) };
        Some(items.iter().enumerate().map(item).collect())
    }

    /// The text that this must be.
    pub(crate) fn string(&self, reader: &mut Reader<'_>) -> Option<&'n str> {
        match &*self.node.value {
            Value::Scalar(scalar) => match scalar.kind() {
                Type::String => return Some(&scalar.text),
                Type::Null => reader.expected(self, "a text", "write a value, or remove the field"),
                _ => reader.expected(self, "a text", format!("quote it: \"{}\"", scalar.text)),
            },
            _ => reader.expected(self, "a text", "write one value"),
        }
        None
    }

    /// The boolean that this must be.
    pub(crate) fn boolean(&self, reader: &mut Reader<'_>) -> Option<bool> {
        if let Some(Type::Bool(value)) = self.kind() {
            return Some(value);
        }
        reader.expected(self, "a boolean", "write true or false");
        None
    }

    /// What YAML makes of the scalar that this is, if it is one.
    pub(crate) fn kind(&self) -> Option<Type> {
        match &*self.node.value {
            Value::Scalar(scalar) => Some(scalar.kind()),
            _ => None,
        }
    }

    fn child(&self, key: &str, node: &'n Node) -> At<'n> {
        // A key with dots, such as a label's, would read as several fields.
        let field = match (self.field.is_empty(), key.contains('.')) {
            (true, false) => key.to_owned(),
            (_, true) => format!("{}[{key:?}]", self.field),
            (false, false) => format!("{}.{key}", self.field),
        };
        At { node, field }
    }
}

/// A mapping that is being read field by field; what nobody took is reported at the end.
pub(crate) struct Object<'n> {
    pub(crate) at: At<'n>,
    fields: Vec<(&'n Key, &'n Node, bool)>,
}

impl<'n> Object<'n> {
    /// The value of a field, if it is there.
    ///
    /// A field without a value (`fromEndpoints:`) is an error, for an API server would take it for absent,
    /// and absent often means "anyone".
    pub(crate) fn take(&mut self, name: &str, reader: &mut Reader<'_>) -> Option<At<'n>> {
        let at = self.take_raw(name)?;
        if at.kind() == Some(Type::Null) {
            reader.error(
                &at,
                Code::WrongType,
                format!("`{name}` has no value"),
                "remove the field, or write what it shall be; an empty list is `[]`",
            );
            return None;
        }
        Some(at)
    }

    /// As `take`, for a field that must be there.
    pub(crate) fn require(&mut self, name: &str, reader: &mut Reader<'_>) -> Option<At<'n>> {
        if !self.has(name) {
            let message = format!("`{name}` is missing");
            reader.error(&self.at, Code::MissingField, message, format!("add `{name}`"));
            return None;
        }
        self.take(name, reader)
    }

    /// Whether the field is there, with or without a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(key, _, _)| key.text == name)
    }

    /// The value of a field, if it is there and not null: for objects that an API server printed.
    pub(crate) fn take_nullable(&mut self, name: &str) -> Option<At<'n>> {
        self.take_raw(name).filter(|at| at.kind() != Some(Type::Null))
    }

    /// A field, not taken yet.
    pub(crate) fn get(&self, name: &str) -> Option<At<'n>> {
        self.entries().find(|(key, _)| *key == name).map(|(_, at)| at)
    }

    /// Takes a field without looking at it.
    pub(crate) fn ignore(&mut self, name: &str) {
        self.take_raw(name);
    }

    /// Every field, as for a mapping of labels.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'n str, At<'n>)> {
        self.fields.iter().map(|(key, node, _)| (key.text.as_str(), self.at.child(&key.text, node)))
    }

    /// Reports every field that was not taken: as not supported yet where it is in `unsupported`, else as
    /// unknown, with the nearest of `known`.
    pub(crate) fn finish(self, known: &[&str], unsupported: &[&str], reader: &mut Reader<'_>) {
        for (key, _, _) in self.fields.iter().filter(|(_, _, taken)| !taken) {
            let field = self.at.child(&key.text, self.at.node).field;
            let (code, message, help) = if unsupported.contains(&key.text.as_str()) {
                let help = "remove it: a policy is never enforced in part";
                (Code::UnsupportedField, format!("`{}` is not supported yet", key.text), help.to_owned())
            } else {
                let message = format!("there is no field `{}` here", key.text);
                (Code::UnknownField, message, suggest(&key.text, known, unsupported))
            };
            reader.report(Severity::Error, code, key.span, &field, message, Some(help));
        }
    }

    fn take_raw(&mut self, name: &str) -> Option<At<'n>> {
        let (key, node, taken) = self.fields.iter_mut().find(|(key, _, _)| key.text == name)?;
        *taken = true;
        Some(self.at.child(&key.text, node))
    }
}

/// The field that was probably meant, or all there are.
fn suggest(wrong: &str, known: &[&str], unsupported: &[&str]) -> String {
    // Nobody means such a key by accident, and comparing it takes its length.
    let comparable = wrong.len() <= 64;
    let near = |name: &&&str| strsim::jaro_winkler(&wrong.to_lowercase(), &name.to_lowercase()) > 0.88;
    match known.iter().chain(unsupported).find(|name| comparable && near(name)) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("expected one of {}", known.join(", ")),
    }
}
