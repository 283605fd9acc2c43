//! `kind: PolicyTest`: what some policies must do to some traffic.
//!
//! ```yaml
//! apiVersion: postern.dev/v1alpha1
//! kind: PolicyTest
//! policies: [policies/*.yaml]
//! inventory: [world.yaml]
//! cases:
//!   - {name: public, from: default/app2, to: default/app1, port: 80, http: {method: GET, path: /public}, expect: allow}
//! ```
//!
//! Which files a test names is for whoever has them: this reads the document, strictly, as policies are read.

mod case;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use postern_policy_core::decide::Verdict;
use postern_policy_core::explain::{End, PortRef, Question};
use postern_policy_core::http::Request;
use postern_policy_core::port::Protocol;

use crate::decode::{At, Object, Reader};
use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::document::{Kind, version_and_kind};
use crate::source::{Location, SourceFile};
use crate::yaml;

/// What was read from test files.
#[derive(Debug, Default)]
pub struct PolicyTests {
    /// The tests of every document without an error, in order.
    pub tests: Vec<PolicyTest>,
    /// Everything that was found, errors and warnings.
    pub diagnostics: Vec<Diagnostic>,
}

impl PolicyTests {
    /// Whether any document was refused.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// One document of `kind: PolicyTest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyTest {
    /// The file it stands in.
    pub file: String,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// The files of the policies that are tested.
    pub policies: Vec<FilePattern>,
    /// The files of what exists.
    pub inventory: Vec<FilePattern>,
    /// What must hold: at least one, each with a name of its own.
    pub cases: Vec<Case>,
}

/// The name of a file, or a pattern of names, beside the test's own file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePattern {
    /// As it was written.
    pub text: String,
    /// Where.
    pub place: Location,
}

/// Some traffic, and what must become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub place: Location,
    /// Who connects.
    pub from: End,
    /// To whom.
    pub to: End,
    /// By which protocol.
    pub protocol: Protocol,
    /// To which port.
    pub port: PortRef,
    /// The request on that connection, if one is asked about.
    pub http: Option<CaseRequest>,
    /// What must happen.
    pub expect: Expectation,
}

/// A request that is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseRequest {
    /// The method.
    pub method: String,
    /// The path, query included; only a CONNECT has none.
    pub path: Option<String>,
    /// The host, port included if the client sends one.
    pub host: Option<String>,
    /// The other headers, in order.
    pub headers: Vec<(String, String)>,
}

/// What must become of the traffic of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The verdict. An `allow` of a connection holds as well where HTTP rules are to decide its requests.
    pub verdict: Verdict,
    /// Which rule must have decided, if that matters.
    pub rule: Option<ExpectedRule>,
    /// The stable name of the reason, if that matters.
    pub reason: Option<String>,
    /// The verdict if audited policies were enforced, if that matters.
    pub audit: Option<Verdict>,
}

/// Which rule must have decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedRule {
    /// None: what no rule allows was dropped, or nothing is enforced.
    None,
    /// This one, or one within it.
    Within(String),
}

impl ExpectedRule {
    /// Whether a rule is the expected one. Names are compared step by step: `ingress/1` is not in `ingress/10`.
    pub fn is(&self, rule: Option<&str>) -> bool {
        match (self, rule) {
            (Self::None, rule) => rule.is_none(),
            (Self::Within(_), None) => false,
            (Self::Within(wanted), Some(rule)) => rule
                .strip_prefix(wanted.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        }
    }
}

impl Case {
    /// The question that it asks.
    pub fn question(&self) -> Question<'_> {
        Question {
            from: self.from.clone(),
            to: self.to.clone(),
            protocol: self.protocol,
            port: self.port.clone(),
            request: self.http.as_ref().map(CaseRequest::as_request),
        }
    }
}

impl CaseRequest {
    fn as_request(&self) -> Request<'_> {
        Request {
            method: Some(self.method.as_bytes()),
            path: self.path.as_ref().map(String::as_bytes),
            authority: self.host.as_ref().map(String::as_bytes),
            headers: self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect(),
        }
    }
}

