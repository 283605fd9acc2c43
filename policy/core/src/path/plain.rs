//! Plain paths: those that nothing needs to be done with. Nearly every request has one, and every request is asked.

use super::split_query;
use super::step::{is_blank, unescape};

/// As many bytes as the vectors of every machine hold.
const BLOCK: usize = 16;

/// Whether blocks are looked at as a whole: where there are no vectors, a table is faster.
const VECTORS: bool = cfg!(any(target_feature = "sse2", target_feature = "neon", target_feature = "simd128"));

/// Whether the path of a target holds nothing that any step would touch: one pass, and nothing is allocated.
pub(super) fn is_plain(target: &[u8]) -> bool {
    // A target that does not begin with a slash is `*` or an authority, or it is odd.
    if target.first() != Some(&b'/') {
        let (path, _) = split_query(target);
        return !path.iter().any(|byte| b"/\\%#;".contains(byte) || is_blank(*byte));
    }
    if !VECTORS {
        return is_plain_after(0, target);
    }
    let (mut previous, mut rest) = (0, target);
    while let Some((block, after)) = rest.split_first_chunk::<BLOCK>() {
        if !is_plain_block(previous, block) {
            return is_plain_after(previous, rest);
        }
        (previous, rest) = (block[BLOCK - 1], after);
    }
    // The last bytes once more, with as many before them as make a block.
    match target.split_last_chunk::<BLOCK>() {
        Some((before, block)) if is_plain_block(before.last().copied().unwrap_or(0), block) => {
            target.last() != Some(&b'.')
        }
        _ => is_plain_after(previous, rest),
    }
}

/// Whether there is nothing odd in a block, nor where it begins. Not a branch in it: compilers make it a few
/// instructions for all bytes at once.
fn is_plain_block(previous: u8, block: &[u8; BLOCK]) -> bool {
    let before = (u128::from_le_bytes(*block) << 8 | u128::from(previous)).to_le_bytes();
    let mut odd = false;
    for (byte, before) in block.iter().zip(before) {
        let (is, was) = (|wanted| *byte == wanted, |wanted| before == wanted);
        odd |= is(b'%') | is(b'\\') | is(b';') | is(b'#') | is(b'?') | (*byte <= b' ') | is(0x7f);
        odd |= (was(b'/') & (is(b'/') | is(b'.'))) | (was(b'.') & is(b'/'));
    }
    !odd
}

/// The bytes of a path that no step looks at, wherever they stand.
const ORDINARY: [bool; 256] = {
    let mut ordinary = [false; 256];
    let mut rest: &mut [bool] = &mut ordinary;
    let mut byte = 0_u8;
    while let Some((place, after)) = rest.split_first_mut() {
        *place = !matches!(byte, b'/' | b'.' | b'%' | b'\\' | b';' | b'#' | b'?') && !is_blank(byte);
        byte = byte.wrapping_add(1);
        rest = after;
    }
    ordinary
};

/// The same of what is left of a target, behind a byte of it; nearly every byte is one look at a table.
fn is_plain_after(mut previous: u8, mut rest: &[u8]) -> bool {
    while let [byte, after @ ..] = rest {
        let byte = *byte;
        rest = after;
        if ORDINARY.get(usize::from(byte)) != Some(&true) {
            let plain = match byte {
                b'?' => break,
                b'/' => previous != b'/' && previous != b'.',
                b'.' => previous != b'/',
                // Bytes from 0x80 on are text in another alphabet, which no step undoes; 0xc0 and 0xc1 are not.
                b'%' => unescape(rest).is_some_and(|value| value >= 0x80 && !matches!(value, 0xc0 | 0xc1)),
                _ => false,
            };
            if !plain {
                return false;
            }
        }
        previous = byte;
    }
    previous != b'.'
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every odd thing at every place of paths of every length up to four blocks is what the table says.
    #[test]
    fn blocks_say_what_the_table_says() {
        let odd: [&[u8]; 14] = [
            b"", b"//", b"/.", b"./", b".", b"%2e", b"%e3", b"\\", b";", b"#", b"?//", b" ", b"\x7f", b"\x80",
        ];
        for length in 0..4 * BLOCK {
            for odd in odd {
                for place in 0..=length {
                    let mut path = vec![b'a'; length];
                    path.splice(place..place, odd.iter().copied());
                    path.insert(0, b'/');
                    assert_eq!(is_plain(&path), is_plain_after(0, &path), "{}", path.escape_ascii());
                }
            }
        }
    }
}
