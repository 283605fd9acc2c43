//! Source files and places in them.

/// A file's text under the name that the user knows it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as it was given, or `<stdin>`.
    pub name: String,
    /// The text.
    pub text: String,
}

/// A place in a file. Lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A stretch of a file, as character offsets; the end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Where it starts.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// Where it starts, as people count.
    pub place: Place,
}

impl SourceFile {
    /// A span's byte range in the text, never empty where there is text to show.
    pub fn byte_range(&self, span: Span) -> std::ops::Range<usize> {
        let byte = |characters: usize| {
            self.text.char_indices().nth(characters).map_or(self.text.len(), |(offset, _)| offset)
        };
        let (start, end) = (byte(span.start), byte(span.end.max(span.start + 1)));
        // A mapping ends where the next key starts: show what is on its own lines.
        let shown = self.text.get(start..end).unwrap_or_default();
        let trimmed = shown.trim_end();
        start..start + if trimmed.is_empty() { shown.len() } else { trimmed.len() }
    }
}
