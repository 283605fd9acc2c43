//! What the module exports: a host calls every callback that it finds, and each call costs.
//!
//! The SDK defines every callback of the ABI and Rust exports every function that keeps its name; no linker option
//! takes an export back. So the export section of the linked module is written anew, with what is listed here.
//! The build script includes this file.

/// The exports that stay. A callback that `filter` implements must be here, or no host will call it.
pub(crate) const KEPT: [&str; 11] = [
    "memory",
    "_initialize",
    "proxy_abi_version_0_2_1",
    "proxy_on_memory_allocate",
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_context_create",
    "proxy_on_new_connection",
    // What waits for its certificate is decided here; a denied connection that the host could not close passes nothing on.
    "proxy_on_downstream_data",
    "proxy_on_request_headers",
    // The context's memory is freed here; `proxy_on_done` and `proxy_on_log` before it have nothing to do.
    "proxy_on_delete",
];

/// Why the exports cannot be rewritten.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ExportError {
    /// Not a binary WebAssembly module, or cut off.
    Malformed,
    /// It does not export what a filter needs.
    Missing(String),
}

impl std::fmt::Display for ExportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed => f.write_str("the linker wrote something else than a WebAssembly module"),
            Self::Missing(name) => write!(
                f,
                "the module does not export `{name}`, which filter/module/src/exports.rs lists: is it still needed?"
            ),
        }
    }
}

impl std::error::Error for ExportError {}

const HEADER: &[u8] = b"\0asm\x01\0\0\0";
const EXPORTS: u8 = 7;

/// The module with these exports and no others. Everything else stays as it is, byte for byte.
pub(crate) fn keep(module: &[u8], names: &[&str]) -> Result<Vec<u8>, ExportError> {
    let mut reader = Reader(module.strip_prefix(HEADER).ok_or(ExportError::Malformed)?);
    let mut out = HEADER.to_vec();
    let mut kept = Vec::new();
    while !reader.0.is_empty() {
        let id = reader.byte()?;
        let size = reader.number()?;
        let section = reader.bytes(size)?;
        if id != EXPORTS {
            push_section(&mut out, id, section);
            continue;
        }
        let entries = entries(section)?;
        kept = entries.into_iter().filter(|(name, _)| names.iter().any(|n| n.as_bytes() == *name)).collect();
        let mut section = Vec::new();
        push_number(&mut section, kept.len());
        for (_, entry) in &kept {
            section.extend_from_slice(entry);
        }
        push_section(&mut out, id, &section);
    }
    match names.iter().find(|name| !kept.iter().any(|(kept, _)| *kept == name.as_bytes())) {
        Some(name) => Err(ExportError::Missing((*name).to_owned())),
        None => Ok(out),
    }
}

/// An export's name, and the bytes of the whole entry.
type Entry<'a> = (&'a [u8], &'a [u8]);

fn entries(section: &[u8]) -> Result<Vec<Entry<'_>>, ExportError> {
    let mut reader = Reader(section);
    let mut entries = Vec::new();
    for _ in 0..reader.number()? {
        let start = reader.0;
        let length = reader.number()?;
        let name = reader.bytes(length)?;
        reader.byte()?; // the kind: a function, a memory, ...
        reader.number()?; // which
        let entry = start.get(..start.len() - reader.0.len()).ok_or(ExportError::Malformed)?;
        entries.push((name, entry));
    }
    if reader.0.is_empty() { Ok(entries) } else { Err(ExportError::Malformed) }
}

fn push_section(out: &mut Vec<u8>, id: u8, section: &[u8]) {
    out.push(id);
    push_number(out, section.len());
    out.extend_from_slice(section);
}

/// LEB128, as short as it goes.
fn push_number(out: &mut Vec<u8>, mut number: usize) {
    while let [low, ..] = number.to_le_bytes()
        && number >= 0x80
    {
        out.push(low | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, ExportError> {
        let (byte, rest) = self.0.split_first().ok_or(ExportError::Malformed)?;
        self.0 = rest;
        Ok(*byte)
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], ExportError> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(ExportError::Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// LEB128 of at most 32 bits.
    fn number(&mut self) -> Result<usize, ExportError> {
        let mut number = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(ExportError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with a custom section of 200 bytes and three exports of nothing that exists.
    fn module() -> Vec<u8> {
        let mut module = HEADER.to_vec();
        module.extend([0, 0xc8, 0x01]);
        module.extend([7; 200]);
        module.extend([EXPORTS, 15, 3]);
        for (name, kind, index) in [("a", 0, 1), ("bb", 2, 0), ("c", 0, 3)] {
            module.push(u8::try_from(name.len()).unwrap());
            module.extend(name.as_bytes());
            module.extend([kind, index]);
        }
        // The same number with a byte more than it needs.
        let last = module.pop().unwrap();
        module.extend([last | 0x80, 0]);
        module.extend([10, 1, 0]);
        module
    }

    #[test]
    fn what_is_listed_stays_and_everything_else_is_untouched() {
        let before = module();
        let after = keep(&before, &["c", "bb"]).unwrap();
        let expected = [2, 2, b'b', b'b', 2, 0, 1, b'c', 0, 0x83, 0];
        assert_eq!(after[..8 + 3 + 200], before[..8 + 3 + 200]);
        assert_eq!(after[8 + 3 + 200..8 + 3 + 200 + 2], [EXPORTS, 11]);
        assert_eq!(after[8 + 3 + 200 + 2..after.len() - 3], expected);
        assert_eq!(after[after.len() - 3..], [10, 1, 0]);
        assert_eq!(keep(&after, &["c", "bb"]), Ok(after));
    }

    #[test]
    fn what_is_not_there_is_named() {
        assert_eq!(keep(&module(), &["a", "d"]), Err(ExportError::Missing("d".into())));
        assert_eq!(keep(HEADER, &["a"]), Err(ExportError::Missing("a".into())));
    }

    #[test]
    fn no_part_of_a_module_is_taken_for_one() {
        let module = module();
        let whole = [8, 8 + 3 + 200, 8 + 3 + 200 + 17, module.len()];
        for end in (0..module.len()).filter(|end| !whole.contains(end)) {
            assert_eq!(keep(&module[..end], &[]), Err(ExportError::Malformed), "{end}");
        }
    }

    #[test]
    fn the_built_module_exports_what_is_listed() {
        let mut wanted = KEPT.map(str::as_bytes);
        let again = keep(crate::FILTER_WASM, &KEPT).unwrap();
        assert_eq!(again.len(), crate::FILTER_WASM.len());
        let mut reader = Reader(&again[HEADER.len()..]);
        let names = std::iter::from_fn(|| {
            let id = reader.byte().ok()?;
            let size = reader.number().ok()?;
            Some((id, reader.bytes(size).ok()?))
        });
        let (_, section) = names.into_iter().find(|(id, _)| *id == EXPORTS).unwrap();
        let mut found: Vec<&[u8]> = entries(section).unwrap().into_iter().map(|(name, _)| name).collect();
        wanted.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, wanted);
    }
}
