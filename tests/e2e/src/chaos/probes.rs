//! Requests that nobody sends by accident.

use postern_tests_harness::raw::Headers;

/// What may become of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Policy denies it, or it is no request: it must not arrive.
    Deny,
    /// Policy allows it, if it is a request: it may arrive.
    May,
}

impl Mark {
    /// The header field that it carries, first of all.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Mark::Deny => "x-probe: deny",
            Mark::May => "x-probe: may",
        }
    }
}

/// A request in pieces, any of which may be of any bytes.
#[derive(Debug, Clone)]
pub struct Probe {
    /// What is odd about it.
    pub what: String,
    /// What may become of it.
    pub mark: Mark,
    /// `:method`.
    pub method: Vec<u8>,
    /// `:path`.
    pub path: Vec<u8>,
    /// `:authority`, or `host`.
    pub authority: Vec<u8>,
    /// The other fields.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Probe {
    fn new(what: &str, mark: Mark, path: &str) -> Probe {
        Probe {
            what: what.to_owned(),
            mark,
            method: b"GET".to_vec(),
            path: path.into(),
            authority: b"app1".to_vec(),
            fields: Vec::new(),
        }
    }

    /// On the wire of HTTP/1.1, on a connection of its own.
    #[must_use]
    pub fn http1(&self) -> Vec<u8> {
        let mut bytes =
            [&self.method, &b" "[..], &self.path, b" HTTP/1.1\r\n", self.mark.field().as_bytes()].concat();
        bytes.extend([b"\r\nhost: ", &self.authority[..], b"\r\nconnection: close\r\n"].concat());
        for (name, value) in &self.fields {
            bytes.extend([name, &b": "[..], value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes
    }

    /// The fields of HTTP/2, in order.
    #[must_use]
    pub fn http2(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let (name, value) = self.mark.field().split_once(": ").unwrap_or_default();
        let pseudo: [(&[u8], &[u8]); 5] = [
            (b":method", &self.method),
            (b":scheme", b"http"),
            (b":authority", &self.authority),
            (b":path", &self.path),
            (name.as_bytes(), value.as_bytes()),
        ];
        let pseudo = pseudo.iter().map(|(name, value)| (name.to_vec(), value.to_vec()));
        pseudo.chain(self.fields.iter().cloned()).collect()
    }
}

/// Every byte, in every place of a head that has bytes. `/public` may be read, `/private` not.
#[must_use]
pub fn bytes_everywhere() -> Vec<Probe> {
    (0..=255).flat_map(of_byte).collect()
}

fn of_byte(byte: u8) -> Vec<Probe> {
    let with = |before: &str, after: &str| [before.as_bytes(), &[byte], after.as_bytes()].concat();
    let mut probes = Vec::new();
    let mut add = |what: &str, mark, path: &str, change: &dyn Fn(&mut Probe)| {
        let mut probe = Probe::new(&format!("byte {byte:#04x} in {what}"), mark, path);
        change(&mut probe);
        probes.push(probe);
    };
    add("the method", Mark::Deny, "/public", &|probe| probe.method = with("G", "ET"));
    add("the path", Mark::Deny, "", &|probe| probe.path = with("/publ", "ic"));
    add("the end of a denied path", Mark::Deny, "", &|probe| probe.path = with("/private", ""));
    // Read as `/public` it may pass: the upstream's side of it is checked.
    add("the end of an allowed path", Mark::May, "", &|probe| probe.path = with("/public", ""));
    for (mark, path) in [(Mark::Deny, "/private"), (Mark::May, "/public")] {
        add("the authority", mark, path, &|probe| probe.authority = with("ap", "p1"));
        add("a name", mark, path, &|probe| probe.fields = vec![(with("x-o", "dd"), b"1".to_vec())]);
        add("a value", mark, path, &|probe| probe.fields = vec![(b"x-odd".to_vec(), with("a", "c"))]);
    }
    probes
}

/// Heads that are too large, too long, or have too many fields.
#[must_use]
pub fn sizes() -> Vec<Probe> {
    let mut probes = Vec::new();
    let many =
        |count: usize| -> Headers { (0..count).map(|index| (format!("x-{index}"), b"v".to_vec())).collect() };
    for (mark, path) in [(Mark::Deny, "/private"), (Mark::May, "/public")] {
        for length in [8 << 10, 60 << 10, 64 << 10, 128 << 10, 1 << 20] {
            let mut value = Probe::new(&format!("a value of {length} bytes"), mark, path);
            value.fields.push((b"x-long".to_vec(), vec![b'v'; length]));
            let mut name = Probe::new(&format!("a name of {length} bytes"), mark, path);
            name.fields.push((vec![b'n'; length], b"v".to_vec()));
            let mut authority = Probe::new(&format!("an authority of {length} bytes"), mark, path);
            authority.authority = vec![b'a'; length];
            // Longer than what policy allows, whatever it begins with.
            let mut target = Probe::new(&format!("a path of {length} bytes"), Mark::Deny, path);
            target.path.extend(vec![b'p'; length]);
            probes.extend([value, name, authority, target]);
        }
        for count in [90, 110, 1_000, 10_000] {
            let mut probe = Probe::new(&format!("{count} fields"), mark, path);
            probe.fields = many(count).into_iter().map(|(name, value)| (name.into_bytes(), value)).collect();
            probes.push(probe);
        }
    }
    probes
}
