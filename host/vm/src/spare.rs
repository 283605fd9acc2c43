//! One instance made ahead, so that a fault does not cost a request the loading of the rules.
//!
//! All VMs of a module share it: faults are rare, and every instance holds the rules once more. Whoever takes it has the
//! next one made, on a thread that lives as long as that takes.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::Bytes;

use crate::either::Instance;
use crate::fault::Fault;
use crate::instance::NotTaken;
use crate::metrics::MetricsStore;
use crate::module::{Module, Plugin};

/// What a configured instance is made of.
#[derive(Clone)]
pub(crate) struct Recipe {
    pub(crate) module: Module,
    pub(crate) key: Key,
}

/// What tells apart the instances of one module.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) plugin: Arc<Plugin>,
    pub(crate) metrics: Arc<MetricsStore>,
    pub(crate) configuration: Bytes,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.plugin, &other.plugin)
            && Arc::ptr_eq(&self.metrics, &other.metrics)
            && self.configuration == other.configuration
    }
}

impl Recipe {
    pub(crate) fn make(&self) -> Result<Instance, Fault> {
        let mut instance = Instance::start(&self.module, &self.key.plugin, &self.key.metrics)?;
        match instance.configure(&self.key.configuration) {
            Ok(()) => Ok(instance),
            Err(NotTaken::Refused(reason) | NotTaken::HalfRefused(reason)) => Err(Fault::NotStarted(reason)),
            Err(NotTaken::Fault(fault)) => Err(fault),
        }
    }
}

/// The spare of one module.
#[derive(Default)]
pub(crate) struct Spare {
    state: Mutex<State>,
    /// Notified when the thread has made one, or has failed to.
    made: Condvar,
}

#[derive(Default)]
struct State {
    /// What the latest configuration makes.
    wanted: Option<Key>,
    ready: Option<Instance>,
    /// What the thread makes, while there is one.
    making: Option<Key>,
}

impl Spare {
    /// From now on keeps what this recipe makes; an older one goes.
    pub(crate) fn keep(self: &Arc<Self>, recipe: &Recipe) {
        let mut state = self.lock();
        let known = state.wanted.as_ref() == Some(&recipe.key);
        let old = if known { None } else { state.ready.take() };
        state.wanted = Some(recipe.key.clone());
        if state.ready.is_none() {
            self.start(&mut state, recipe);
        }
        drop(state);
        drop(old);
    }

    /// Keeps nothing any more.
    pub(crate) fn forget(&self) {
        let mut state = self.lock();
        state.wanted = None;
        let old = state.ready.take();
        drop(state);
        drop(old);
    }

    /// Hands over the spare, if it is what this recipe makes, waiting for it if it is being made.
    pub(crate) fn take(self: &Arc<Self>, recipe: &Recipe) -> Option<Instance> {
        let mut state = self.lock();
        if state.wanted.as_ref() != Some(&recipe.key) {
            return None;
        }
        while state.ready.is_none() && state.making.as_ref() == Some(&recipe.key) {
            // Bounded: the guest has a time limit on its start.
            state = self.made.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.wanted.as_ref() != Some(&recipe.key) {
            return None;
        }
        let ready = state.ready.take();
        // Also where there was none: the thread may have failed over what was for once.
        self.start(&mut state, recipe);
        ready
    }

    /// Has one made, unless that is under way.
    fn start(self: &Arc<Self>, state: &mut State, recipe: &Recipe) {
        if state.making.is_some() {
            // It looks at what is wanted when it is done. What it cannot make, whoever needs it makes.
            return;
        }
        state.making = Some(recipe.key.clone());
        let (this, recipe) = (self.clone(), recipe.clone());
        let started = thread::Builder::new().name("wasm-spare".into()).spawn(move || this.make(recipe));
        if let Err(error) = started {
            tracing::warn!(%error, "no thread for a spare instance of the filter: a fault will cost a reload");
            state.making = None;
        }
    }

    fn make(&self, mut recipe: Recipe) {
        // Ends: a round follows only where another configuration has come meanwhile.
        loop {
            let made = recipe.make();
            if let Err(fault) = &made {
                tracing::warn!(%fault, "a spare instance of the filter could not be made");
            }
            let mut state = self.lock();
            let next = state.wanted.clone().filter(|wanted| *wanted != recipe.key);
            let unused = match next.is_none() && state.wanted.is_some() && state.ready.is_none() {
                true => {
                    state.ready = made.ok();
                    None
                }
                false => made.ok(),
            };
            state.making.clone_from(&next);
            self.made.notify_all();
            drop(state);
            drop(unused);
            match next {
                Some(key) => recipe.key = key,
                None => return,
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
