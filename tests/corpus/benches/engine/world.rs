//! A rule set as the engines take it.

use postern_policy_core::policy::Direction;
use postern_policy_core::resolve::resolve;
use postern_policy_core::set::{Attached, Attachment, Connection};
use postern_policy_core::world::WorkloadName;
use postern_policy_lang::inventory::load_inventory;
use postern_policy_lang::load_policies;
use postern_policy_lang::source::SourceFile;
use postern_policy_wire::encode;

use crate::rules::{self, Shape};

/// Where requests come from, and where they go.
pub(crate) const CLIENT: &str = "127.0.0.1:40000";
pub(crate) const SERVER: &str = "127.0.10.1:80";

/// More paths than any cache of one request would help with, spread over the rules.
const PATHS: usize = 256;

/// A bundle, and paths that it allows.
pub(crate) struct Set {
    pub(crate) shape: Shape,
    pub(crate) rules: usize,
    pub(crate) bundle: Vec<u8>,
    pub(crate) paths: Vec<String>,
}

impl Set {
    pub(crate) fn new(shape: Shape, rules: usize) -> Self {
        let source = |text: String| [SourceFile { name: "bench.yaml".to_owned(), text }];
        let inventory = load_inventory(&source(rules::INVENTORY.to_owned()));
        let policies = load_policies(&source(rules::policy(shape, rules)));
        assert!(!inventory.has_errors() && !policies.has_errors(), "{:?}", policies.diagnostics);
        let world = inventory.world;
        let identities = world.identities(&policies.policies).expect("two workloads have identities");
        let name = WorkloadName::parse("default/server");
        let server = world.workload(&name).expect("it was written above");
        let endpoint = resolve(&policies.policies, &world, &identities, server);
        let attachment = Attachment {
            direction: Some(Attached::To(Direction::Ingress)),
            endpoint: Some(name),
            port: Some(80),
            ..Attachment::default()
        };
        let bundle = encode(&[endpoint], &identities, &attachment);
        let bundle = serde_json::to_vec(&bundle).expect("a bundle is JSON");
        // 7,919 is prime: neighbours in the list are far apart among the rules.
        let paths = (0..PATHS).map(|index| shape.path(index * 7_919 % rules)).collect();
        Self { shape, rules, bundle, paths }
    }
}

/// The connection that the requests are on.
pub(crate) fn connection() -> Connection {
    Connection {
        source: CLIENT.parse().expect("an address"),
        destination: SERVER.parse().expect("an address"),
        direction: Direction::Ingress,
    }
}
