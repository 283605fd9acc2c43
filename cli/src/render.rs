//! Diagnostics for people: the source line shown, as rustc does.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use postern_policy_lang::diagnostic::{Diagnostic, Severity};
use postern_policy_lang::source::SourceFile;

use crate::output::Style;

/// Prints diagnostics to standard error.
pub(crate) fn diagnostics(files: &[SourceFile], diagnostics: &[Diagnostic]) {
    let style = Style::of(&std::io::stderr());
    for diagnostic in diagnostics {
        eprintln!("{}\n", render(files, diagnostic, style));
    }
}

fn render(files: &[SourceFile], diagnostic: &Diagnostic, style: Style) -> String {
    let level = match diagnostic.severity {
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    let renderer = if style.has_colours() { Renderer::styled() } else { Renderer::plain() };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.as_str());
    let file = files.iter().find(|file| file.name == diagnostic.file);
    let mut group = match file {
        Some(file) => {
            let first_line = first_line(file, diagnostic);
            let annotation = AnnotationKind::Primary.span(first_line).label(diagnostic.field.as_str());
            title.element(Snippet::source(&*file.text).path(&*file.name).annotation(annotation))
        }
        None => annotate_snippets::Group::with_title(title),
    };
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// A mapping may go over many lines: its first one says where it is.
fn first_line(file: &SourceFile, diagnostic: &Diagnostic) -> std::ops::Range<usize> {
    let range = file.byte_range(diagnostic.span);
    let text = file.text.get(range.clone()).unwrap_or_default();
    let length = text.find('\n').unwrap_or(text.len());
    range.start..range.start + text.get(..length).unwrap_or_default().trim_end().len()
}
