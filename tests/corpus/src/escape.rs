//! Bytes in TOML text: `\xff` is a byte, `\\` a backslash.

use anyhow::{Context, bail};

/// Undoes the escapes. TOML's literal strings ('…') pass them through.
pub(crate) fn bytes(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        match tail {
            [b'\\', tail @ ..] => {
                out.push(b'\\');
                rest = tail;
            }
            [b'x', high, low, tail @ ..] => {
                let digits = [*high, *low];
                let digits = std::str::from_utf8(&digits)?;
                out.push(u8::from_str_radix(digits, 16).with_context(|| format!("\\x{digits} in {text:?}"))?);
                rest = tail;
            }
            _ => bail!("in {text:?}: write \\\\ for a backslash, \\xNN for a byte"),
        }
    }
    Ok(out)
}
