//! Vectors: the ways of writing a path that have been used to get around a rule on it.

use std::collections::BTreeSet;

/// What stands between `public` and `admin`: a way up.
const UP: [&str; 34] = [
    "..",
    "%2e%2e",
    "%2E%2E",
    ".%2e",
    "%2E.",
    "%252e%252e",
    "%25252e%25252e",
    ".%%32%65",
    "%%32e%%32e",
    "..;",
    "..;a=b",
    ".;/..",
    "%2e%2e;",
    "..%3b",
    "..%3Bx",
    "..%253b",
    ".%3b/..",
    "..%00",
    ".%00.",
    "..%20",
    "..%09",
    "..%0d%0a",
    "..\t",
    ".\t.",
    "...",
    "....",
    "..%c0%ae",
    "%c0%ae%c0%ae",
    "%u002e%u002e",
    "..#",
    "..%23",
    "..%3f",
    "./..",
    "%2e/%2e%2e",
];
/// What stands between segments.
const BETWEEN: [&str; 18] = [
    "/", "//", "///", "%2f", "%2F", "%5c", "%5C", "\\", "\\\\", "%252f", "%252F", "%255c", "%c0%af",
    "%u2215", "/./", "/%2e/", "/;/", "/;a=b/",
];
/// What stands before a path.
const BEFORE: [&str; 21] = [
    "",
    "/",
    "//",
    "/.",
    "/./",
    "/%2e",
    "/;",
    "/;x=/",
    "//host",
    "///host",
    "////host",
    "/\\host",
    "\\\\host",
    "\\host",
    "/%2f",
    "/%2fhost",
    "/%5chost",
    "/%2f%2fhost",
    "http://host",
    "HTTP:\\\\host",
    "host",
];
/// What stands behind one.
const BEHIND: [&str; 44] = [
    "",
    "/",
    "//",
    "/.",
    "/..",
    "/./",
    "/x/..",
    "/x/../",
    ";",
    ";a=b",
    ";.html",
    ";/public",
    "/;",
    "%3b.html",
    "%3B",
    "%253b.html",
    "#",
    "#.html",
    "#/public",
    "#/../public",
    "%23.html",
    "%2523.html",
    "%3f.html",
    "%3F",
    "%253f",
    "?.html",
    "?/../public",
    "/?",
    ".",
    "..",
    "./",
    "%2e",
    "%20",
    "%20/",
    ".%20.",
    "%09",
    "%00",
    "%00.html",
    "%0a",
    "%0d%0a",
    "%2f",
    "%5c",
    "\\",
    "%",
];
/// Other spellings of a name.
const NAMES: [&str; 18] = [
    "admin",
    "%61dmin",
    "%41dmin",
    "a%64min",
    "admi%6e",
    "admi%6E",
    "%61%64%6d%69%6e",
    "%2561dmin",
    "%25%36%31dmin",
    "%%36%31dmin",
    "%u0061dmin",
    "%c1%a1dmin",
    "adm%69n%2e",
    "a%64min;x",
    "ADMIN",
    "ad%00min",
    "ad%0amin",
    "ad\tmin",
];
/// What may stand in a path both encoded and not.
const REACHED: [&str; 12] = [
    "/v1/x%3Adelete",
    "/v1/x%3adelete",
    "/v1/x%40y",
    "/users(%27a%27)",
    "/users%28%27a%27%29",
    "/a%21",
    "/a%2Bb",
    "/a%2cb%3Dc",
    "/a%26b",
    "/a%24b",
    "/v1/x%253Adelete",
    "/~%7Ea",
];

/// Every vector, once.
pub(crate) fn all() -> Vec<String> {
    let mut all = BTreeSet::new();
    for up in UP {
        for between in BETWEEN {
            all.insert(format!("/public{between}{up}{between}admin"));
            all.insert(format!("/public/{up}{between}admin"));
            all.insert(format!("/public{between}{up}/admin"));
            all.insert(format!("/public/x{between}y/{up}/..{between}admin"));
            all.insert(format!("/public/{up}{between}..{between}admin"));
            all.insert(format!("/x{between}{up}/public"));
        }
    }
    for before in BEFORE {
        for behind in BEHIND {
            all.insert(format!("{before}/admin{behind}"));
            all.insert(format!("{before}/public/../admin{behind}"));
        }
        for name in NAMES {
            all.insert(format!("{before}/{name}"));
            all.insert(format!("{before}/public/%2e%2e/{name}"));
        }
    }
    for name in NAMES {
        all.extend(BEHIND.map(|behind| format!("/{name}{behind}")));
        all.extend(BETWEEN.map(|between| format!("/public/..{between}{name}")));
    }
    all.extend(REACHED.map(str::to_owned));
    all.into_iter().filter(|vector| !vector.is_empty()).collect()
}
