//! The real module, made to fail: the product has no switch for that, so its bytes are changed.

use anyhow::{Context as _, Result, bail, ensure};

/// A request with more fields than this makes the [`trapping`] module trap.
pub const TRAPPING_HEADERS: u32 = 60;

const TYPE: u8 = 1;
const IMPORT: u8 = 2;
const FUNCTION: u8 = 3;
const MEMORY: u8 = 5;
const EXPORT: u8 = 7;
const CODE: u8 = 10;

/// `(func (param i32 i32 i32) (result i32))`, what the callback for request headers is.
const CALLBACK_TYPE: &[u8] = &[0x60, 3, 0x7f, 0x7f, 0x7f, 1, 0x7f];
const CALLBACK: &[u8] = b"proxy_on_request_headers";

/// The module with a callback around that for request headers, which traps where there are many fields, and calls the
/// real one where there are not.
pub fn trapping(module: &[u8]) -> Result<Vec<u8>> {
    let mut sections = sections(module)?;
    let ty = callback_type(section(&mut sections, TYPE)?)?;
    let imported = imported_functions(section(&mut sections, IMPORT)?)?;
    let functions = section(&mut sections, FUNCTION)?;
    let added = imported + append(functions, &leb(ty))?;
    let real = redirect(section(&mut sections, EXPORT)?, added)?;
    let mut body = vec![0, 0x20, 1, 0x41];
    body.extend(leb(TRAPPING_HEADERS));
    // i32.gt_u; if; unreachable; end; the real callback with the same arguments; end.
    body.extend([0x4b, 0x04, 0x40, 0x00, 0x0b, 0x20, 0, 0x20, 1, 0x20, 2, 0x10]);
    body.extend(leb(real));
    body.push(0x0b);
    let body = [leb(u32::try_from(body.len())?), body].concat();
    append(section(&mut sections, CODE)?, &body)?;
    join(&sections)
}

/// The module with memory that grows by at most this many pages of 64 KiB.
pub fn capped(module: &[u8], pages: u32) -> Result<Vec<u8>> {
    let mut sections = sections(module)?;
    let memory = section(&mut sections, MEMORY)?;
    let mut reader = Reader(memory);
    ensure!(reader.number()? == 1 && reader.byte()? <= 1, "expected one memory of 32 bits, not shared");
    let initial = reader.number()?;
    *memory = [vec![1, 1], leb(initial), leb(initial + pages)].concat();
    join(&sections)
}

type Section = (u8, Vec<u8>);

fn sections(module: &[u8]) -> Result<Vec<Section>> {
    let mut reader = Reader(module.strip_prefix(b"\0asm\x01\0\0\0").context("not a module")?);
    let mut sections = Vec::new();
    while !reader.0.is_empty() {
        let id = reader.byte()?;
        sections.push((id, reader.bytes()?.to_vec()));
    }
    Ok(sections)
}

fn join(sections: &[Section]) -> Result<Vec<u8>> {
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for (id, bytes) in sections {
        module.push(*id);
        module.extend(leb(u32::try_from(bytes.len())?));
        module.extend(bytes);
    }
    Ok(module)
}

fn section(sections: &mut [Section], id: u8) -> Result<&mut Vec<u8>> {
    let found = sections.iter_mut().find(|(section, _)| *section == id);
    found.map(|(_, bytes)| bytes).with_context(|| format!("the module has no section {id}"))
}

/// Adds an item to a list, and gives its index.
fn append(list: &mut Vec<u8>, item: &[u8]) -> Result<u32> {
    let mut reader = Reader(list);
    let count = reader.number()?;
    let items = reader.0.to_vec();
    *list = [leb(count + 1), items, item.to_vec()].concat();
    Ok(count)
}

fn callback_type(types: &[u8]) -> Result<u32> {
    let mut reader = Reader(types);
    for index in 0..reader.number()? {
        let start = reader.0;
        ensure!(reader.byte()? == 0x60, "a type that is no function's");
        reader.bytes()?;
        reader.bytes()?;
        if start.get(..start.len() - reader.0.len()) == Some(CALLBACK_TYPE) {
            return Ok(index);
        }
    }
    bail!("no type fits the callback")
}

fn imported_functions(imports: &[u8]) -> Result<u32> {
    let mut reader = Reader(imports);
    let count = reader.number()?;
    for _ in 0..count {
        reader.bytes()?;
        reader.bytes()?;
        ensure!(reader.byte()? == 0, "the module imports something that is no function");
        reader.number()?;
    }
    Ok(count)
}

/// Has the export name another function, and gives the one that it named.
fn redirect(exports: &mut Vec<u8>, to: u32) -> Result<u32> {
    let mut reader = Reader(exports);
    let count = reader.number()?;
    let mut out = leb(count);
    let mut real = None;
    for _ in 0..count {
        let name = reader.bytes()?;
        let (kind, mut index) = (reader.byte()?, reader.number()?);
        if name == CALLBACK {
            real = Some(std::mem::replace(&mut index, to));
        }
        out.extend(leb(u32::try_from(name.len())?));
        out.extend(name);
        out.push(kind);
        out.extend(leb(index));
    }
    *exports = out;
    real.context("the module does not export the callback")
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.0.split_first().context("the module ends too early")?;
        self.0 = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<u32> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        bail!("a number of more than 32 bits")
    }

    fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = self.number()? as usize;
        let (bytes, rest) = self.0.split_at_checked(length).context("the module ends too early")?;
        self.0 = rest;
        Ok(bytes)
    }
}

/// Unsigned; also right for the signed constants here, which are below 64.
fn leb(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
