//! One worker's guest: an instance, its replacement after a fault, its last good configuration.

use std::sync::Arc;

use bytes::Bytes;

use crate::connection::ConnectionInfo;
use crate::either::Instance;
use crate::fault::{ConfigureError, Fault};
use crate::headers::Headers;
use crate::instance::NotTaken;
use crate::metrics::MetricsStore;
use crate::module::{Module, Plugin};
use crate::recovery::{Recovery, Work};
use crate::response::RequestOutcome;
use crate::spare::{Key, Recipe};

/// A guest for one worker thread. It may move between threads, it serves one call at a time.
///
/// Every [`Fault`] means "deny"; the next call meets a fresh instance that has the last good configuration, made ahead if
/// [`Limits::spare`](crate::Limits::spare) says so. After ten faults in a row, of connections or of requests, the guest
/// is held back for some seconds and every call is [`Fault::Failed`].
pub struct Vm {
    module: Module,
    plugin: Arc<Plugin>,
    metrics: Arc<MetricsStore>,
    /// The last configuration that was accepted.
    configuration: Option<Bytes>,
    /// Gone after a fault, until the next call.
    instance: Option<Instance>,
    recovery: Recovery,
}

/// A connection that the guest let in.
#[derive(Debug)]
pub struct Connection {
    info: Arc<ConnectionInfo>,
    /// The instance and the context in it. A replaced instance knows nothing of it any more.
    context: Option<(u64, u32)>,
}

/// The guest's verdict on a connection.
#[derive(Debug)]
pub enum ConnectionOutcome {
    /// Serve it, then give it to [`Vm::on_close`].
    Open(Connection),
    /// Close it before any byte is read or written.
    Closed,
}

impl Connection {
    /// What requests on this connection are judged with.
    #[must_use]
    pub fn info(&self) -> &Arc<ConnectionInfo> {
        &self.info
    }
}

impl Vm {
    /// Starts an instance. Until [`Vm::configure`] has given it a configuration, its first call offers it the empty one,
    /// which a filter may accept (and then deny everything) or refuse (and then every call is [`Fault::NotConfigured`]).
    ///
    /// # Errors
    /// When the module does not even start.
    pub fn new(module: &Module, plugin: Arc<Plugin>, metrics: Arc<MetricsStore>) -> Result<Self, Fault> {
        let instance = Instance::start(module, &plugin, &metrics)?;
        Ok(Self {
            module: module.clone(),
            plugin,
            metrics,
            configuration: None,
            instance: Some(instance),
            recovery: Recovery::default(),
        })
    }

    /// Configures the guest anew. What it does not take changes nothing.
    ///
    /// # Errors
    /// When the guest refuses the configuration or fails on it.
    pub fn configure(&mut self, configuration: Bytes) -> Result<(), ConfigureError> {
        let living = self.instance.take();
        let was_configured = living.is_some();
        let mut instance = match living {
            Some(instance) => instance,
            None => self.start()?,
        };
        match instance.configure(&configuration) {
            Ok(()) => {
                self.instance = Some(instance);
                self.recovery.configured();
                self.keep_spare(&configuration);
                self.configuration = Some(configuration);
                Ok(())
            }
            Err(NotTaken::Refused(reason)) => {
                // A fresh instance has nothing to fall back to; the next call makes one that has.
                self.instance = was_configured.then_some(instance);
                Err(ConfigureError::Refused { reason })
            }
            Err(NotTaken::HalfRefused(reason)) => Err(ConfigureError::Refused { reason }),
            Err(NotTaken::Fault(fault)) => {
                self.recovery.failed_configuration();
                Err(fault.into())
            }
        }
    }

    /// Asks the guest about a new connection.
    ///
    /// # Errors
    /// When the guest fails: the connection must be closed.
    pub fn on_connection(&mut self, info: ConnectionInfo) -> Result<ConnectionOutcome, Fault> {
        let info = Arc::new(info);
        if self.plugin.connection_root.is_none() {
            return Ok(ConnectionOutcome::Open(Connection { info, context: None }));
        }
        self.with_instance(Work::Connection, |instance| {
            Ok(match instance.open(&info)? {
                Some(id) => {
                    ConnectionOutcome::Open(Connection { info, context: Some((instance.serial, id)) })
                }
                None => ConnectionOutcome::Closed,
            })
        })
    }

