//! Input that nobody writes by accident, each with a name.

/// Every input, of about the size that is asked for: 1 is what the bounds are promised for.
pub fn all(scale: usize) -> Vec<(&'static str, String)> {
    let million = 1_000_000 / scale;
    let many = 100_000 / scale;
    vec![
        ("1 MB of random bytes", String::from_utf8_lossy(&random(million)).into_owned()),
        ("1 MB of random YAML characters", random_text(million)),
        ("100,000 flow sequences", "[".repeat(many)),
        ("100,000 flow mappings", "{a: ".repeat(many)),
        ("100,000 block sequences on one line", "- ".repeat(many)),
        // As long as the lines get: their indentation is square in their number.
        ("4,000 block mappings", (0..4_000 / scale).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect()),
        ("100,000 block mappings on one line", "? ".repeat(many)),
        ("10 MB of [", "[".repeat(10 * million)),
        ("10 MB of closed brackets", "[],".repeat(10 * million / 3)),
        ("a bomb of aliases, wide", aliases(10, 12)),
        ("a bomb of aliases, deep", aliases(2, 60)),
        ("100,000 aliases of one large list", large_alias(many)),
        ("a key of 1 MB", format!("{}: 1\n", "k".repeat(million))),
        ("a key of 1 MB in a policy", with_spec(&format!("{{{}: 1}}", "k".repeat(million)))),
        ("100,000 unknown keys", with_spec(&format!("{{{}}}", keys(many)))),
        ("an expression of 10 MB", with_http(&format!("{{path: \"{}\"}}", "(a|b)".repeat(2 * million)))),
        ("an expression of 10 MB, plain", with_http(&format!("{{path: \"{}\"}}", "a".repeat(10 * million)))),
        ("an expression that would be huge", with_http("{path: \"((a{100}){100}){100}\"}")),
        ("an expression of nested groups", with_http(&format!("{{path: \"{}\"}}", "(".repeat(many)))),
        ("100,000 rules", with_ingress(&repeat(many, |n| format!("{{fromEndpoints: [{{matchLabels: {{id: a{n}}}}}]}}")))),
        ("100,000 HTTP rules", with_http(&repeat(many, |n| format!("{{path: /a{n}}}")))),
        ("100,000 HTTP rules, expressions", with_http(&repeat(many, |n| format!("{{path: \"/a{n}/[a-z]+\"}}")))),
        ("100,000 HTTP rules, wrong", with_http(&repeat(many, |_| "{path: 1}".to_owned()))),
        ("100,000 documents", "{}\n---\n".repeat(many)),
        ("100,000 policies", (0..many).map(small_policy).collect()),
    ]
}

fn repeat(times: usize, of: impl Fn(usize) -> String) -> String {
    (0..times).map(of).collect::<Vec<_>>().join(", ")
}

/// xorshift: the same bytes every time.
fn random(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

fn random_text(length: usize) -> String {
    let letters = b"ab01:-,[]{}&*#?|>!%@'\" \n  \n";
    random(length).iter().map(|byte| char::from(letters[usize::from(*byte) % letters.len()])).collect()
}

fn aliases(width: usize, levels: usize) -> String {
    let mut text = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..levels {
        let aliases = vec![format!("*a{}", level - 1); width].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    text
}

fn large_alias(many: usize) -> String {
    let list = vec!["x"; 1_000].join(", ");
    format!("a: &a [{list}]\nb: [{}]\n", vec!["*a"; many].join(", "))
}

fn keys(many: usize) -> String {
    repeat(many, |n| format!("key{n}: 1"))
}

fn with_spec(spec: &str) -> String {
    format!("apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: p}}\nspec: {spec}\n")
}

fn with_ingress(items: &str) -> String {
    with_spec(&format!("{{endpointSelector: {{}}, ingress: [{items}]}}"))
}

fn with_http(rules: &str) -> String {
    with_ingress(&format!(
        "{{toPorts: [{{ports: [{{port: \"80\", protocol: TCP}}], rules: {{http: [{rules}]}}}}]}}"
    ))
}

fn small_policy(number: usize) -> String {
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p{number}}}\nspec: {{podSelector: {{}}}}\n"
    )
}
