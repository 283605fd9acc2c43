//! Patterns of file names: `*` and `?` within a step, `**` for any number of folders.

/// Whether a text is a pattern rather than the name of one file.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether a step of a path, the name of one file or folder, is what a step of a pattern means. A name that
/// starts with a dot is only meant where the pattern writes the dot.
pub fn step_matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.starts_with('.') {
        return false;
    }
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where to go on after the last star took one character more.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some('?') => (p, n) = (p + 1, n + 1),
            Some(wanted) if Some(wanted) == name.get(n) => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, n) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(step_matches(pattern, name), expected, "{pattern} {name}");
        };
        check("*.yaml", "a.yaml", true);
        check("*.yaml", "a.yml", false);
        check("*.yaml", ".yaml", false);
        check(".*", ".yaml", true);
        check("a?c", "abc", true);
        check("a?c", "ac", false);
        check("*a*b*", "xxaxxbxx", true);
        check("*a*b", "xxaxxbxx", false);
        check("**", "abc", true);
        check("", "a", false);
        check("*", "é", true);
        check("?", "é", true);
        // It must not take exponential time.
        check(&"a*".repeat(50), &"a".repeat(5000), true);
        check(&format!("{}b", "a*".repeat(50)), &"a".repeat(5000), false);
    }

    #[test]
    fn only_stars_and_question_marks_make_a_pattern() {
        assert!(is_pattern("p/*.yaml") && is_pattern("a?") && !is_pattern("p/[a].yaml"));
    }
}
