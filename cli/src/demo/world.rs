//! The tutorial's workloads and policy.

use std::net::IpAddr;

use anyhow::{Context, bail};
use bytes::Bytes;
use postern_policy_core::explain::{End, PortRef, Question, explain};
use postern_policy_core::http;
use postern_policy_core::policy::Policy;
use postern_policy_core::port::Protocol;
use postern_policy_core::world::{WorkloadName, World};
use postern_policy_lang::inventory::load_inventory;
use postern_policy_lang::load_policies;
use postern_policy_lang::source::SourceFile;

use super::story::Request;
use crate::bundle::{AttachArgs, DirectionArg, compile};
use crate::inputs::Inputs;

/// The policy, as the tutorial prints it.
pub(super) const POLICY: &str = include_str!("../../../deploy/tutorial/policy.yaml");
const INVENTORY: &str = include_str!("../../../deploy/tutorial/inventory.yaml");
/// The port that the policy speaks of.
pub(super) const POLICY_PORT: u16 = 80;
pub(super) const APP1: &str = "app1";

pub(super) struct DemoWorld {
    world: World,
}

impl DemoWorld {
    pub(super) fn load() -> anyhow::Result<Self> {
        Self::read(INVENTORY.to_owned())
    }

    /// The same workloads with addresses that begin with `prefix`, such as `10.78.0.`
    #[cfg(feature = "cluster")]
    pub(super) fn load_at(prefix: &str) -> anyhow::Result<Self> {
        Self::read(INVENTORY.replace("127.0.10.", prefix))
    }

    fn read(text: String) -> anyhow::Result<Self> {
        let file = SourceFile { name: "inventory.yaml".to_owned(), text };
        let inventory = load_inventory(&[file]);
        if inventory.has_errors() {
            bail!("the demo's own inventory does not load: {:?}", inventory.diagnostics);
        }
        Ok(Self { world: inventory.world })
    }

    pub(super) fn policies() -> anyhow::Result<Vec<Policy>> {
        let file = SourceFile { name: "policy.yaml".to_owned(), text: POLICY.to_owned() };
        let loaded = load_policies(&[file]);
        if loaded.has_errors() {
            bail!("the tutorial's policy does not load: {:?}", loaded.diagnostics);
        }
        Ok(loaded.policies)
    }

    pub(super) fn address(&self, name: &str) -> anyhow::Result<IpAddr> {
        let workload = self.world.workload(&WorkloadName::parse(name));
        let address = workload.and_then(|workload| workload.addresses.first());
        address.copied().with_context(|| format!("the demo has no address for {name}"))
    }

    /// The bundle for the proxy in front of app1.
    pub(super) fn bundle(&self, policies: &[Policy]) -> anyhow::Result<Bytes> {
        let workload = Some(APP1.to_owned());
        let attach = AttachArgs { workload, direction: DirectionArg::Ingress, port: Some(POLICY_PORT) };
        self.compile(policies, &attach)
    }

    /// The bundle for a node that has all workloads.
    #[cfg(feature = "cluster")]
    pub(super) fn node_bundle(&self, policies: &[Policy]) -> anyhow::Result<Bytes> {
        let attach = AttachArgs { workload: None, direction: DirectionArg::Both, port: None };
        self.compile(policies, &attach)
    }

    fn compile(&self, policies: &[Policy], attach: &AttachArgs) -> anyhow::Result<Bytes> {
        let inputs = Inputs { policies: policies.to_vec(), world: self.world.clone() };
        Ok(serde_json::to_vec(&compile(&inputs, attach, None)?)?.into())
    }

    /// Why a request is answered as it is, by the same code as `postern explain`.
    pub(super) fn reason(&self, policies: &[Policy], request: &Request) -> anyhow::Result<String> {
        let question = Question {
            from: End::Workload(WorkloadName::parse(request.from)),
            to: End::Workload(WorkloadName::parse(APP1)),
            protocol: Protocol::Tcp,
            port: PortRef::Number(request.port),
            request: Some(http::Request {
                method: Some(b"GET"),
                path: Some(request.path.as_bytes()),
                ..http::Request::default()
            }),
        };
        Ok(explain(policies, &self.world, &question)?.enforced.reason)
    }
}
