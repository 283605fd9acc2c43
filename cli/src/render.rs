//! Diagnostics for people: the source line shown, as rustc does.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use postern_policy_lang::diagnostic::{Diagnostic, Severity};
use postern_policy_lang::source::SourceFile;

use crate::output::Style;

/// How many are shown; the rest is counted.
const MOST: usize = 100;

/// Prints diagnostics to standard error.
pub(crate) fn diagnostics(files: &[SourceFile], diagnostics: &[Diagnostic]) {
    let style = Style::of(&std::io::stderr());
    for diagnostic in diagnostics.iter().take(MOST) {
        match diagnostic.severity {
            // There may be many, and none of them needs a look at the source.
            Severity::Note => eprintln!("{}\n", style.dim(&diagnostic.to_string())),
            Severity::Warning | Severity::Error => eprintln!("{}\n", render(files, diagnostic, style)),
        }
    }
    if let Some(more) = diagnostics.len().checked_sub(MOST).filter(|more| *more > 0) {
        eprintln!("… and {more} more: `postern check -o json` lists all\n");
    }
}

fn render(files: &[SourceFile], diagnostic: &Diagnostic, style: Style) -> String {
    let level = match diagnostic.severity {
        Severity::Note => Level::NOTE,
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    let renderer = if style.has_colours() { Renderer::styled() } else { Renderer::plain() };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.as_str());
    let file = files.iter().find(|file| file.name == diagnostic.file);
    let mut group = match file.and_then(|file| Some((file, line(file, diagnostic)?))) {
        Some((file, line)) => {
            let annotation =
                AnnotationKind::Primary.span(marked(line, diagnostic)).label(diagnostic.field.as_str());
            let snippet = Snippet::source(line).line_start(diagnostic.span.place.line).path(&*file.name);
            title.element(snippet.annotation(annotation))
        }
        None => annotate_snippets::Group::with_title(title),
    };
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// The one line that is shown: what goes over several starts there.
fn line<'f>(file: &'f SourceFile, diagnostic: &Diagnostic) -> Option<&'f str> {
    file.text.lines().nth(diagnostic.span.place.line.checked_sub(1)?)
}

/// The part of the line that is marked.
fn marked(line: &str, diagnostic: &Diagnostic) -> std::ops::Range<usize> {
    let span = diagnostic.span;
    let byte = |character: usize| line.char_indices().nth(character).map_or(line.len(), |(offset, _)| offset);
    let first = span.place.column.saturating_sub(1);
    let (start, end) = (byte(first), byte(first + span.end.saturating_sub(span.start).max(1)));
    let shown = line.get(start..end).unwrap_or_default().trim_end();
    start..start + shown.len()
}
