//! The policy in force, shared by the contexts that use it.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use postern_policy_core::set::PolicySet;
use postern_policy_wire::{BundleError, Loaded, Report};

/// What a plugin enforces.
#[derive(Clone, Default)]
pub(crate) enum Policy {
    /// Nothing has been loaded yet: everything is denied.
    #[default]
    NotLoaded,
    /// The last good bundle.
    Loaded(Rc<Loaded>),
}

impl Policy {
    pub(crate) fn set(&self) -> Option<&PolicySet> {
        match self {
            Self::NotLoaded => None,
            Self::Loaded(loaded) => Some(&loaded.set),
        }
    }

    pub(crate) fn report(&self) -> Report {
        match self {
            Self::NotLoaded => Report::default(),
            Self::Loaded(loaded) => loaded.report.clone(),
        }
    }
}

thread_local! {
    /// The plugins of one listener get the same bundle: it is compiled once and held once. An update finds here
    /// the parts that it does not change.
    static CACHE: RefCell<Vec<Weak<Loaded>>> = const { RefCell::new(Vec::new()) };
}

/// Compiles a bundle, or finds the one that another plugin of this machine compiled.
pub(crate) fn load(bundle: Vec<u8>) -> Result<Rc<Loaded>, BundleError> {
    let known: Vec<Rc<Loaded>> = CACHE.with_borrow_mut(|cache| {
        cache.retain(|cached| cached.strong_count() > 0);
        cache.iter().filter_map(Weak::upgrade).collect()
    });
    if let Some(same) = known.iter().find(|known| known.bundle() == bundle) {
        return Ok(Rc::clone(same));
    }
    let loaded = Rc::new(Loaded::new(bundle, known.iter().map(Rc::as_ref))?);
    CACHE.with_borrow_mut(|cache| cache.push(Rc::downgrade(&loaded)));
    Ok(loaded)
}
