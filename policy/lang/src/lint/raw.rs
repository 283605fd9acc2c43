//! The documents as they were written: where a field stands, and what an object allows.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::node::{Node, Scalar, Value};
use crate::source::{Location, SourceFile, Span};
use crate::yaml;

/// The annotation by which an object allows lints.
pub(super) const ALLOW: &str = "postern.dev/allow-lint";

/// What is looked up in the files.
#[derive(Default)]
pub(super) struct Raw {
    mappings: HashMap<(usize, usize, usize), Node>,
    files: HashMap<String, usize>,
    pub(super) allowances: Vec<Allowance>,
    /// Where objects start, by file.
    starts: Vec<(usize, usize)>,
}

/// What one object allows.
pub(super) struct Allowance {
    pub(super) file: String,
    /// Where the object starts, in characters.
    pub(super) start: usize,
    /// Where the annotation's value stands.
    pub(super) span: Span,
    pub(super) names: Vec<String>,
}

impl Raw {
    /// Reads the files again: whatever is wrong with them has been reported.
    pub(super) fn new(files: &[SourceFile]) -> Self {
        let mut raw = Self::default();
        for (index, file) in files.iter().enumerate() {
            raw.files.insert(file.name.clone(), index);
            for document in yaml::documents(file, &mut Vec::new()) {
                raw.object(&document, index, file);
                raw.index(&document, index, &mut HashSet::new());
            }
        }
        raw.starts.sort_unstable();
        raw
    }

    /// The value of a field of the mapping at a place.
    pub(super) fn field(&self, of: &Location, name: &str) -> Option<&Node> {
        let key = (*self.files.get(&of.file)?, of.span.start, of.span.end);
        child(self.mappings.get(&key)?, name)
    }

    /// Where the object starts that a place is in.
    pub(super) fn object_start(&self, file: &str, at: usize) -> Option<usize> {
        let file = *self.files.get(file)?;
        let before = self.starts.partition_point(|start| *start <= (file, at));
        let (of, start) = *self.starts.get(before.checked_sub(1)?)?;
        (of == file).then_some(start)
    }

    fn object(&mut self, node: &Node, index: usize, file: &SourceFile) {
        if let Some(Value::List(items)) = child(node, "items").map(|items| &*items.value) {
            items.iter().for_each(|item| self.object(item, index, file));
        }
        self.starts.push((index, node.span.start));
        let annotation = child(node, "metadata")
            .and_then(|metadata| child(metadata, "annotations"))
            .and_then(|annotations| child(annotations, ALLOW));
        let Some(annotation) = annotation else { return };
        let Some(text) = scalar(annotation).map(|scalar| scalar.text.as_str()) else { return };
        let names = text.split([',', ' ', '\n']).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let (start, span) = (node.span.start, annotation.span);
        self.allowances.push(Allowance { file: file.name.clone(), start, span, names });
    }

    /// What an alias stands for has been seen where its anchor is.
    fn index(&mut self, node: &Node, file: usize, seen: &mut HashSet<*const Value>) {
        if let Value::Map(_) = &*node.value {
            self.mappings.insert((file, node.span.start, node.span.end), node.clone());
        }
        if !seen.insert(Rc::as_ptr(&node.value)) {
            return;
        }
        match &*node.value {
            Value::Map(entries) => entries.iter().for_each(|(_, value)| self.index(value, file, seen)),
            Value::List(items) => items.iter().for_each(|item| self.index(item, file, seen)),
            Value::Scalar(_) => {}
        }
    }
}

/// The value of a key.
pub(super) fn child<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let Value::Map(entries) = &*node.value else { return None };
    entries.iter().find(|(key, _)| key.text == name).map(|(_, value)| value)
}

/// The items of a list.
pub(super) fn items(node: &Node) -> &[Node] {
    match &*node.value {
        Value::List(items) => items,
        _ => &[],
    }
}

fn scalar(node: &Node) -> Option<&Scalar> {
    match &*node.value {
        Value::Scalar(scalar) => Some(scalar),
        _ => None,
    }
}
