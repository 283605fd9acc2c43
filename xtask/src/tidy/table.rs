//! Who may depend on whom, as data.
//!
//! A row is a folder of this workspace. An edge that is no row's is an error until someone has put it
//! here with a reason, which is the moment to ask whether it should be.

/// The crates of this workspace that a crate may have as normal or build dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    /// Any of them: nothing depends on this crate but tests.
    Any,
    /// These folders.
    Only(&'static [&'static str]),
}

/// The rule for one crate.
#[derive(Debug)]
pub(super) struct Row {
    /// Its folder.
    pub(super) folder: &'static str,
    /// What it may depend on.
    pub(super) may: May,
    /// Packages that must not be anywhere below it. `kube` stands for `kube-client` and the like too.
    pub(super) never: &'static [&'static str],
    /// Why it is so.
    pub(super) why: &'static str,
}

/// The rules.
pub(super) const TABLE: &[Row] = &[
    Row {
        folder: "policy/core",
        may: May::Only(&[]),
        never: &["serde", "tokio", "kube", "proxy-wasm", "aya", "wasmtime", "hyper"],
        why: "the model and the verdict are pure functions: formats, runtimes and hosts are for others",
    },
    Row {
        folder: "policy/diff",
        may: May::Only(&["policy/core"]),
        never: &["serde", "tokio", "kube", "proxy-wasm", "wasmtime", "hyper", "postern-policy-lang"],
        why: "two resolved policies are compared as values: how they were written is not looked at",
    },
    Row {
        folder: "policy/lang",
        may: May::Only(&["policy/core"]),
        never: &["tokio", "kube", "proxy-wasm", "wasmtime", "hyper"],
        why: "reading a policy needs text and the model, and the command line reads it without a cluster",
    },
    Row {
        folder: "policy/testing",
        may: May::Only(&["policy/core", "policy/lang"]),
        never: &["tokio", "kube", "proxy-wasm", "wasmtime", "hyper", "postern-policy-wire"],
        why: "a test reads documents and asks the model; files, clocks and terminals are the command line's",
    },
    Row {
        folder: "policy/wire",
        may: May::Only(&["policy/core"]),
        never: &["tokio", "kube", "proxy-wasm", "wasmtime", "hyper", "postern-policy-lang"],
        why: "the bundle is read inside the module, which must not carry the dialects",
    },
    Row {
        folder: "filter",
        may: May::Only(&["filter/report", "policy/core", "policy/wire"]),
        never: &["tokio", "kube", "wasmtime", "hyper", "wit-bindgen", "postern-policy-lang"],
        why: "the module is small and knows only resolved bundles",
    },
    Row {
        folder: "filter/component",
        may: May::Only(&["policy/core", "policy/wire"]),
        never: &["tokio", "kube", "wasmtime", "hyper", "proxy-wasm", "postern-policy-lang"],
        why: "the other door: as small as the filter, and without anything of it",
    },
    Row {
        folder: "filter/module",
        may: May::Only(&[]),
        never: &["tokio", "kube", "wasmtime", "hyper"],
        why: "it holds the guests' bytes, which its build script makes by running cargo",
    },
    Row {
        folder: "filter/report",
        may: May::Only(&[]),
        never: &["postern-policy-core", "postern-policy-wire", "proxy-wasm", "wasmtime", "tracing"],
        why: "what is said of a decision is the same at every door: whoever says it brings names, time and a log",
    },
    Row {
        folder: "host/vm",
        may: May::Only(&["filter/report"]),
        never: &[
            "hyper",
            "kube",
            "proxy-wasm",
            "postern-policy-core",
            "postern-policy-lang",
            "postern-policy-wire",
            "postern-filter-module",
        ],
        why: "the guest is opaque and untrusted: its host must not know what it decides, but how it is said",
    },
    Row {
        folder: "host",
        may: May::Only(&["host/vm", "ops"]),
        never: &["kube", "aya", "postern-policy-lang"],
        why: "the proxy runs modules; what they enforce reaches it as bytes",
    },
    Row {
        folder: "ops",
        may: May::Only(&[]),
        never: &["postern-policy-core", "postern-policy-lang", "postern-policy-wire", "kube", "wasmtime"],
        why: "logging and metrics are shared by every daemon and so know none of them",
    },
    Row {
        folder: "xds",
        may: May::Only(&["policy/wire"]),
        never: &["kube", "aya", "wasmtime", "postern-policy-lang"],
        why: "what is sent and how, for every server and client: not what it means",
    },
    Row {
        folder: "controller/api",
        may: May::Only(&["policy/lang"]),
        never: &["tokio", "kube-client", "wasmtime", "aya"],
        why: "the resources as types: whoever reads them needs no client",
    },
    Row {
        folder: "controller/index",
        may: May::Only(&["controller/api", "policy/core", "policy/lang", "policy/wire", "xds"]),
        never: &["kube-client", "wasmtime", "aya"],
        why: "the state of a cluster is a pure function of what was seen: no client, no clock",
    },
    Row {
        folder: "controller",
        may: May::Only(&["controller/api", "controller/index", "policy/wire", "ops", "xds"]),
        never: &["wasmtime", "aya", "proxy-wasm"],
        why: "it distributes policy; enforcing it is for nodes and proxies",
    },
    Row {
        folder: "node/abi",
        may: May::Only(&[]),
        never: &["tokio", "serde", "kube"],
        why: "kernel programs and agent share it, and the kernel has no std",
    },
    Row {
        folder: "node/ebpf",
        may: May::Only(&["node/abi"]),
        never: &["tokio", "kube", "regex-automata"],
        why: "what the verifier sees is small",
    },
    Row {
        folder: "node",
        may: May::Only(&["node/abi", "policy/core", "policy/wire", "ops", "xds"]),
        never: &["kube", "wasmtime", "proxy-wasm", "postern-policy-lang"],
        why: "the agent lowers resolved policy; who resolved it is not its concern",
    },
    Row {
        folder: "cli",
        may: May::Only(&[
            "policy/core",
            "policy/diff",
            "policy/lang",
            "policy/testing",
            "policy/wire",
            "filter/module",
            "host",
            "host/vm",
            "ops",
            "xds",
            "node",
            "controller",
        ]),
        never: &["proxy-wasm"],
        why: "the one binary puts everything together; the filter is in it as bytes, not as code",
    },
    Row { folder: "tests/corpus", may: May::Any, never: &[], why: "tests may look at everything" },
    Row {
        folder: "tests/oracle",
        may: May::Only(&[]),
        never: &["postern-policy-core", "postern-policy-lang", "postern-policy-wire"],
        why: "the reference shares no code with what it is compared with; only its tests look at both",
    },
    Row { folder: "tests/harness", may: May::Any, never: &[], why: "tests may look at everything" },
    Row { folder: "tests/cluster", may: May::Any, never: &[], why: "tests may look at everything" },
    Row { folder: "tests/e2e", may: May::Any, never: &[], why: "tests may look at everything" },
    Row { folder: "fuzz", may: May::Any, never: &[], why: "a tool, in nothing that is shipped" },
    Row { folder: "xtask", may: May::Any, never: &[], why: "a tool, in nothing that is shipped" },
];

/// What the tests of a crate may look at beside the crates in `tests/`, and why.
pub(super) const FOR_TESTS: &[(&str, &[&str], &str)] = &[
    (
        "controller/api",
        &["policy/core", "policy/lang"],
        "a conversion is right when both versions resolve to the same verdicts",
    ),
    ("policy/diff", &["policy/lang"], "the edits that people make are edits of documents"),
    (
        "tests/oracle",
        &["policy/core", "policy/lang", "policy/wire"],
        "they are what the reference is compared with",
    ),
    (
        "xds",
        &["filter/module"],
        "the filter's configuration is right when the filter takes it in a real Envoy",
    ),
];

/// Whether the tests of `folder` may look at `target`.
pub(super) fn for_tests(folder: &str, target: &str) -> bool {
    is_test(target) || FOR_TESTS.iter().any(|(whose, what, _)| *whose == folder && what.contains(&target))
}

/// The row of a folder.
pub(super) fn row(folder: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.folder == folder)
}

/// Whether nothing but a test may depend on this folder.
pub(super) fn is_test(folder: &str) -> bool {
    folder.starts_with("tests/")
}
