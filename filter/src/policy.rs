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
    quarantined: Vec<Quarantined>,
}

thread_local! {
    /// The plugins of one listener get the same bundle: it is compiled once and held once.
    static CACHE: RefCell<Vec<Cached>> = const { RefCell::new(Vec::new()) };
}

/// Compiles a bundle, or finds the one that another plugin of this machine compiled.
pub(crate) fn load(bundle: Vec<u8>) -> Result<(Rc<PolicySet>, Vec<Quarantined>), BundleError> {
    let known = CACHE.with_borrow_mut(|cache| {
        cache.retain(|cached| cached.set.strong_count() > 0);
        let cached = cache.iter().find(|cached| cached.bundle == bundle)?;
        Some((cached.set.upgrade()?, cached.quarantined.clone()))
    });
    if let Some(known) = known {
        return Ok(known);
    }
    let (set, quarantined) = decode(&bundle)?;
    let set = Rc::new(set);
    let cached = Cached { bundle, set: Rc::downgrade(&set), quarantined: quarantined.clone() };
    CACHE.with_borrow_mut(|cache| cache.push(cached));
    Ok((set, quarantined))
}
