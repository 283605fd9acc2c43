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
        ("/x/.\t./admin", Unreadable::Blank),
        ("/x y", Unreadable::Blank),
        ("/x\0", Unreadable::Blank),
    ] {
        assert_eq!(readings(target.as_bytes(), Profile::Strict), Err(why), "{target}");
    }
    let long = format!("/{}", "%2e%2e;a\\b//".repeat(400));
    assert_eq!(readings(long.as_bytes(), Profile::Strict), Err(Unreadable::TooLong));
    let many = "/%252e%252e;a\\b//./%2fc%3bd%5ce//../f#%23".repeat(3);
    assert_eq!(readings(many.as_bytes(), Profile::Strict), Err(Unreadable::TooMany));
}

/// Found by the models of servers in `tests/backends`.
#[test]
fn what_some_server_was_found_to_do() {
    check("/v1/x%3Adelete", &["/v1/x:delete"]);
    may_be("/v1/x%253Adelete", "/v1/x:delete");
    may_be("///host/admin", "/admin");
    may_be("/\\host/admin", "/admin");
    may_be("http://host/public/../admin", "/admin");
    check("public/x", &["/public/x"]);
    check("/admin.", &["/admin"]);
    check("/admin%20.%20/x", &["/admin/x"]);
    may_be("/admin%2e%20", "/admin");
    check("/...", &[]);
}

#[test]
fn a_profile_follows_what_its_servers_do() {
    let count = |target: &str, profile| readings(target.as_bytes(), profile).map(|readings| readings.len());
    for (target, strict, envoy) in [
        ("/a", Ok(1), Ok(1)),
        ("/a/../b", Ok(2), Ok(2)),
        ("/a;v=1", Ok(2), Ok(1)),
        ("/a.", Ok(2), Ok(1)),
        ("/a%25", Ok(2), Ok(1)),
        ("/a%252fb", Ok(3), Ok(1)),
        ("/a\\b", Ok(2), Ok(2)),
        ("/a/%u002e", Err(Unreadable::Utf16), Ok(1)),
        ("/a%00", Err(Unreadable::Zero), Err(Unreadable::Zero)),
    ] {
        assert_eq!(count(target, Profile::Strict), strict, "{target}");
        assert_eq!(count(target, Profile::Envoy), envoy, "{target}");
        assert_eq!(count(target, Profile::Raw), Ok(1), "{target}");
    }
}

/// Whoever asks only whether a path is plain is told the same, and a plain path is never refused for its length.
#[test]
fn plain_is_what_has_one_reading_whatever_is_followed() {
    for plain in ["/", "/a/b.c/d-e", "/a?x=/../%2e//;#", "*", "host:443", "/%E3%81%82"] {
        assert!(is_plain(plain.as_bytes(), Profile::Strict), "{plain}");
        check(plain, &[]);
    }
    for odd in
        ["/a./b", "/a.", "/a b", "//", "/.a", "/a;", "/a#", "/a\\b", "/%20", "/%8?0", "/a.?x", "a/b", "\\a"]
    {
        assert!(!is_plain(odd.as_bytes(), Profile::Strict), "{odd}");
        assert!(is_plain(odd.as_bytes(), Profile::Raw), "{odd}");
    }
    let long = format!("/{}", "a".repeat(100_000));
    assert_eq!(readings(long.as_bytes(), Profile::Strict).map(|readings| readings.len()), Ok(1));
}
