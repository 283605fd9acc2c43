use super::{Kind, tokens};

/// The words and texts of `source`, texts in quotes.
fn words(source: &str) -> Vec<String> {
    let shown = tokens(source).into_iter().filter_map(|token| match token.kind {
        Kind::Word(word) => Some(word.to_owned()),
        Kind::Text(text) => Some(format!("\"{text}\"")),
        Kind::Punct(_) => None,
    });
    shown.collect()
}

#[test]
fn comments_are_no_code() {
    assert_eq!(words("a // todo!()\nb /* x /* nested */ y */ c /// mod d;\n"), ["a", "b", "c"]);
}

#[test]
fn strings_are_one_token() {
    assert_eq!(words(r#"x("say \"mod a;\" \\", y)"#), ["x", r#""say \"mod a;\" \\""#, "y"]);
    assert_eq!(
        words("r#\"a \"quoted\" }\"# + br\"b\" + b\"c\" + r#type"),
        ["\"a \"quoted\" }\"", "\"b\"", "\"c\"", "r", "type"]
    );
}

#[test]
fn quotes_are_told_from_lifetimes() {
    assert_eq!(words("&'a str, '\"', b'{', '\\'', '\\u{1F600}', 'x' end"), ["a", "str", "end"]);
}

#[test]
fn lines_are_counted_through_everything() {
    let source = "one\n/* two\n */ three \"four\n\" five";
    let lines: Vec<usize> = tokens(source).iter().map(|token| token.line).collect();
    assert_eq!(lines, [1, 3, 3, 4]);
}

#[test]
fn what_is_cut_short_ends_at_the_end() {
    for source in ["\"abc", "/* abc", "r#\"abc", "'", "'\\", "b'"] {
        tokens(source);
    }
}
