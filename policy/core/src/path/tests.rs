use super::*;

fn found(target: &str) -> Vec<String> {
    let readings =
        readings(target.as_bytes(), Profile::Strict).unwrap_or_else(|error| panic!("{target}: {error}"));
    let mut found: Vec<String> =
        readings.iter().map(|reading| String::from_utf8_lossy(reading).into_owned()).collect();
    assert_eq!(found.remove(0), target);
    found.sort();
    found
}

/// Every reading in `expected` is found, and nothing else but the target itself.
fn check(target: &str, expected: &[&str]) {
    let mut expected: Vec<String> = expected.iter().map(|s| (*s).to_owned()).collect();
    expected.sort();
    assert_eq!(found(target), expected, "{target}");
}

/// A server that reads the target so is accounted for.
fn may_be(target: &str, reading: &str) {
    assert!(
        found(target).iter().any(|found| found == reading),
        "{target} is never {reading}: {:?}",
        found(target)
    );
}

#[test]
fn a_plain_path_has_one_reading() {
    let plain = [
        "/",
        "/public",
        "/v1.2/a-b_c~d",
        "/a?x=/../%2e//;",
        "*",
        "",
        "example.com:443",
        "/a/b/",
        "/%E3%81%82",
    ];
    for plain in plain {
        check(plain, &[]);
    }
    check("/.hidden", &[]);
    check("/%20", &[]);
    check("/%zz%4", &[]);
}

#[test]
fn dot_segments() {
    check("/a/../b", &["/b"]);
    check("/a/./b", &["/a/b"]);
    check("/a/..", &["/"]);
    check("/../a?q=/..", &["/a?q=/.."]);
}

#[test]
fn slashes() {
    check("/a///b/", &["/a/b/"]);
    check("/a\\b", &["/a/b"]);
    may_be("\\\\a\\b", "/a/b");
    may_be("//a/../b", "/b");
    may_be("//a/../b", "//b");
    may_be("//host/admin", "/admin");
}

#[test]
fn encodings() {
    check("/%61", &["/a"]);
    check("/a%2fb", &["/a/b"]);
    check("/a/%2e%2E/b", &["/a/../b", "/b"]);
    may_be("/x/%252e%252e/admin", "/admin");
    may_be("/x/%252e%252e%252fadmin", "/admin");
    may_be("/x/.%%32%65/admin", "/admin");
}

#[test]
fn parameters_and_fragments() {
    check("/a;v=1/b", &["/a/b"]);
    check("/a/..;/b", &["/a/../b", "/b"]);
    may_be("/a#/../b", "/b");
    may_be("/a#/../b", "/a");
    may_be("/admin%3F.html", "/admin");
    may_be("/admin%23.html", "/admin");
}

#[test]
fn steps_are_taken_in_every_order() {
    may_be("/x/a%2Fb/../..%2Fadmin", "/admin");
    may_be("/x/y;%2Fpub/..%2F..%2Fadmin", "/admin");
    may_be("/x/a\\b/../..\\admin", "/admin");
    may_be("/a//../b//c", "/a/b/c");
    may_be("/a//../b//c", "/b/c");
}

#[test]
fn what_cannot_be_gone_through_has_no_readings() {
    for (target, why) in [
        ("/admin%00.html", Unreadable::Zero),
        ("/x/%c0%ae%c0%ae/admin", Unreadable::Overlong),
        ("/x/%u002e%u002e/admin", Unreadable::Utf16),
        ("/x/..%20/admin", Unreadable::BlankDots),
        ("/x/%2e.%09/admin", Unreadable::BlankDots),
        ("/x/..%00/admin", Unreadable::Zero),
        ("/x/%25%30%30", Unreadable::Zero),
    ] {
        assert_eq!(readings(target.as_bytes(), Profile::Strict), Err(why), "{target}");
    }
    let long = format!("/{}", "%2e%2e;a\\b//".repeat(400));
    assert_eq!(readings(long.as_bytes(), Profile::Strict), Err(Unreadable::TooLong));
    let many = "/%252e%252e;a\\b//./%2fc%3bd%5ce//../f#%23".repeat(3);
    assert_eq!(readings(many.as_bytes(), Profile::Strict), Err(Unreadable::TooMany));
}
