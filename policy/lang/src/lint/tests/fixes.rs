//! Fixes: what is written, and what is left alone.

use super::http;
use crate::lint::{Levels, Unfixable, fix};
use crate::source::SourceFile;

fn fixed(text: &str) -> crate::lint::Fixed {
    fix(&SourceFile { name: "p".to_owned(), text: text.to_owned() }, &Levels::default())
}

#[track_caller]
fn check(rule: &str, expected: &str) {
    let (before, after) = (http(rule), http(expected));
    let fixed = fixed(&before);
    assert_eq!(fixed.text, after);
    assert_eq!(fixed.refused, []);
    assert_eq!(fixed.applied.is_empty(), before == after);
}

#[test]
fn values_keep_their_quotes() {
    check("{host: example.com}", r"{host: example\.com}");
    check("{host: 'example.com'}", r"{host: 'example\.com'}");
    check(r#"{host: "example.com\\.de"}"#, r#"{host: "example\\.com\\.de"}"#);
    check("{method: get}", "{method: GET}");
    check("{method: \"GET|post\"}", "{method: \"GET|POST\"}");
    check("{method: '(get|put)'}", "{method: '(GET|PUT)'}");
    check("{path: ^/a$}", "{path: /a}");
}

#[test]
fn several_things_in_one_value_and_several_values() {
    check("{host: 'www.example.com'}", r"{host: 'www\.example\.com'}");
    check("{path: '^/a.html$'}", r"{path: '/a\.html'}");
    check(
        "{method: get, path: /v1.2, host: a.b}, {path: /x.y}",
        r"{method: GET, path: /v1\.2, host: a\.b}, {path: /x\.y}",
    );
}

#[test]
fn what_is_not_certain_stays() {
    for rule in ["{path: public}", "{method: DELTE}", "{path: /a}", "{method: 'get|P.*t'}"] {
        let fixed = fixed(&http(rule));
        assert!(!fixed.text.contains("PUBLIC") && !fixed.text.contains("DELETE"), "{}", fixed.text);
    }
    check("{path: /a}", "{path: /a}");
}

#[test]
fn comments_and_everything_else_stay() {
    let policy = http("{host: example.com}");
    let text =
        format!("# è un commento: example.com\n{}   # example.com stays\n\n# the end\n", policy.trim_end());
    assert_eq!(fixed(&text).text, text.replace("{host: example.com}", r"{host: example\.com}"));
}

#[test]
fn a_value_that_is_used_twice_or_not_on_one_line_is_left() {
    let aliased = http("{host: &h example.com}, {path: /a, host: *h}");
    let left = fixed(&aliased);
    assert_eq!(left.text, aliased);
    assert!(left.refused.iter().all(|(_, _, why)| matches!(why, Unfixable::Meaning | Unfixable::Form)));
    assert_eq!(left.refused.len(), 2);
    let escaped = http(r#"{host: "example\x2ecom"}"#);
    let left = fixed(&escaped);
    assert_eq!(left.text, escaped);
    assert_eq!(left.refused.iter().map(|(_, _, why)| *why).collect::<Vec<_>>(), [Unfixable::Form]);
    // What can be fixed beside it is.
    let both = http(r#"{host: "example\x2ecom"}, {path: /a.b}"#);
    assert_eq!(fixed(&both).text, both.replace("/a.b", r"/a\.b"));
}

#[test]
fn a_file_with_errors_is_left() {
    let text = format!("{}---\nkind: CiliumNetworkPolicy\n", http("{host: example.com}"));
    assert_eq!(fixed(&text).text, text);
}
