use super::glob::Glob;
use super::*;

fn check(pattern: &str, value: &[u8], expected: bool) {
    let pattern = Pattern::parse(pattern).unwrap();
    assert_eq!(pattern.matches(value), expected, "{pattern:?} on {:?}", String::from_utf8_lossy(value));
}

#[test]
fn the_whole_value_must_match() {
    check("/public", b"/public", true);
    check("/public", b"/public/", false);
    check("/public", b"/public?x=1", false);
    check("/public", b"x/public", false);
    check("/pub.*", b"/public?x=1", true);
    check("GET|HEAD", b"GETx", false);
    check("", b"", true);
    check("", b"x", false);
}

#[test]
fn an_alternative_that_is_a_prefix_of_another_does_not_hide_it() {
    check("/a|/ab", b"/ab", true);
    check("/ab|/a", b"/a", true);
}

#[test]
fn case_counts_and_bytes_are_bytes() {
    check("/public", b"/PUBLIC", false);
    check("(?i)/public", b"/PUBLIC", true);
    check("/.*", b"/\xff\x00\n\r", true);
    check("/a.b", "/aéb".as_bytes(), false);
    check("/a..b", "/aéb".as_bytes(), true);
    check("/é", "/é".as_bytes(), true);
}

#[test]
fn an_end_anchor_does_not_see_past_a_line_feed() {
    check("/public$", b"/public\n", false);
    check("^/public$", b"/public", true);
}

#[test]
fn what_would_break_out_of_the_anchors_is_no_expression() {
    for broken in ["a)(b", "(", "[", "*", "a{2", r"\1", "(?=a)", r"\pL", r"\Qa\E"] {
        assert!(matches!(Pattern::parse(broken), Err(PatternError::Syntax(_))), "{broken}");
    }
}

#[test]
fn what_re2_reads_differently_is_refused() {
    for odd in ["[a&&b]", "[a--b]", "[a~~b]", "[[a]b]", "(?x)a b", "(?u)a", r"\<a", r"\b{start}a", "(?R)a"] {
        assert!(matches!(Pattern::parse(odd), Err(PatternError::Dialect(_))), "{odd}");
    }
    assert!(Pattern::parse("a{,3}").is_err());
    for odd in ["a{ 2 }", "a{2, 3}", "a{1001}", "a**", "a{2}{3}", r"\u0041", r"\xE9", r"[\xE9]", r"[a-\xE9]"]
    {
        assert!(matches!(Pattern::parse(odd), Err(PatternError::Dialect(_))), "{odd}");
    }
    check("a{2}?b", b"aab", true);
    check("a{0,3}", b"aaa", true);
    check("[[:alpha:]]+", b"abc", true);
}

#[test]
fn cost_is_bounded_before_anything_is_matched() {
    assert_eq!(Pattern::parse("(a{1000}){1000}"), Err(PatternError::TooLarge));
    assert!(matches!(Pattern::parse(&"a".repeat(10_000)), Err(PatternError::TooLong(10_000))));
    assert!(matches!(Pattern::parse(&"(".repeat(4_000)), Err(PatternError::Syntax(_))));
    let nested = format!("{}a{}", "(".repeat(1_000), ")".repeat(1_000));
    assert!(matches!(Pattern::parse(&nested), Err(PatternError::Syntax(_))));
}

#[test]
fn expressions_that_people_write_become_small_tables() {
    for source in [
        "/.*/svc000000-[a-z]+/.*/details",
        "/.*/svc000003-[a-z]+/.*/details",
        "/api/v[0-9]+/[^/]+/items/.*",
        "/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}/x(/.*)?",
        "/public(\\?.*)?",
        "/(a|b|z)/x(0|1).*y",
    ] {
        let automaton = Automaton::compile(source).unwrap();
        assert!(matches!(automaton, Automaton::Table(_)), "{source}: {} bytes", automaton.memory());
        assert!(automaton.memory() < 768, "{source}: {} bytes", automaton.memory());
    }
}

