//! The rule sets that are measured, and requests for them: the same on every machine.

/// A kind of rule set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Paths without any expression.
    Exact,
    /// A service's name, and then expressions that many share.
    Segments,
    /// A `.*` before and behind what tells the rules apart.
    Dots,
    /// One path, and hosts that end in what tells the rules apart.
    Hosts,
}

impl Shape {
    pub(crate) const ALL: [Self; 4] = [Self::Exact, Self::Segments, Self::Dots, Self::Hosts];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Segments => "segments",
            Self::Dots => "dots",
            Self::Hosts => "hosts",
        }
    }

    /// The path that a rule asks for.
    pub(crate) fn rule(self, index: usize) -> String {
        match self {
            Self::Exact => format!("/svc{index:06}/v1/items/by-name/some-thing-of-a-length/details"),
            Self::Segments => match index % 4 {
                0 => format!("/svc{index:06}/v[0-9]+/items/[a-z-]+/[^/]+/details"),
                1 => format!("/svc{index:06}/v[0-9]+/items/.*"),
                2 => format!("/svc{index:06}/(v1|v2)/[^/]+/[a-z-]+/.*/details"),
                _ => format!("/svc{index:06}/v[0-9]+/[a-z]+/[^/]+/[^/]+/[a-z]+"),
            },
            Self::Dots => format!("/.*/svc{index:06}-[a-z]+/.*/details"),
            Self::Hosts => "/api/v[0-9]+/items/.*".to_owned(),
        }
    }

    /// The host that a rule asks for.
    pub(crate) fn host(self, index: usize) -> Option<String> {
        (self == Self::Hosts).then(|| format!(r".*\.tenant{index:06}\.example\.com"))
    }

    /// A host for the paths of this rule.
    pub(crate) fn authority(self, index: usize) -> String {
        match self {
            Self::Hosts => format!("app.tenant{index:06}.example.com"),
            _ => "app.example".to_owned(),
        }
    }

    /// A path of sixty bytes that this rule matches and no other does; `odd` makes it another.
    pub(crate) fn hit(self, index: usize, odd: usize) -> String {
        match self {
            Self::Exact => self.rule(index),
            Self::Segments => format!("/svc{index:06}/v1/items/by-name/some-thing-{odd:010}/details"),
            Self::Dots => format!("/api/v1/svc{index:06}-items/by-name/some-{odd:010}/details"),
            Self::Hosts => format!("/api/v1/items/by-name/some-thing-of-a-length-{odd:010}/details"),
        }
    }

    /// One that no rule matches.
    pub(crate) fn miss(self, index: usize, odd: usize) -> String {
        let hit = self.hit(index, odd);
        match self {
            Self::Hosts => hit.replacen("items", "Items", 1),
            _ => hit.replacen("/details", "/Details", 1).replacen("svc", "srv", index % 2),
        }
    }

    /// The host to go with it: it names many rules where rules ask for hosts.
    pub(crate) fn worst_authority(self, rules: usize) -> String {
        match self {
            Self::Hosts => (0..12).map(|step| format!(".tenant{:06}.example", step * 7 % rules)).collect(),
            _ => "app.example".to_owned(),
        }
    }

    /// The longest path, made so that as many rules as can be have to be compared.
    pub(crate) fn worst(self, rules: usize, variant: usize) -> String {
        let mut path = match self {
            Self::Exact => "/svc000000".to_owned(),
            Self::Segments => format!("/svc{:06}/v1/items/", variant % rules / 4 * 4),
            Self::Dots => "/api".to_owned(),
            Self::Hosts => "/api/v1/items/".to_owned(),
        };
        let mut index = variant;
        while path.len() < 8 * 1024 {
            path += &match self {
                Self::Exact | Self::Segments | Self::Hosts => format!("a{index}"),
                Self::Dots => format!("/svc{:06}-a", index * 7 % rules),
            };
            index += 1;
        }
        path.truncate(8 * 1024);
        path
    }
}
