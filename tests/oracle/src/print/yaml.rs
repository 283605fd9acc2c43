//! A tree of YAML that prints itself.

use std::fmt;

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Yaml {
    /// A text, in quotes where it could be taken for something else.
    Text(String),
    /// A number or a boolean.
    Bare(String),
    /// A list.
    List(Vec<Yaml>),
    /// A mapping, in this order.
    Map(Vec<(String, Yaml)>),
}

pub(super) fn text(text: impl fmt::Display) -> Yaml {
    Yaml::Text(text.to_string())
}

pub(super) fn bare(value: impl fmt::Display) -> Yaml {
    Yaml::Bare(value.to_string())
}

pub(super) fn list(items: impl IntoIterator<Item = Yaml>) -> Yaml {
    Yaml::List(items.into_iter().collect())
}

pub(super) fn map(fields: Vec<(&str, Yaml)>) -> Yaml {
    Yaml::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Texts to texts.
pub(super) fn texts<'a>(pairs: impl IntoIterator<Item = (&'a String, &'a String)>) -> Yaml {
    Yaml::Map(pairs.into_iter().map(|(key, value)| (key.clone(), text(value))).collect())
}

impl fmt::Display for Yaml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.block(f, 0, false)
    }
}

impl Yaml {
    /// Prints a block; `inline` where something stands before it on its line.
    fn block(&self, f: &mut fmt::Formatter<'_>, indent: usize, inline: bool) -> fmt::Result {
        let pad = " ".repeat(indent);
        match self {
            Self::List(items) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    let pad = if inline && index == 0 { "" } else { pad.as_str() };
                    write!(f, "{pad}- ")?;
                    item.block(f, indent + 2, true)?;
                }
                Ok(())
            }
            Self::Map(fields) if !fields.is_empty() => {
                for (index, (name, value)) in fields.iter().enumerate() {
                    let pad = if inline && index == 0 { "" } else { pad.as_str() };
                    write!(f, "{pad}{}:", quoted(name))?;
                    match value {
                        Self::List(items) if !items.is_empty() => writeln!(f)?,
                        Self::Map(fields) if !fields.is_empty() => writeln!(f)?,
                        _ => f.write_str(" ")?,
                    }
                    value.block(f, indent + 2, false)?;
                }
                Ok(())
            }
            Self::List(_) => writeln!(f, "[]"),
            Self::Map(_) => writeln!(f, "{{}}"),
            Self::Bare(value) => writeln!(f, "{value}"),
            Self::Text(text) => writeln!(f, "{}", quoted(text)),
        }
    }
}

fn quoted(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off"].contains(&text);
    match plain {
        true => text.to_owned(),
        false => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}
