//! An instance of a module or of a component: whoever calls it need not know which.

use std::sync::Arc;

use bytes::Bytes;

use crate::component::Instance as ComponentInstance;
use crate::connection::ConnectionInfo;
use crate::fault::Fault;
use crate::headers::Headers;
use crate::instance::{Instance as ModuleInstance, NotTaken};
use crate::metrics::MetricsStore;
use crate::module::{Code, Module, Plugin};
use crate::response::RequestOutcome;

pub(crate) struct Instance {
    kind: Kind,
    /// No other instance of the engine has it.
    pub(crate) serial: u64,
}

enum Kind {
    Module(Box<ModuleInstance>),
    Component(Box<ComponentInstance>),
}

impl Instance {
    /// Instantiates and prepares; does not configure.
    pub(crate) fn start(
        module: &Module,
        plugin: &Arc<Plugin>,
        metrics: &Arc<MetricsStore>,
    ) -> Result<Self, Fault> {
        let kind = match &module.code {
            Code::Module(code) => {
                Kind::Module(Box::new(ModuleInstance::start(module, code, plugin, metrics)?))
            }
            Code::Component(code) => {
                Kind::Component(Box::new(ComponentInstance::start(&module.engine, code, plugin, metrics)?))
            }
        };
        Ok(Self { kind, serial: module.engine.next_serial() })
    }

    pub(crate) fn configure(&mut self, configuration: &Bytes) -> Result<(), NotTaken> {
        match &mut self.kind {
            Kind::Module(instance) => instance.configure(configuration),
            Kind::Component(instance) => instance.configure(configuration),
        }
    }

    /// Shows the guest a new connection; the number is for [`Self::close`]. `None`: it is to be closed.
    pub(crate) fn open(&mut self, info: &Arc<ConnectionInfo>) -> Result<Option<u32>, Fault> {
        match &mut self.kind {
            Kind::Module(instance) => instance.open(info),
            // A component keeps nothing of a connection.
            Kind::Component(instance) => Ok(instance.connection(info)?.then_some(0)),
        }
    }

    /// Tells the guest that the client has gone.
    pub(crate) fn close(&mut self, id: u32) -> Result<(), Fault> {
        match &mut self.kind {
            Kind::Module(instance) => instance.close(id),
            Kind::Component(_) => Ok(()),
        }
    }

    /// Shows the guest a request. The headers come back as it left them.
    pub(crate) fn request(
        &mut self,
        info: &Arc<ConnectionInfo>,
        headers: &mut Headers,
        end_of_stream: bool,
    ) -> Result<RequestOutcome, Fault> {
        match &mut self.kind {
            Kind::Module(instance) => instance.request(info, headers, end_of_stream),
            Kind::Component(instance) => instance.request(info, headers),
        }
    }
}
