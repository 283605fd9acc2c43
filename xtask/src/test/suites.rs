//! The suites, as data.
//!
//! A test target (a file `tests/NAME.rs` of some crate) belongs to one suite: the row with the longest
//! `prefix` of its name, then the longest `folder` of its crate. So a test file that needs Envoy is
//! called `envoy….rs`, and a new kind of world is a new row.

use crate::tools;

/// What a suite needs beside cargo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Real Envoy, named to the tests by `POSTERN_ENVOY`.
    Envoy,
    /// A folder with kube-apiserver, etcd and kubectl, named to the tests by `POSTERN_ASSETS`.
    ApiServer,
    /// User 0 with the capabilities to load programs into the kernel and to make networks.
    Root,
    /// Programs of the system, each with the Debian package that has it.
    Programs(&'static [(&'static str, &'static str)]),
}

/// What makes networks and looks into them.
const NETWORK: Need = Need::Programs(tools::NETWORK);

/// What a suite runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runs {
    /// The unit tests of every crate, and the test targets of the row.
    UnitsAnd(Targets),
    /// The test targets of the row.
    Targets(Targets),
    /// The examples in the documentation.
    Doc,
}

/// Which test targets are a suite's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Targets {
    /// The folder that the crate is in.
    pub(super) folder: &'static str,
    /// How the target's name starts.
    pub(super) prefix: &'static str,
}

/// A suite: what is run, reported, and can be left out by name.
#[derive(Debug)]
pub(super) struct Suite {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) runs: Runs,
    pub(super) needs: &'static [Need],
}

/// In the order in which they run.
pub(super) const SUITES: &[Suite] = &[
    Suite {
        name: "unit",
        about: "each crate by itself",
        runs: Runs::UnitsAnd(Targets { folder: "", prefix: "" }),
        needs: &[],
    },
    Suite { name: "doc", about: "the examples in the documentation", runs: Runs::Doc, needs: &[] },
    Suite {
        name: "corpus",
        about: "the corpus on the engines that need no other program",
        runs: Runs::Targets(Targets { folder: "tests/corpus", prefix: "" }),
        needs: &[],
    },
    Suite {
        name: "e2e",
        about: "the postern binary with real connections",
        runs: Runs::Targets(Targets { folder: "tests/", prefix: "" }),
        needs: &[],
    },
    Suite {
        name: "envoy",
        about: "the filter in a real Envoy",
        runs: Runs::Targets(Targets { folder: "", prefix: "envoy" }),
        needs: &[Need::Envoy],
    },
    Suite {
        name: "apiserver",
        about: "what talks to Kubernetes, with a real API server",
        runs: Runs::Targets(Targets { folder: "", prefix: "apiserver" }),
        needs: &[Need::ApiServer],
    },
    Suite {
        name: "kernel",
        about: "the programs in the kernel, between network namespaces",
        runs: Runs::Targets(Targets { folder: "", prefix: "kernel" }),
        needs: &[Need::Root, NETWORK],
    },
    Suite {
        name: "cluster",
        about: "everything together: a real API server, and nodes and pods as network namespaces",
        runs: Runs::Targets(Targets { folder: "", prefix: "cluster" }),
        needs: &[Need::Root, NETWORK, Need::ApiServer, Need::Envoy],
    },
];

impl Suite {
    /// The rule for test targets, if the suite has one.
    pub(super) fn targets(&self) -> Option<Targets> {
        match self.runs {
            Runs::UnitsAnd(targets) | Runs::Targets(targets) => Some(targets),
            Runs::Doc => None,
        }
    }
}
