//! Header lists as the ABI carries them.

use crate::abi::Status;

/// An ordered list of headers, pseudo-headers included; names and values are bytes and may repeat.
///
/// Kept in the layout in which the guest reads a whole map (sizes apart, then `name NUL value NUL …`), so that showing
/// it costs two copies, and reusable: [`clear`](Self::clear) keeps the memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    sizes: Vec<(usize, usize)>,
    data: Vec<u8>,
}

impl Headers {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Removes every header.
    pub fn clear(&mut self) {
        self.sizes.clear();
        self.data.clear();
    }

    /// Appends a header.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.sizes.push((name.len(), value.len()));
        for part in [name, value] {
            self.data.extend_from_slice(part);
            self.data.push(0);
        }
    }

    /// How many headers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sizes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sizes.is_empty()
    }

    /// Every name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut data = self.data.as_slice();
        self.sizes.iter().map_while(move |&(name, value)| {
            let (name, rest) = data.split_at_checked(name)?;
            let (value, rest) = rest.get(1..)?.split_at_checked(value)?;
            data = rest.get(1..)?;
            Some((name, value))
        })
    }

    /// The first value of a name, in any case.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Gives a name this one value: in the place of its first, or at the end.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        let mut to = Self::new();
        let mut placed = false;
        for (n, v) in self.iter() {
            if !n.eq_ignore_ascii_case(name) {
                to.push(n, v);
            } else if !placed {
                to.push(n, value);
                placed = true;
            }
        }
        if !placed {
            to.push(name, value);
        }
        *self = to;
    }

    /// Removes every value of a name.
    pub fn remove(&mut self, name: &[u8]) {
        let mut to = Self::new();
        for (n, v) in self.iter().filter(|(n, _)| !n.eq_ignore_ascii_case(name)) {
            to.push(n, v);
        }
        *self = to;
    }

    /// The size of the serialised list.
    pub(crate) fn serialised_len(&self) -> usize {
        4 + 8 * self.sizes.len() + self.data.len()
    }

    /// Appends the serialised list: count, sizes, data.
    pub(crate) fn serialise(&self, out: &mut Vec<u8>) -> Result<(), Status> {
        let word =
            |n: usize| u32::try_from(n).map(u32::to_le_bytes).map_err(|_| Status::SerializationFailure);
        out.reserve(self.serialised_len());
        out.extend_from_slice(&word(self.sizes.len())?);
        for &(name, value) in &self.sizes {
            out.extend_from_slice(&word(name)?);
            out.extend_from_slice(&word(value)?);
        }
        out.extend_from_slice(&self.data);
        Ok(())
    }

    /// Reads what a guest serialised. Nothing at all is the empty list; bytes left over are an error.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Status> {
        if bytes.is_empty() {
            return Ok(Self::new());
        }
        let mut reader = Reader(bytes);
        let count = reader.word()?;
        // Checked against what is there before anything is allocated for it.
        let (sizes, data) = count
            .checked_mul(8)
            .and_then(|len| reader.0.split_at_checked(len))
            .ok_or(Status::ParseFailure)?;
        let mut sizes = Reader(sizes);
        let mut data = Reader(data);
        let mut headers = Self::new();
        for _ in 0..count {
            let (name, value) = (sizes.word()?, sizes.word()?);
            headers.push(data.terminated(name)?, data.terminated(value)?);
        }
        if data.0.is_empty() { Ok(headers) } else { Err(Status::ParseFailure) }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn word(&mut self) -> Result<usize, Status> {
        let (word, rest) = self.0.split_first_chunk().ok_or(Status::ParseFailure)?;
        self.0 = rest;
        Ok(u32::from_le_bytes(*word) as usize)
    }

    fn terminated(&mut self, len: usize) -> Result<&'a [u8], Status> {
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(Status::ParseFailure)?;
        let (0, rest) = rest.split_first().map(|(b, r)| (*b, r)).ok_or(Status::ParseFailure)? else {
            return Err(Status::ParseFailure);
        };
        self.0 = rest;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(of: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in of {
            headers.push(name.as_bytes(), value.as_bytes());
        }
        headers
    }

    #[test]
    fn survives_serialisation_with_any_byte() {
        let mut headers = list(&[(":path", "/a"), ("empty", "")]);
        headers.push(b"x", &(0..=255).collect::<Vec<u8>>());
        let mut bytes = Vec::new();
        headers.serialise(&mut bytes).unwrap();
        assert_eq!(bytes.len(), headers.serialised_len());
        assert_eq!(Headers::parse(&bytes), Ok(headers));
    }

    #[test]
    fn no_prefix_of_a_list_parses() {
        let mut bytes = Vec::new();
        list(&[("a", "b"), ("c", "")]).serialise(&mut bytes).unwrap();
        for end in 1..bytes.len() {
            assert_eq!(Headers::parse(&bytes[..end]), Err(Status::ParseFailure), "{end}");
        }
        bytes.push(0);
        assert_eq!(Headers::parse(&bytes), Err(Status::ParseFailure));
        assert_eq!(Headers::parse(&[0xff; 16]), Err(Status::ParseFailure));
    }

    #[test]
    fn edits_ignore_case_and_keep_order() {
        let mut headers = list(&[("a", "1"), ("B", "2"), ("b", "3"), ("c", "4")]);
        assert_eq!(headers.get(b"b"), Some(&b"2"[..]));
        headers.set(b"b", b"9");
        assert_eq!(headers, list(&[("a", "1"), ("B", "9"), ("c", "4")]));
        headers.remove(b"A");
        headers.set(b"d", b"");
        assert_eq!(headers, list(&[("B", "9"), ("c", "4"), ("d", "")]));
    }
}
