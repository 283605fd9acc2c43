//! YAML text to trees, within bounds.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::node::{Key, Node, Scalar, Value};
use crate::source::{Place, SourceFile, Span};

/// How deep a document may nest. No policy comes near.
const MAX_DEPTH: usize = 64;
/// How many nodes the documents of one file may have once aliases are followed.
const MAX_NODES: usize = 2_000_000;
/// How many values of a file may stand in brackets.
const MAX_FLOW: usize = 300_000;
/// How many bytes of text count for one more node: an alias of a long text is not for free.
const TEXT_OF_A_NODE: usize = 32;

/// The documents of a file, empty ones left out. Text that is no YAML ends the file: the documents before
/// it are returned, the error is reported.
pub(crate) fn documents(file: &SourceFile, diagnostics: &mut Vec<Diagnostic>) -> Vec<Node> {
    let mut builder = Builder::default();
    if let Some(problem) = too_much_in_brackets(&file.text) {
        push(file, problem, diagnostics);
        return builder.documents;
    }
    let mut parser = Parser::new_from_str(&file.text);
    loop {
        let result = match parser.next_event() {
            None | Some(Ok((Event::StreamEnd, _))) => return builder.documents,
            Some(Ok((event, span))) => builder.event(event, convert(span)),
            Some(Err(error)) => Err(scan_error(&error)),
        };
        if let Err(problem) = result {
            push(file, problem, diagnostics);
            return builder.documents;
        }
    }
}

fn push(file: &SourceFile, problem: Problem, diagnostics: &mut Vec<Diagnostic>) {
    let Problem { code, message, span, help } = problem;
    let (file, field) = (file.name.clone(), String::new());
    diagnostics.push(Diagnostic { severity: Severity::Error, code, message, file, span, field, help });
}

/// What stands in brackets may turn out to be a key only at its end, so the parser keeps all of it until then, at some
/// hundred bytes a value. Every value in there is opened by a bracket or follows a comma; quotes are not looked into.
fn too_much_in_brackets(text: &str) -> Option<Problem> {
    let (index, _) = text.bytes().enumerate().filter(|(_, byte)| b",[{".contains(byte)).nth(MAX_FLOW)?;
    let before = text.get(..index).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let characters = before.chars().count();
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    let place = Place { line: before.matches('\n').count() + 1, column };
    Some(Problem {
        code: Code::TooLarge,
        message: format!("the file has more than {MAX_FLOW} brackets and commas"),
        span: Span { start: characters, end: characters + 1, place },
        help: Some("split the file, or write lists with `- ` and mappings without `{}`".to_owned()),
    })
}

struct Problem {
    code: Code,
    message: String,
    span: Span,
    help: Option<String>,
}

fn scan_error(error: &ScanError) -> Problem {
    let marker = error.marker();
    let place = Place { line: marker.line(), column: marker.col() + 1 };
    Problem {
        code: Code::YamlSyntax,
        message: format!("not valid YAML: {}", error.info()),
        span: Span { start: marker.index(), end: marker.index(), place },
        help: Some("check the indentation, colons and quotes around this place".to_owned()),
    }
}

fn convert(span: saphyr_parser::Span) -> Span {
    let place = Place { line: span.start.line(), column: span.start.col() + 1 };
    Span { start: span.start.index(), end: span.end.index(), place }
}

/// A collection that is being read.
struct Open {
    span: Span,
    anchor: usize,
    weight: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<(Key, Node)>, key: Option<Key>, seen: HashMap<String, Span> },
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    documents: Vec<Node>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                // A tag such as `!!str` would change the type: what is not understood is refused.
                if tag.is_some() {
                    return Err(unsupported("a YAML tag", span));
                }
                let weight = 1 + text.len() / TEXT_OF_A_NODE;
                self.count(weight, span)?;
                let scalar = Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                self.value(Node { span, value: Rc::new(Value::Scalar(scalar)), weight }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.start(span, anchor, tag.is_some(), Content::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                let map = Content::Map { entries: Vec::new(), key: None, seen: HashMap::new() };
                self.start(span, anchor, tag.is_some(), map)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(unsupported("an alias within its own anchor", span));
                };
                self.count(node.weight, span)?;
                self.value(Node { span, ..node }, 0)
            }
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => Ok(()),
        }
    }

    fn start(&mut self, span: Span, anchor: usize, tagged: bool, content: Content) -> Result<(), Problem> {
        if tagged {
            return Err(unsupported("a YAML tag", span));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(Problem {
                code: Code::TooLarge,
                message: format!("the document nests deeper than {MAX_DEPTH} levels"),
                span,
                help: Some("no policy is that deep: check the indentation and brackets".to_owned()),
            });
        }
        self.count(1, span)?;
        self.open.push(Open { span, anchor, weight: 1, content });
        Ok(())
    }

    fn end(&mut self, end: Span) -> Result<(), Problem> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let value = match open.content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, .. } => Value::Map(entries),
        };
        let span = Span { end: end.end, ..open.span };
        self.value(Node { span, value: Rc::new(value), weight: open.weight }, open.anchor)
    }

    /// Bounds the work that walking the documents will be.
    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Problem> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= MAX_NODES {
            return Ok(());
        }
        Err(Problem {
            code: Code::TooLarge,
            message: format!("the file has more than {MAX_NODES} values once its aliases are followed"),
            span,
            help: Some("write the documents without aliases, or split the file".to_owned()),
        })
    }

    fn value(&mut self, node: Node, anchor: usize) -> Result<(), Problem> {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            let empty =
                matches!(&*node.value, Value::Scalar(scalar) if scalar.plain && scalar.text.is_empty());
            if !empty {
                self.documents.push(node);
            }
            return Ok(());
        };
        parent.weight = parent.weight.saturating_add(node.weight);
        match &mut parent.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, key, seen } => match key.take() {
                Some(key) => entries.push((key, node)),
                None => *key = Some(checked_key(&node, seen)?),
            },
        }
        Ok(())
    }
}

fn checked_key(node: &Node, seen: &mut HashMap<String, Span>) -> Result<Key, Problem> {
    let Value::Scalar(scalar) = &*node.value else {
        return Err(unsupported("a key that is not plain text", node.span));
    };
    match seen.insert(scalar.text.clone(), node.span) {
        None => Ok(Key { text: scalar.text.clone(), span: node.span }),
        Some(first) => Err(Problem {
            code: Code::DuplicateKey,
            message: format!("`{}` stands twice in one mapping", scalar.text),
            span: node.span,
            help: Some(format!("it is first on line {}: keep one of the two", first.place.line)),
        }),
    }
}

fn unsupported(what: &str, span: Span) -> Problem {
    Problem {
        code: Code::YamlSyntax,
        message: format!("{what} has no meaning in a policy"),
        span,
        help: Some("write the value itself".to_owned()),
    }
}
