//! The policy in force, shared by the contexts that use it.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use postern_policy_core::set::PolicySet;
use postern_policy_wire::{BundleError, Quarantined, decode};

/// What a plugin enforces.
#[derive(Clone, Default)]
pub(crate) enum Policy {
    /// Nothing has been loaded yet: everything is denied.
    #[default]
    NotLoaded,
    /// The last good bundle.
    Loaded(Rc<PolicySet>),
}

struct Cached {
    bundle: Vec<u8>,
    set: Weak<PolicySet>,
}

thread_local! {
    /// The plugins of one listener get the same bundle: it is compiled once and held once.
    static CACHE: RefCell<Vec<Cached>> = const { RefCell::new(Vec::new()) };
}

/// Compiles a bundle, or finds the one that another plugin of this machine compiled.
pub(crate) fn load(bundle: Vec<u8>) -> Result<(Rc<PolicySet>, Vec<Quarantined>), BundleError> {
    let known = CACHE.with_borrow_mut(|cache| {
        cache.retain(|cached| cached.set.strong_count() > 0);
        cache.iter().find(|cached| cached.bundle == bundle).and_then(|cached| cached.set.upgrade())
    });
    if let Some(set) = known {
        // What is quarantined in it has been reported when it was compiled.
        return Ok((set, Vec::new()));
    }
    let (set, quarantined) = decode(&bundle)?;
    let set = Rc::new(set);
    CACHE.with_borrow_mut(|cache| cache.push(Cached { bundle, set: Rc::downgrade(&set) }));
    Ok((set, quarantined))
}
