//! The lints, by name.

use std::fmt;

/// Something that is probably not meant, by its stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lint {
    /// Everything is allowed, from or to everywhere.
    BroadWorld,
    /// Nothing but denials, which close what nobody allows.
    DenyOnly,
    /// An empty item, which allows nothing.
    EmptyItemDenies,
    /// Two policies of one rank whose order their names decide.
    EqualPriority,
    /// GET without HEAD.
    HeadNotGet,
    /// A host that no request has.
    HostCannotMatch,
    /// HTTP rules that a plain allowance makes void.
    HttpShadowedByPlainAllow,
    /// HTTP rules for everyone.
    HttpWithoutPeer,
    /// The dialect of 2017.
    LegacyDialect,
    /// A method that no request has.
    MethodCannotMatch,
    /// A subject in another namespace than its policy.
    NamespaceOverridden,
    /// A label of a namespace that is looked for on pods.
    NamespaceTrap,
    /// A path that no request has.
    PathCannotMatch,
    /// A path that no request with a query has.
    PathForgetsQuery,
    /// So many paths without a text that requests take long.
    PathsWithoutText,
    /// A rule that is not enforced yet.
    Quarantined,
    /// Anchors around what is matched whole anyway.
    RedundantAnchors,
    /// A selector that selects nothing.
    SelectsNothing,
    /// More rules than are compared.
    TooManyToCompare,
    /// A dot that stands for every character.
    UnescapedDot,
    /// An allowance of a lint that does not exist.
    UnknownLint,
    /// A rule that never decides anything.
    UnreachableRule,
    /// An allowance of a lint that finds nothing.
    UnusedAllow,
}

impl Lint {
    /// Every lint, by name.
    pub const EVERY: [Self; 23] = [
        Self::BroadWorld,
        Self::DenyOnly,
        Self::EmptyItemDenies,
        Self::EqualPriority,
        Self::HeadNotGet,
        Self::HostCannotMatch,
        Self::HttpShadowedByPlainAllow,
        Self::HttpWithoutPeer,
        Self::LegacyDialect,
        Self::MethodCannotMatch,
        Self::NamespaceOverridden,
        Self::NamespaceTrap,
        Self::PathCannotMatch,
        Self::PathForgetsQuery,
        Self::PathsWithoutText,
        Self::Quarantined,
        Self::RedundantAnchors,
        Self::SelectsNothing,
        Self::TooManyToCompare,
        Self::UnescapedDot,
        Self::UnknownLint,
        Self::UnreachableRule,
        Self::UnusedAllow,
    ];

    /// The name.
    pub fn as_str(self) -> &'static str {
        self.about().0
    }

    /// What it finds, in one line.
    pub fn summary(self) -> &'static str {
        self.about().1
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|lint| lint.as_str() == text)
    }

    /// The name that was probably meant.
    pub fn nearest(text: &str) -> Option<Self> {
        let likeness = |lint: &Self| strsim::jaro_winkler(text, lint.as_str());
        let best = Self::EVERY.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        best.filter(|lint| likeness(lint) > 0.8)
    }

    /// Its page in the documentation, from the project's root.
    pub fn page(self) -> String {
        format!("docs/lints/{self}.md")
    }

    fn about(self) -> (&'static str, &'static str) {
        match self {
            Self::BroadWorld => ("broad-world", "every port is allowed from or to everywhere"),
            Self::DenyOnly => ("deny-only", "a policy only denies, and so closes everything else as well"),
            Self::EmptyItemDenies => ("empty-item-denies", "an empty item allows nothing"),
            Self::EqualPriority => ("equal-priority", "two policies of one tier have one priority"),
            Self::HeadNotGet => ("head-not-get", "GET is allowed and HEAD is not"),
            Self::HostCannotMatch => ("host-cannot-match", "no request has such a host"),
            Self::HttpShadowedByPlainAllow => {
                ("http-shadowed-by-plain-allow", "HTTP rules are void, for the connection is allowed plainly")
            }
            Self::HttpWithoutPeer => {
                ("http-without-peer", "HTTP rules hold for everyone, the world included")
            }
            Self::LegacyDialect => ("legacy-dialect", "the document is written in the dialect of 2017"),
            Self::MethodCannotMatch => ("method-cannot-match", "no request has such a method"),
            Self::NamespaceOverridden => {
                ("namespace-overridden", "a subject names another namespace than its policy's")
            }
            Self::NamespaceTrap => {
                ("namespace-trap", "peers are looked for in the policy's own namespace, and meant in another")
            }
            Self::PathCannotMatch => ("path-cannot-match", "no request has such a path"),
            Self::PathForgetsQuery => ("path-forgets-query", "a path matches no request that has a query"),
            Self::PathsWithoutText => {
                ("paths-without-text", "a hundred paths of one port have no text to find them by")
            }
            Self::Quarantined => ("quarantined", "a rule is not enforced yet, and allows nothing"),
            Self::RedundantAnchors => ("redundant-anchors", "anchors stand around what is matched whole"),
            Self::SelectsNothing => ("selects-nothing", "a selector, port name or group means nothing"),
            Self::TooManyToCompare => ("too-many-to-compare", "there are more rules than are compared"),
            Self::UnescapedDot => ("unescaped-dot", "a dot in a name stands for every character"),
            Self::UnknownLint => ("unknown-lint", "an annotation allows a lint that does not exist"),
            Self::UnreachableRule => ("unreachable-rule", "a rule never decides anything"),
            Self::UnusedAllow => ("unused-allow", "an annotation allows a lint that finds nothing"),
        }
    }
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
