//! Regular expressions: a tree that matches by trying everything, and prints itself in RE2's dialect.

use std::fmt;

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// This text.
    Text(String),
    /// One byte, whichever.
    Dot,
    /// One byte of these ranges, or of none of them.
    Class(Vec<(u8, u8)>, bool),
    /// One after another.
    Sequence(Vec<Pattern>),
    /// One of these.
    Either(Vec<Pattern>),
    /// From so many to so many times; without end where there is no second number.
    Repeat(Box<Pattern>, usize, Option<usize>),
    /// A group that captures, which means nothing more.
    Group(Box<Pattern>),
}

impl Pattern {
    /// Whether the whole value matches.
    pub fn matches(&self, value: &str) -> bool {
        self.at(value.as_bytes(), &mut |rest| rest.is_empty())
    }

    /// Tries every way to match a beginning of `text` until the rest satisfies `then`.
    fn at(&self, text: &[u8], then: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        match self {
            Self::Text(wanted) => text.strip_prefix(wanted.as_bytes()).is_some_and(then),
            Self::Dot => text.split_first().is_some_and(|(_, rest)| then(rest)),
            Self::Class(ranges, negated) => text.split_first().is_some_and(|(byte, rest)| {
                ranges.iter().any(|(low, high)| low <= byte && byte <= high) != *negated && then(rest)
            }),
            Self::Sequence(parts) => match parts.split_first() {
                None => then(text),
                Some((first, rest)) => {
                    first.at(text, &mut |text| Self::Sequence(rest.to_vec()).at(text, then))
                }
            },
            Self::Either(options) => options.iter().any(|option| option.at(text, then)),
            Self::Group(inner) => inner.at(text, then),
            Self::Repeat(inner, least, most) => repeat(inner, *least, *most, text, then),
        }
    }
}

fn repeat(
    inner: &Pattern,
    least: usize,
    most: Option<usize>,
    text: &[u8],
    then: &mut dyn FnMut(&[u8]) -> bool,
) -> bool {
    if least == 0 && then(text) {
        return true;
    }
    if most == Some(0) {
        return false;
    }
    inner.at(text, &mut |rest| {
        // Once enough is there, one more of nothing leads nowhere new.
        (least > 0 || rest.len() < text.len())
            && repeat(inner, least.saturating_sub(1), most.map(|most| most.saturating_sub(1)), rest, then)
    })
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.chars().try_for_each(|c| match c {
                '.' | '+' | '*' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '|' | '^' | '$' | '\\' => {
                    write!(f, "\\{c}")
                }
                c => write!(f, "{c}"),
            }),
            Self::Dot => f.write_str("."),
            Self::Class(ranges, negated) => {
                f.write_str(if *negated { "[^" } else { "[" })?;
                for (low, high) in ranges {
                    match low == high {
                        true => write!(f, "{}", char::from(*low))?,
                        false => write!(f, "{}-{}", char::from(*low), char::from(*high))?,
                    }
                }
                f.write_str("]")
            }
            Self::Sequence(parts) => parts.iter().try_for_each(|part| match part {
                Self::Either(_) => write!(f, "(?:{part})"),
                part => write!(f, "{part}"),
            }),
            Self::Either(options) => {
                for (index, option) in options.iter().enumerate() {
                    write!(f, "{}{option}", if index == 0 { "" } else { "|" })?;
                }
                Ok(())
            }
            Self::Group(inner) => write!(f, "({inner})"),
            Self::Repeat(inner, least, most) => {
                write!(f, "(?:{inner})")?;
                match (least, most) {
                    (0, None) => f.write_str("*"),
                    (1, None) => f.write_str("+"),
                    (0, Some(1)) => f.write_str("?"),
                    (least, None) => write!(f, "{{{least},}}"),
                    (least, Some(most)) => write!(f, "{{{least},{most}}}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Pattern {
        Pattern::Text(text.to_owned())
    }

    fn check(pattern: &Pattern, printed: &str, yes: &[&str], no: &[&str]) {
        assert_eq!(pattern.to_string(), printed);
        for value in yes {
            assert!(pattern.matches(value), "{printed} {value:?}");
        }
        for value in no {
            assert!(!pattern.matches(value), "{printed} {value:?}");
        }
    }

    /// §3.1: the whole value, both ends.
    #[test]
    fn expressions_match_the_whole_value() {
        check(&text("/a.b"), r"/a\.b", &["/a.b"], &["/axb", "/a.b/", "x/a.b", ""]);
        check(&Pattern::Either(vec![text("/a"), text("/b")]), "/a|/b", &["/a", "/b"], &["/a|/b", "/ab"]);
        let any = Pattern::Repeat(Box::new(Pattern::Dot), 0, None);
        check(&Pattern::Sequence(vec![text("/"), any]), "/(?:.)*", &["/", "/x/y"], &["", "x/"]);
        let class = Pattern::Class(vec![(b'a', b'c'), (b'0', b'0')], false);
        check(
            &Pattern::Repeat(Box::new(class), 2, Some(3)),
            "(?:[a-c0]){2,3}",
            &["ab", "0c0"],
            &["a", "abca", "ad"],
        );
        let not = Pattern::Class(vec![(b'/', b'/')], true);
        check(&Pattern::Repeat(Box::new(not), 1, None), "(?:[^/])+", &["ab"], &["", "a/b"]);
        let nothing = Pattern::Repeat(Box::new(text("a")), 0, Some(1));
        check(&Pattern::Repeat(Box::new(nothing), 0, None), "(?:(?:a)?)*", &["", "aaa"], &["b"]);
        let nested = Pattern::Repeat(Box::new(Pattern::Repeat(Box::new(text("a")), 0, None)), 2, None);
        check(&nested, "(?:(?:a)*){2,}", &["", "a", "aaa"], &["b"]);
    }
}
