//! How a box is made.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::run::RunId;
use crate::services::ServiceProxy;

/// Which proxy enforces HTTP rules on the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Engine {
    /// `postern proxy`
    #[default]
    Bundled,
    /// Envoy, configured by the controller
    Envoy,
}

/// How a box is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// The `postern-cluster` program: the pods' built-in images are in it.
    pub program: PathBuf,
    /// Which run; none takes one that is free.
    pub run: Option<RunId>,
    /// How many nodes.
    pub nodes: u8,
    /// Whether controller, agents and proxies run. Without them it is a plain cluster without policy.
    pub daemons: bool,
    /// Which proxy.
    pub engine: Engine,
    /// Who translates service addresses. Without daemons, nftables does.
    pub services: ServiceProxy,
    /// Manifests (accounts, rules) that are applied before the daemons start.
    pub manifests: Vec<PathBuf>,
    /// The service account, in postern-system, that the controller is. None: the administrator.
    pub controller_account: Option<String>,
    /// Whether each step that takes long is announced on standard error.
    pub progress: bool,
    /// Whether the box is that of `up`, and stays when the command has ended.
    pub detached: bool,
}

impl Options {
    /// Two nodes with everything.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Options {
        Options {
            program: program.into(),
            run: None,
            nodes: 2,
            daemons: true,
            engine: Engine::Bundled,
            services: ServiceProxy::None,
            manifests: Vec::new(),
            controller_account: None,
            progress: false,
            detached: false,
        }
    }
}
