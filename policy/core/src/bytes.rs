//! Bytes compared where it is done for every request.

/// Whether both are the same, eight bytes at a time: WebAssembly has no instruction for it, and what the C library
/// does there goes from byte to byte.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    let ((a_words, a_rest), (b_words, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let word = |(a, b): (&[u8; 8], &[u8; 8])| u64::from_le_bytes(*a) == u64::from_le_bytes(*b);
    a.len() == b.len() && a_words.iter().zip(b_words).all(word) && a_rest.iter().eq(b_rest)
}

/// What comes after this start, which is compared as [`same`] does.
pub(crate) fn strip_prefix<'b>(bytes: &'b [u8], start: &[u8]) -> Option<&'b [u8]> {
    let (found, rest) = bytes.split_at_checked(start.len())?;
    same(found, start).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_makes_a_difference() {
        for length in 0..40 {
            let bytes = vec![b'a'; length];
            assert!(same(&bytes, &bytes.clone()));
            assert!(!same(&bytes, &vec![b'a'; length + 1]));
            let more = [&*bytes, b"b"].concat();
            assert_eq!(strip_prefix(&more, &bytes), Some(&b"b"[..]));
            assert_eq!(strip_prefix(&bytes, &more), None);
            for place in 0..length {
                let mut other = bytes.clone();
                other[place] = b'b';
                assert!(!same(&bytes, &other), "{length} {place}");
            }
        }
    }
}