#[test]
fn a_table_of_many_states_matches_as_one_of_few_does() {
    // Each of the last eight bytes is remembered: 256 sets of places and more.
    let source = "(a|b)*a(a|b){8}";
    let automaton = Automaton::compile(source).unwrap();
    assert!(matches!(automaton, Automaton::Table(_)), "{} bytes", automaton.memory());
    for (value, expected) in [
        ("aabababab", true),
        ("babababab", false),
        ("bbbbbabbbbbbbb", true),
        ("bbbbbbabbbbbbbb", true),
        ("bbbbbbbabbbbbbb", false),
        ("abbbbbbbb", true),
        ("abbbbbbb", false),
        ("abbbbbbbc", false),
        ("", false),
    ] {
        assert_eq!(automaton.matches(value.as_bytes()), expected, "{value}");
    }
}

#[test]
fn texts_with_anything_between_them_need_no_automaton() {
    let check = |source: &str, matching: &[&[u8]], others: &[&[u8]]| {
        let automaton = Automaton::compile(source).unwrap();
        assert!(matches!(automaton, Automaton::Glob(_)), "{source}");
        for (values, expected) in [(matching, true), (others, false)] {
            for value in values {
                assert_eq!(automaton.matches(value), expected, "{source} on {}", value.escape_ascii());
            }
        }
    };
    check(".*", &[b"", b"/", b"\xff\n"], &[]);
    check(".+", &[b"a"], &[b""]);
    check("/a/.*", &[b"/a/", b"/a/b"], &[b"/a", b"/b/a/"]);
    check(".*/end", &[b"/end", b"/end/end"], &[b"/end/", b"/en"]);
    check("/a.+/a", &[b"/ab/a", b"/a/a/a"], &[b"/a/a", b"/a"]);
    check("a.*ab.*b", &[b"aabb", b"aabab", b"aXabYb"], &[b"aab", b"ab", b"abb"]);
    check("aba.*aba", &[b"abaaba", b"abaXaba"], &[b"ababa", b"aba"]);
    check("^/(x.*)y.*.+$", &[b"/xyz", b"/xyyz"], &[b"/xy", b"/y"]);
}

/// The text that an expression begins with is not parsed; what comes of it is the same.
#[test]
fn a_text_in_front_changes_nothing() {
    let texts = ["", "/", "/a", "/api/v1", "/a-b_c~d"];
    let rests = [
        "", ".*", "*", "+", "?x", "{2}", "{2,}", "|/b", "(b|c)", "(?i)B", "(?i:B)c", "^", "$", r"\b", r"\.",
        "[/a]+x|", "é", "!", "a|b", "(", ")", "{", "**", "[", "$|^", "(?:a|)?",
    ];
    for source in texts.iter().flat_map(|text| rests.iter().map(move |rest| format!("{text}{rest}"))) {
        let whole = regex_syntax::ParserBuilder::new()
            .utf8(false)
            .unicode(false)
            .dot_matches_new_line(true)
            .nest_limit(NEST_LIMIT)
            .build()
            .parse(&source);
        match (parse_checked(&source), whole) {
            (Ok(hir), Ok(whole)) => {
                assert_eq!(hir, whole, "{source}");
                if let Shape::Open(open) = Pattern::parse(&source).unwrap().shape() {
                    assert!(source.is_char_boundary(open.verbatim), "{source}");
                }
            }
            (Err(PatternError::Syntax(_)), Err(_)) | (Err(PatternError::Dialect(_)), _) => {}
            (ours, theirs) => panic!("{source}: {ours:?}, {theirs:?}"),
        }
    }
}

/// What is known of texts with `.*` between them without parsing is what parsing says.
#[test]
fn texts_are_known_without_being_parsed() {
    for source in
        [".*", "/a.*", ".*/a", "/a.*b", "/a.*.*b", ".*a.*b.*", ".*.*", "/tenants/.*/svc1/.*/", "a.*b.*c"]
    {
        assert_eq!(Glob::of_texts(source), Glob::of(&parse_checked(source).unwrap()), "{source}");
        assert!(Glob::of_texts(source).is_some(), "{source}");
    }
    for source in
        ["/a", "a.b.*", "(.*)", ".*?", ".**", ".*+", ".*{2}", "^.*", ".*$", "a|.*", "[.*]", "\\.*", "..*"]
    {
        assert_eq!(Glob::of_texts(source), None, "{source}");
    }
}
