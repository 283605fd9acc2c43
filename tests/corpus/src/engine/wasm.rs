//! Guests in wasmtime, as the proxy runs them: the proxy-wasm module and the component.

use std::sync::Arc;

use anyhow::{Context, bail};
use postern_filter_module::{COMPONENT_WASM, CONNECTION_ROOT_ID, FILTER_WASM, HTTP_ROOT_ID};
use postern_host_vm::{
    ConnectionInfo, ConnectionOutcome, Direction as VmDirection, Engine as VmEngine, Headers, Limits,
    MetricsStore, Module, Plugin, RequestOutcome, Vm,
};
use postern_policy_core::policy::Direction;
use postern_policy_core::set::Attachment;

use super::native::{bundle, ends};
use super::{Decided, Engine};
use crate::case::{Case, Observed, Scenario};

/// A guest run by `host/vm`. One instance runs the whole corpus, so every scenario is also a change of configuration.
pub struct WasmEngine {
    name: &'static str,
    vm: Vm,
}

impl WasmEngine {
    /// The very module that Envoy loads.
    pub fn module() -> anyhow::Result<Self> {
        Self::new("wasm", FILTER_WASM)
    }

    /// The other door to the same core: the component of `wit/`.
    pub fn component() -> anyhow::Result<Self> {
        Self::new("component", COMPONENT_WASM)
    }

    /// Compiles the guest and starts an instance.
    fn new(name: &'static str, guest: &[u8]) -> anyhow::Result<Self> {
        let engine = VmEngine::new(Limits::default()).context("the engine does not start")?;
        let module = Module::compile(&engine, guest).context("the guest does not compile")?;
        let plugin = Plugin {
            name: "postern".to_owned(),
            vm_id: "corpus".to_owned(),
            connection_root: Some(CONNECTION_ROOT_ID.to_owned()),
            http_root: HTTP_ROOT_ID.to_owned(),
        };
        let vm = Vm::new(&module, Arc::new(plugin), Arc::new(MetricsStore::new()))?;
        Ok(Self { name, vm })
    }
}

impl Engine for WasmEngine {
    fn name(&self) -> &'static str {
        self.name
    }

    fn load(&mut self, scenario: &Scenario) -> anyhow::Result<()> {
        Ok(self.vm.configure(bundle(scenario, &Attachment::default())?.into())?)
    }

    fn decide(&mut self, scenario: &Scenario, case: &Case) -> anyhow::Result<Decided> {
        let (source, destination) = ends(scenario, case);
        let direction = match case.direction {
            Direction::Ingress => VmDirection::Inbound,
            Direction::Egress => VmDirection::Outbound,
        };
        let connection = match self.vm.on_connection(ConnectionInfo::new(source, destination, direction))? {
            ConnectionOutcome::Closed => return Ok(Decided::traffic(Observed::Drop)),
            ConnectionOutcome::Open(connection) => connection,
        };
        let mut headers = headers(case);
        let outcome = self.vm.on_request(connection.info(), &mut headers, true)?;
        self.vm.on_close(connection)?;
        Ok(Decided::traffic(match outcome {
            RequestOutcome::Continue { changed: false } => Observed::Allow,
            RequestOutcome::Respond(answer)
                if answer.status == 403 && *answer.body == *b"Access denied\r\n" =>
            {
                Observed::Deny
            }
            other => bail!("the filter answers {other:?}"),
        }))
    }
}

fn headers(case: &Case) -> Headers {
    let mut headers = Headers::new();
    headers.push(b":method", &case.method);
    headers.push(b":authority", &case.host);
    if let Some(path) = &case.path {
        headers.push(b":path", path);
    }
    for (name, value) in &case.headers {
        headers.push(name, value);
    }
    headers
}
