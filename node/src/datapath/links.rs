//! Attaching programs. Every link is pinned, so it stays when the agent ends; a link that is there
//! already keeps its place, and only its program is exchanged.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::{self, File};
use std::path::Path;

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::tc::{SchedClassifierLink, SchedClassifierLinkId, TcAttachOptions};
use aya::programs::{LinkOrder, ProgramError, SchedClassifier, SkLookup, TcAttachType};

use super::error::{DatapathError, system_error};
use super::folder::{names, unpin};
use super::hook::Hook;
use super::{Datapath, device};

type Cause = Box<dyn Error + Send + Sync>;

/// While the new steering program takes over from the old one, both are attached.
const SUCCESSOR: &str = "steer-new";
/// The steering program belongs to the network namespace, not to a device.
const NAMESPACE: u32 = 0;

impl Datapath {
    /// Judges what the endpoint behind this device sends and gets. Until [`set_endpoint`] has been called
    /// for the device, everything is dropped.
    ///
    /// [`set_endpoint`]: Datapath::set_endpoint
    pub fn attach_endpoint(&mut self, ifindex: u32) -> Result<(), DatapathError> {
        Hook::ENDPOINT.into_iter().try_for_each(|hook| self.attach(hook, ifindex))
    }

    /// Steers connections that come in by this device, a link to other nodes.
    pub fn attach_uplink(&mut self, ifindex: u32) -> Result<(), DatapathError> {
        Hook::UPLINK.into_iter().try_for_each(|hook| self.attach(hook, ifindex))
    }

    /// Gives the proxy's listeners what was steered to them, in the current network namespace.
    pub fn attach_steering(&mut self) -> Result<(), DatapathError> {
        let error = |source| DatapathError::Attach { hook: Hook::Steer, ifindex: NAMESPACE, cause: source };
        let links = self.folder.links();
        let successor = links.join(SUCCESSOR);
        unpin(&successor)?;
        let pin = links.join(Hook::Steer.pin(NAMESPACE));
        let program = self.programs.program_mut(Hook::Steer.program());
        let Some(program) = program.and_then(|program| <&mut SkLookup>::try_from(program).ok()) else {
            return Err(DatapathError::Missing { what: Hook::Steer.program() });
        };
        let mut attach = || -> Result<(), Cause> {
            let namespace = File::open("/proc/thread-self/ns/net")?;
            let id = program.attach(namespace)?;
            FdLink::from(program.take_link(id)?).pin(&successor)?;
            // The old link, if there is one, goes with the pin that this replaces.
            Ok(fs::rename(&successor, &pin)?)
        };
        attach().map_err(error)
    }

    /// Lifts enforcement from a device. One that nothing is attached to is fine.
    pub fn detach(&mut self, ifindex: u32) -> Result<(), DatapathError> {
        Hook::ENDPOINT
            .into_iter()
            .chain(Hook::UPLINK)
            .try_for_each(|hook| unpin(&self.folder.links().join(hook.pin(ifindex))))
    }

    /// The devices of endpoints to which both programs are attached.
    pub fn attached(&self) -> Result<Vec<u32>, DatapathError> {
        self.with_all(Hook::ENDPOINT)
    }

    /// The links to other nodes to which both programs are attached.
    pub fn uplinks(&self) -> Result<Vec<u32>, DatapathError> {
        self.with_all(Hook::UPLINK)
    }

    fn with_all(&self, hooks: [Hook; 2]) -> Result<Vec<u32>, DatapathError> {
        let pinned = self.pinned()?;
        let devices: BTreeSet<u32> = pinned.iter().map(|(_, ifindex)| *ifindex).collect();
        let all = |ifindex: &u32| hooks.iter().all(|hook| pinned.contains(&(*hook, *ifindex)));
        Ok(devices.into_iter().filter(all).collect())
    }

    fn pinned(&self) -> Result<BTreeSet<(Hook, u32)>, DatapathError> {
        Ok(names(&self.folder.links())?.iter().filter_map(|name| Hook::of_pin(name)).collect())
    }

    /// Exchanges the programs of all links that are there, and forgets links whose device is gone.
    pub(super) fn adopt_links(&mut self) -> Result<(), DatapathError> {
        for (hook, ifindex) in self.pinned()? {
            if hook == Hook::Steer {
                self.attach_steering()?;
            } else {
                self.exchange(hook, ifindex)?;
            }
        }
        Ok(())
    }

    fn attach(&mut self, hook: Hook, ifindex: u32) -> Result<(), DatapathError> {
        if self.exchange(hook, ifindex)? {
            return Ok(());
        }
        let name = device::name(ifindex).ok_or(DatapathError::NoDevice { ifindex })?;
        let pin = self.folder.links().join(hook.pin(ifindex));
        let program = self.classifier(hook)?;
        let direction = if hook.is_ingress() { TcAttachType::Ingress } else { TcAttachType::Egress };
        // First, so that no other program lets a packet pass before it was judged.
        let order = TcAttachOptions::TcxOrder(LinkOrder::first());
        let id = program.attach_with_options(&name, direction, order);
        let error = |source| DatapathError::Attach { hook, ifindex, cause: source };
        let id = id.map_err(|source| error(source.into()))?;
        pin_link(program, id, &pin).map_err(error)
    }

    /// Exchanges the program of a pinned link; false where there is none, or its device is gone.
    fn exchange(&mut self, hook: Hook, ifindex: u32) -> Result<bool, DatapathError> {
        let pin = self.folder.links().join(hook.pin(ifindex));
        if !pin.exists() {
            return Ok(false);
        }
        let error = |source: Cause| DatapathError::Attach { hook, ifindex, cause: source };
        let program = self.classifier(hook)?;
        let link = PinnedLink::from_pin(&pin).map_err(|source| error(source.into()))?;
        let link = SchedClassifierLink::try_from(FdLink::from(link)).map_err(|why| error(why.into()))?;
        match program.attach_to_link(link) {
            // The pin keeps the link.
            Ok(id) => program.take_link(id).map(|_| true).map_err(|source| error(source.into())),
            Err(source) if system_error(&source) == Some(libc::ENOLINK) => unpin(&pin).map(|()| false),
            Err(source) => Err(error(source.into())),
        }
    }

    fn classifier(&mut self, hook: Hook) -> Result<&mut SchedClassifier, DatapathError> {
        let program = self.programs.program_mut(hook.program());
        let program = program.and_then(|program| program.try_into().ok());
        program.ok_or(DatapathError::Missing { what: hook.program() })
    }
}

fn pin_link(program: &mut SchedClassifier, id: SchedClassifierLinkId, pin: &Path) -> Result<(), Cause> {
    let link = program.take_link(id).map_err(|error: ProgramError| Cause::from(error))?;
    FdLink::try_from(link)?.pin(pin)?;
    Ok(())
}
