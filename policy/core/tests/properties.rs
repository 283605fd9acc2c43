//! What holds for every pattern and every path.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use postern_policy_core::path::{Profile, readings};
use postern_policy_core::pattern::Pattern;
use proptest::prelude::*;

/// Text with every character escaped that an expression could give a meaning; `\\<` is one with it.
fn quoted(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_ascii_punctuation() && !"<>".contains(c) { vec!['\\', c] } else { vec![c] })
        .collect()
}

/// Paths made of the pieces that servers disagree about.
fn odd_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/"),
        Just("//"),
        Just("."),
        Just(".."),
        Just("%2e"),
        Just("%2F"),
        Just("%5c"),
        Just("\\"),
        Just(";"),
        Just("%3B"),
        Just("%61"),
        Just("%"),
        Just("#"),
        Just("?"),
        Just("a"),
        Just("admin"),
        Just("%00"),
        Just("=")
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn no_text_makes_parsing_or_matching_panic(pattern in ".{0,40}", value in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            pattern.matches(&value);
        }
    }

    #[test]
    fn a_quoted_text_matches_itself_and_nothing_longer(text in "[ -~]{0,20}", more in "[ -~]{1,5}") {
        let pattern = Pattern::parse(&quoted(&text)).unwrap();
        prop_assert!(pattern.matches(text.as_bytes()));
        let longer = format!("{text}{more}");
        prop_assert!(!pattern.matches(longer.as_bytes()));
    }

    #[test]
    fn the_first_reading_is_the_target_and_none_is_there_twice(path in odd_path()) {
        let Ok(readings) = readings(path.as_bytes(), Profile::Strict) else { return Ok(()) };
        prop_assert_eq!(&*readings[0], path.as_bytes());
        for (index, reading) in readings.iter().enumerate() {
            prop_assert!(reading.starts_with(b"/"));
            prop_assert!(!readings[..index].contains(reading));
        }
    }

    /// Whatever a path is resolved to, its plainest reading is among the readings: no dot segment, no empty
    /// segment, nothing encoded that need not be.
    #[test]
    fn some_reading_is_plain(path in odd_path()) {
        let plain = |reading: &[u8]| {
            let path = reading.split(|byte| *byte == b'?').next().unwrap();
            let mut segments = path.split(|byte| *byte == b'/').skip(1).peekable();
            let mut ok = !path.iter().any(|byte| b"\\;#".contains(byte));
            while let Some(segment) = segments.next() {
                ok &= segment != b"." && segment != b".." && (!segment.is_empty() || segments.peek().is_none());
            }
            ok
        };
        let Ok(readings) = readings(path.as_bytes(), Profile::Strict) else { return Ok(()) };
        prop_assert!(readings.iter().any(|reading| plain(reading)), "{:?}", path);
    }
}
