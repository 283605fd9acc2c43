//! Makes a plan so, or undoes it.

use super::inspect::{Inspection, look};
use super::kernel::{Kernel, SteerError};
use super::plan::Plan;

/// Adds what is missing, in the network namespace of this thread, and tells how much that was. Nothing is changed when
/// something of somebody else's is in the way.
///
/// # Errors
/// When something is in the way, or the kernel refuses.
pub async fn apply(plan: &Plan) -> Result<usize, SteerError> {
    let kernel = Kernel::open()?;
    let found = look(&kernel, plan).await?;
    nothing_foreign(&found)?;
    let mut added = 0;
    // A rule whose table has no route yet would let packets pass by the proxy.
    for (route, presence) in &found.routes {
        if !presence.present && kernel.add_route(route).await? {
            tracing::info!("added by `ip {} route add {route}`", route.family);
            added += 1;
        }
    }
    for (rule, presence) in &found.rules {
        if !presence.present && kernel.add_rule(rule).await? {
            tracing::info!("added by `ip {} rule add {rule}`", rule.family);
            added += 1;
        }
    }
    Ok(added)
}

/// Deletes what is there, and tells how much that was. What is somebody else's stays.
///
/// # Errors
/// When the kernel refuses, or could take somebody else's rule for ours.
pub async fn remove(plan: &Plan) -> Result<usize, SteerError> {
    let kernel = Kernel::open()?;
    let found = look(&kernel, plan).await?;
    let mut deleted = 0;
    for (rule, presence) in &found.rules {
        match &presence.foreign {
            _ if !presence.present => {}
            // It deletes the first one that agrees in what we name, whatever else that one asks for.
            Some(found) => {
                return Err(SteerError::ForeignRule {
                    family: rule.family,
                    found: found.clone(),
                    wanted: *rule,
                });
            }
            None => deleted += usize::from(kernel.delete_rule(rule).await?),
        }
    }
    for (route, presence) in &found.routes {
        if presence.present {
            deleted += usize::from(kernel.delete_route(route).await?);
        }
    }
    Ok(deleted)
}

fn nothing_foreign(found: &Inspection) -> Result<(), SteerError> {
    for (rule, presence) in &found.rules {
        if let Some(found) = presence.foreign.clone() {
            return Err(SteerError::ForeignRule { family: rule.family, found, wanted: *rule });
        }
    }
    for (route, presence) in &found.routes {
        if let Some(found) = presence.foreign.clone() {
            return Err(SteerError::ForeignRoute { family: route.family, found, wanted: *route });
        }
    }
    Ok(())
}
