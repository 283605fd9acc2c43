//! Unified diffs of files whose lines were changed, and none added or removed.

use std::fmt::Write;

/// Lines around a change.
const CONTEXT: usize = 3;

/// The changes from one text to another of as many lines.
pub(super) fn unified(name: &str, old: &str, new: &str) -> String {
    let lines: Vec<(&str, &str)> = old.split_inclusive('\n').zip(new.split_inclusive('\n')).collect();
    let changed: Vec<usize> =
        lines.iter().enumerate().filter(|(_, (old, new))| old != new).map(|(index, _)| index).collect();
    let mut text = String::new();
    if changed.is_empty() {
        return text;
    }
    // Writing to a string cannot fail.
    let _ = writeln!(text, "--- {name}\n+++ {name}");
    let mut rest = changed.as_slice();
    while let [first, ..] = rest {
        let near = rest.windows(2).take_while(|pair| matches!(pair, [a, b] if b - a <= 2 * CONTEXT)).count();
        let (hunk, later) = rest.split_at(near + 1);
        rest = later;
        let last = hunk.last().unwrap_or(first);
        let start = first.saturating_sub(CONTEXT);
        let end = (last + CONTEXT + 1).min(lines.len());
        let length = end - start;
        let _ = writeln!(text, "@@ -{0},{length} +{0},{length} @@", start + 1);
        write_lines(&mut text, lines.get(start..end).unwrap_or_default());
    }
    text
}

/// Removed lines stand before added ones, run by run.
fn write_lines(text: &mut String, lines: &[(&str, &str)]) {
    for run in lines.chunk_by(|(old, new), (next_old, next_new)| (old == new) == (next_old == next_new)) {
        let same = run.iter().all(|(old, new)| old == new);
        for (old, _) in run {
            write_line(text, if same { ' ' } else { '-' }, old);
        }
        for (_, new) in run.iter().filter(|_| !same) {
            write_line(text, '+', new);
        }
    }
}

fn write_line(text: &mut String, mark: char, line: &str) {
    text.push(mark);
    text.push_str(line);
    if !line.ends_with('\n') {
        text.push_str("\n\\ No newline at end of file\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(old: &str, new: &str, expected: &str) {
        assert_eq!(unified("f", old, new), expected);
    }

    #[test]
    fn changed_lines_with_what_is_around_them() {
        check("a\n", "a\n", "");
        check("a\nb\n", "a\nB\n", "--- f\n+++ f\n@@ -1,2 +1,2 @@\n a\n-b\n+B\n");
        check(
            "b",
            "B",
            "--- f\n+++ f\n@@ -1,1 +1,1 @@\n-b\n\\ No newline at end of file\n+B\n\\ No newline at end of file\n",
        );
        check("a\nb\n", "A\nB\n", "--- f\n+++ f\n@@ -1,2 +1,2 @@\n-a\n-b\n+A\n+B\n");
    }

    #[test]
    fn what_is_far_apart_is_two_hunks() {
        let old: String = (0..20).map(|n| format!("{n}\n")).collect();
        let new = old.replace("2\n3", "x\n3").replace("16", "y");
        let diff = unified("f", &old, &new);
        assert_eq!(diff.matches("@@ -").count(), 2, "{diff}");
        assert!(
            diff.contains("@@ -1,6 +1,6 @@\n 0\n 1\n-2\n+x\n 3\n 4\n 5\n@@ -14,7 +14,7 @@\n 13"),
            "{diff}"
        );
    }
}