/// Reads the tests of some files, one or many documents each.
pub fn load_policy_tests(files: &[SourceFile]) -> PolicyTests {
    let mut loaded = PolicyTests::default();
    for file in files {
        let documents = yaml::documents(file, &mut loaded.diagnostics);
        let mut reader = Reader::new(file, &mut loaded.diagnostics);
        reader.expect_documents(&documents, "a PolicyTest");
        for node in &documents {
            let errors_before = reader.errors();
            let test = document(&At::document(node), file, &mut reader);
            if reader.errors() == errors_before {
                loaded.tests.extend(test);
            }
        }
    }
    loaded
}

fn document(at: &At<'_>, file: &SourceFile, reader: &mut Reader<'_>) -> Option<PolicyTest> {
    let mut object = at.object(reader)?;
    let Kind { version, name: kind } = version_and_kind(&mut object, None, reader)?;
    let what = format!("{version} {kind}");
    match (version, kind) {
        ("postern.dev/v1alpha1", "PolicyTest") => {}
        (_, "PolicyTest") => {
            let help = "expected apiVersion postern.dev/v1alpha1";
            reader.error(at, Code::InvalidValue, format!("there is no {what}"), help);
            return None;
        }
        _ => {
            let message = format!("{what} is not a PolicyTest: it is passed over");
            let help = "a test names the files of policies and inventories: it does not hold them";
            reader.warning(at, Code::ForeignKind, message, help);
            return None;
        }
    }
    let name = name(&mut object, reader);
    let policies = patterns(&mut object, "policies", file, reader);
    let inventory = patterns(&mut object, "inventory", file, reader);
    let cases = object.require("cases", reader).and_then(|at| cases(&at, file, reader));
    object.finish(&["apiVersion", "kind", "metadata", "policies", "inventory", "cases"], &[], reader);
    let (policies, inventory) = (policies?, inventory?);
    Some(PolicyTest { file: file.name.clone(), name, policies, inventory, cases: cases? })
}

fn name(object: &mut Object<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let mut metadata = object.take("metadata", reader)?.object(reader)?;
    let name = metadata.require("name", reader).and_then(|at| at.string(reader)).map(str::to_owned);
    for field in ["labels", "annotations"] {
        metadata.ignore(field);
    }
    metadata.finish(&["name", "labels", "annotations"], &[], reader);
    name
}

fn patterns(
    object: &mut Object<'_>,
    field: &str,
    file: &SourceFile,
    reader: &mut Reader<'_>,
) -> Option<Vec<FilePattern>> {
    let at = object.require(field, reader)?;
    let list = at.list(reader)?;
    if list.is_empty() {
        let message = format!("`{field}` names no file");
        reader.error(&at, Code::MissingField, message, "name files beside this one, such as policies/*.yaml");
        return None;
    }
    let patterns = list.iter().map(|at| {
        let text = at.string(reader)?;
        if text.is_empty() {
            reader.error(at, Code::InvalidValue, "the name is empty", "write the name of a file");
            return None;
        }
        Some(FilePattern { text: text.to_owned(), place: place(at, file) })
    });
    // Each is read, so that every error is reported.
    patterns.collect::<Vec<_>>().into_iter().collect()
}

fn cases(at: &At<'_>, file: &SourceFile, reader: &mut Reader<'_>) -> Option<Vec<Case>> {
    let list = at.list(reader)?;
    if list.is_empty() {
        reader.error(
            at,
            Code::MissingField,
            "the test has no case",
            "add one: it passes without showing anything",
        );
        return None;
    }
    let mut names: HashMap<String, usize> = HashMap::new();
    let mut cases = Vec::new();
    for at in &list {
        let Some(case) = case::read(at, file, reader) else { continue };
        let line = case.place.span.place.line;
        if let Some(first) = names.insert(case.name.clone(), line) {
            let message = format!("two cases are called {:?}", case.name);
            reader.error(at, Code::Conflict, message, format!("the first is on line {first}: rename one"));
        }
        cases.push(case);
    }
    Some(cases)
}

fn place(at: &At<'_>, file: &SourceFile) -> Location {
    Location { file: file.name.clone(), span: at.node.span, field: at.field.clone() }
}