    /// Tells the guest that a connection has ended.
    ///
    /// # Errors
    /// When the guest fails over it. There is nothing left to deny.
    #[expect(clippy::needless_pass_by_value, reason = "a closed connection must not be used again")]
    pub fn on_close(&mut self, connection: Connection) -> Result<(), Fault> {
        match (connection.context, &self.instance) {
            (Some((serial, id)), Some(instance)) if instance.serial == serial => {
                self.with_instance(Work::Connection, |instance| instance.close(id))
            }
            _ => Ok(()),
        }
    }

    /// Asks the guest about a request. `headers` holds the pseudo-headers too and comes back as the guest left it.
    ///
    /// # Errors
    /// When the guest fails: the request must be denied.
    pub fn on_request(
        &mut self,
        info: &Arc<ConnectionInfo>,
        headers: &mut Headers,
        end_of_stream: bool,
    ) -> Result<RequestOutcome, Fault> {
        self.with_instance(Work::Request, |instance| instance.request(info, headers, end_of_stream))
    }

    /// Whether the guest is held back because it failed again and again.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.recovery.held_back()
    }

    /// Faults of connections, or of requests if that is more, since the last such call that worked.
    #[must_use]
    pub fn consecutive_faults(&self) -> u32 {
        self.recovery.in_a_row()
    }

    /// Faults since the VM was made.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.recovery.total()
    }

    /// Calls into the instance; without one, gets one first. A fault costs the instance: what state it is in is unknown.
    fn with_instance<T>(
        &mut self,
        kind: Work,
        work: impl FnOnce(&mut Instance) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.recovery.held_back() {
            return Err(Fault::Failed);
        }
        let result = match self.revive() {
            Ok(instance) => work(instance),
            // Without a policy everything is denied: nothing has failed.
            Err(Fault::NotConfigured) => return Err(Fault::NotConfigured),
            Err(fault) => Err(fault),
        };
        match &result {
            Ok(_) => self.recovery.success(kind),
            Err(fault) => {
                tracing::error!(plugin = %self.plugin.name, %fault, "the filter failed and is replaced");
                self.instance = None;
                self.recovery.fault(kind);
            }
        }
        result
    }

    fn revive(&mut self) -> Result<&mut Instance, Fault> {
        if self.configuration.is_none() {
            self.configure(Bytes::new()).map_err(|error| match error {
                ConfigureError::Refused { .. } => Fault::NotConfigured,
                ConfigureError::Fault(fault) => fault,
            })?;
        }
        let instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.replacement()?,
        };
        Ok(self.instance.insert(instance))
    }

    fn replacement(&self) -> Result<Instance, Fault> {
        let recipe = self.recipe(self.configuration.as_ref().ok_or(Fault::NotConfigured)?);
        let spare = if self.keeps_spare() { self.module.spare.take(&recipe) } else { None };
        spare.map_or_else(|| recipe.make(), Ok)
    }

    fn keep_spare(&self, configuration: &Bytes) {
        // The empty configuration costs nothing to load.
        if configuration.is_empty() {
            self.module.spare.forget();
        } else if self.keeps_spare() {
            self.module.spare.keep(&self.recipe(configuration));
        }
    }

    fn keeps_spare(&self) -> bool {
        self.module.engine.limits().spare
    }

    fn recipe(&self, configuration: &Bytes) -> Recipe {
        let key = Key {
            plugin: self.plugin.clone(),
            metrics: self.metrics.clone(),
            configuration: configuration.clone(),
        };
        Recipe { module: self.module.clone(), key }
    }

    fn start(&self) -> Result<Instance, Fault> {
        Instance::start(&self.module, &self.plugin, &self.metrics)
    }
}
