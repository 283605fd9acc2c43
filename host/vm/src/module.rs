//! Compiled modules.

use std::sync::Arc;

use wasmtime::InstancePre;

use crate::cache::ModuleCache;
use crate::component::{self, Asked, PolicyPre};
use crate::engine::Engine;
use crate::host::Host;
use crate::imports;
use crate::shared::SharedData;
use crate::spare::Spare;

/// How the guest is addressed: one module serves connections and requests under two root ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// Its name in logs and in the property `plugin_name`.
    pub name: String,
    /// The property `plugin_vm_id`.
    pub vm_id: String,
    /// The root id that decides connections; without one, every connection goes on to its requests.
    pub connection_root: Option<String>,
    /// The root id that decides requests.
    pub http_root: String,
}

/// A module or a component that is compiled and linked: instances of it start in microseconds.
#[derive(Clone)]
pub struct Module {
    pub(crate) engine: Engine,
    pub(crate) code: Code,
    pub(crate) shared: Arc<SharedData>,
    pub(crate) spare: Arc<Spare>,
}

/// What was compiled.
#[derive(Clone)]
pub(crate) enum Code {
    /// A proxy-wasm module.
    Module(InstancePre<Host>),
    /// A component of the world `postern:policy/policy`.
    Component(PolicyPre<Asked>),
}

/// The module cannot be used as a filter.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// Not WebAssembly, or not valid.
    #[error("not a valid WebAssembly module: {0}")]
    NotWasm(String),
    /// An export that every filter must have.
    #[error("the module does not export `{0}`: expected a proxy-wasm module of ABI 0.2.0 or 0.2.1")]
    MissingExport(&'static str),
    /// An import that this host does not have.
    #[error("the module imports `{module}.{name}`, which proxy-wasm 0.2.1 and WASI preview 1 do not have")]
    UnknownImport {
        /// The module of the import.
        module: String,
        /// Its name.
        name: String,
    },
    /// Not a component of the world that this host knows.
    #[error("not a component of the world `postern:policy/policy@0.1.0`: {0}")]
    WrongWorld(String),
    /// An import or export of another type than the ABI says.
    #[error("the module does not fit the proxy-wasm ABI 0.2.1: {0}")]
    WrongType(String),
}

impl Module {
    /// Compiles and links a proxy-wasm module or a component of the world `postern:policy/policy`: which of the two it
    /// is, its header says. Takes 0.4 to 2 s for one of 1 MB.
    ///
    /// # Errors
    /// When it is neither, or needs something that this host does not have.
    pub fn compile(engine: &Engine, bytes: &[u8]) -> Result<Self, CompileError> {
        if component::is_component(bytes) {
            return Ok(Self::of(engine, Code::Component(component::compile(engine, bytes)?)));
        }
        Self::link(engine, &from_binary(engine, bytes)?)
    }

    /// The same, by way of a cache: takes milliseconds where the module is in it, and it is in it afterwards. A component is compiled, always.
    ///
    /// # Errors
    /// When it is nothing that this host can run. What is wrong with the cache is only logged.
    pub fn cached(engine: &Engine, bytes: &[u8], cache: &ModuleCache) -> Result<Self, CompileError> {
        if component::is_component(bytes) {
            return Self::compile(engine, bytes);
        }
        if let Some(module) = cache.get(engine, bytes) {
            return Self::link(engine, &module);
        }
        let compiled = from_binary(engine, bytes)?;
        cache.put(engine, bytes, &compiled);
        // Loaded as at every later start: what was stored is shown to work.
        Self::link(engine, &cache.get(engine, bytes).unwrap_or(compiled))
    }

    fn link(engine: &Engine, module: &wasmtime::Module) -> Result<Self, CompileError> {
        for alternatives in REQUIRED {
            if !alternatives.iter().any(|name| module.get_export(name).is_some()) {
                return Err(CompileError::MissingExport(alternatives.first().copied().unwrap_or_default()));
            }
        }
        let linker = imports::linker(engine.wasm()).map_err(|e| CompileError::WrongType(format!("{e:#}")))?;
        let pre = linker.instantiate_pre(module).map_err(|error| unlinkable(&error))?;
        Ok(Self::of(engine, Code::Module(pre)))
    }

    fn of(engine: &Engine, code: Code) -> Self {
        Self { engine: engine.clone(), code, shared: Arc::default(), spare: Arc::default() }
    }

    /// The engine that compiled it.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

fn from_binary(engine: &Engine, bytes: &[u8]) -> Result<wasmtime::Module, CompileError> {
    wasmtime::Module::from_binary(engine.wasm(), bytes)
        .map_err(|error| CompileError::NotWasm(format!("{error:#}")))
}

/// Exports that must be there, each with the names that it may have. A module without `proxy_on_request_headers` would
/// let everything pass.
const REQUIRED: [&[&str]; 5] = [
    &["proxy_abi_version_0_2_1", "proxy_abi_version_0_2_0"],
    &["memory"],
    &["proxy_on_memory_allocate", "malloc"],
    &["proxy_on_context_create"],
    &["proxy_on_request_headers"],
];

fn unlinkable(error: &wasmtime::Error) -> CompileError {
    match error.downcast_ref::<wasmtime::UnknownImportError>() {
        Some(unknown) => {
            CompileError::UnknownImport { module: unknown.module().into(), name: unknown.name().into() }
        }
        None => CompileError::WrongType(format!("{error:#}")),
    }
}
