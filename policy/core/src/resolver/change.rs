//! Changes: what each of them makes dirty.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::selections::Services;
use super::{Naming, Owner, Placed, Resolver};
use crate::identity::{IdentityId, Who};
use crate::labels::LabelSet;
use crate::policy::{Policy, RuleId};
use crate::prefixes;
use crate::resolve::universe::Peer;
use crate::world::{CidrGroup, NamedPort, Node, Service, Workload, WorkloadName, World};

impl Resolver {
    /// Takes all that a world holds. What was there before under other names stays.
    pub fn set_world(&mut self, world: &World) {
        for (name, labels) in world.namespaces() {
            self.set_namespace(name, labels.clone());
        }
        self.set_api_servers(world.api_servers().iter().copied());
        world.nodes().for_each(|node| self.set_node(node.clone()));
        world.cidr_groups().for_each(|group| self.set_cidr_group(group.clone()));
        for service in world.services() {
            self.set_backends(&service.name, world.backends(&service.name));
            self.set_service(service.clone());
        }
        world.workloads().for_each(|workload| self.set_workload(workload.clone()));
    }

    /// Says what policies an object holds, all of them; none takes the object away.
    ///
    /// Objects stand in the order of their names, and so do their rules wherever no tier says otherwise.
    pub fn set_policies(&mut self, object: &RuleId, policies: Vec<Policy>) {
        if self.policies.of(object).eq(&policies) {
            return;
        }
        let prefixes: BTreeSet<IpNet> = policies.iter().flat_map(prefixes::of_policy).collect();
        let before: BTreeSet<IpNet> = self.policies.of(object).flat_map(prefixes::of_policy).collect();
        self.exchange_prefixes(&before, &prefixes);
        let (selections, subjects) = (&mut self.selections, &mut self.subjects);
        let (new, old) = self.policies.exchange(object, policies, selections, subjects);
        self.dirty.endpoints.extend(self.subjects.members_of(old.iter().copied()).cloned());
        for id in &old {
            self.dirty.policies.remove(id);
            self.policies.drop(*id, &mut self.selections, &mut self.subjects);
        }
        self.dirty.policies.extend(new);
    }

    /// Sets a workload, whether it was there or not.
    pub fn set_workload(&mut self, workload: Workload) {
        let name = workload.name.clone();
        if self.world.workload(&name) == Some(&workload) {
            return;
        }
        let before = self.world.set_workload(workload);
        self.place(&name, before.as_ref());
    }

    /// Removes a workload.
    pub fn remove_workload(&mut self, name: &WorkloadName) {
        if let Some(before) = self.world.remove_workload(name) {
            self.place(name, Some(&before));
        }
    }

    /// Sets the labels of a namespace, whether it was there or not.
    pub fn set_namespace(&mut self, name: &str, labels: BTreeMap<String, String>) {
        if self.world.set_namespace(name, labels.clone()) != Some(labels) {
            self.relabel(name);
        }
    }

    /// Removes a namespace; its workloads stay, without its labels.
    pub fn remove_namespace(&mut self, name: &str) {
        if self.world.remove_namespace(name).is_some() {
            self.relabel(name);
        }
    }

    fn relabel(&mut self, namespace: &str) {
        let workloads: Vec<Workload> = self.world.workloads_of(namespace).cloned().collect();
        for workload in workloads {
            self.place(&workload.name, Some(&workload));
        }
    }

    /// Sets a node, whether it was there or not.
    pub fn set_node(&mut self, node: Node) {
        let name = node.name.clone();
        if self.world.node(&name) != Some(&node) {
            let before = self.world.set_node(node);
            self.node_changed(&name, before);
        }
    }

    /// Removes a node.
    pub fn remove_node(&mut self, name: &str) {
        if let before @ Some(_) = self.world.remove_node(name) {
            self.node_changed(name, before);
        }
    }

    fn node_changed(&mut self, name: &str, before: Option<Node>) {
        let who = Who::Node(name.to_owned());
        let after = self.world.node(name).map(|node| node.addresses.clone());
        match (&before, &after) {
            (None, Some(_)) => self.claim(&who, &[]),
            (Some(_), None) => self.disclaim(&who, &[]),
            _ => {}
        }
        self.refresh(&who);
        let had = before.map(|node| node.addresses).unwrap_or_default();
        self.own(&Owner::Node(name.to_owned()), &had, &after.unwrap_or_default());
    }

    /// Sets a service, whether it was there or not.
    pub fn set_service(&mut self, service: Service) {
        let name = service.name.clone();
        if self.world.service(&name) != Some(&service) {
            self.world.set_service(service);
            self.service_changed(name);
        }
    }

    /// Removes a service; its backends are remembered until they are set anew.
    pub fn remove_service(&mut self, name: &WorkloadName) {
        if self.world.remove_service(name).is_some() {
            self.service_changed(name.clone());
        }
    }

    /// Says which backends a service has, all of them; none takes them away.
    pub fn set_backends(&mut self, service: &WorkloadName, backends: impl IntoIterator<Item = IpAddr>) {
        if self.world.set_backends(service, backends) {
            self.service_changed(service.clone());
        }
    }

    fn service_changed(&mut self, name: WorkloadName) {
        let service = self.world.service(&name);
        let prefixes =
            service.into_iter().flat_map(|service| prefixes::of_service(service, &self.world)).collect();
        self.dirty.services.extend([name.clone()]);
        self.name_prefixes(Naming::Service(name), &prefixes);
    }

    /// Sets a CIDR group, whether it was there or not.
    pub fn set_cidr_group(&mut self, group: CidrGroup) {
        let name = group.name.clone();
        if self.world.cidr_group(&name) != Some(&group) {
            self.world.set_cidr_group(group);
            self.group_changed(name);
        }
    }

    /// Removes a CIDR group.
    pub fn remove_cidr_group(&mut self, name: &str) {
        if self.world.remove_cidr_group(name).is_some() {
            self.group_changed(name.to_owned());
        }
    }

    fn group_changed(&mut self, name: String) {
        let group = self.world.cidr_group(&name);
        let prefixes = group.into_iter().flat_map(|group| group.prefixes.iter().copied()).collect();
        self.name_prefixes(Naming::CidrGroup(name), &prefixes);
        self.selections.groups_changed();
    }

    /// Says where API servers answer, all of them.
    pub fn set_api_servers(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        let before = self.world.set_api_servers(addresses);
        let after = self.world.api_servers().clone();
        if before == after {
            return;
        }
        self.name_prefixes(Naming::ApiServers, &after.iter().copied().map(IpNet::from).collect());
        let nodes: Vec<Who> = self.world.nodes().map(|node| Who::Node(node.name.clone())).collect();
        let others = before.symmetric_difference(&after).map(|address| Who::Cidr(IpNet::from(*address)));
        for who in nodes.into_iter().chain(others) {
            self.refresh(&who);
        }
    }

    /// Says which number somebody has, where numbers are given. Somebody without one is nobody's peer.
    ///
    /// Whose number it was before has none then.
    pub fn set_number(&mut self, who: &Who, number: Option<IdentityId>) {
        self.dirty.services = Services::Any;
        self.renumber(who, number);
    }

    /// Puts a workload among subjects, peers and owners of addresses as it is now; `before` is what it was.
    fn place(&mut self, name: &WorkloadName, before: Option<&Workload>) {
        let after = self.world.workload(name).cloned();
        let labels = after.as_ref().map(|workload| Arc::new(self.world.identity_labels(workload)));
        let placed = self.workloads.remove(name);
        let of = |labels: &Arc<LabelSet>| Who::Workloads((**labels).clone());
        // The new first: whoever stays the same keeps its number.
        if let (Some(workload), Some(labels)) = (&after, &labels) {
            self.claim(&of(labels), &workload.ports);
        }
        if let (Some(workload), Some(placed)) = (before, &placed) {
            self.disclaim(&of(&placed.labels), &workload.ports);
        }
        if let Some(subject) = placed.as_ref().and_then(|placed| placed.subject) {
            self.subjects.leave(subject, name);
        }
        if let (Some(workload), Some(labels)) = (&after, labels) {
            let policies = &self.policies;
            let selects = |id, labels: &LabelSet| {
                policies.get(id).is_some_and(|loaded| loaded.policy.selects(workload, labels))
            };
            let local = workload.cluster.is_none();
            let subject = local.then(|| self.subjects.join(&labels, name, selects));
            self.workloads.insert(name.clone(), Placed { labels, subject });
        }
        let addresses = |workload: Option<&Workload>| {
            workload.map(|workload| workload.addresses.clone()).unwrap_or_default()
        };
        self.own(&Owner::Workload(name.clone()), &addresses(before), &addresses(after.as_ref()));
        let selects =
            |service: &&Service| before.into_iter().chain(&after).any(|workload| service.selects(workload));
        let services = self.world.services_of(&name.namespace).filter(selects);
        self.dirty.services.extend(services.map(|service| service.name.clone()));
        self.dirty.endpoints.insert(name.clone());
    }

    fn own(&mut self, owner: &Owner, had: &[IpAddr], has: &[IpAddr]) {
        self.dirty.addresses = true;
        for address in had.iter().map(IpAddr::to_canonical) {
            if let Some(owners) = self.owners.get_mut(&address) {
                owners.remove(owner);
                if owners.is_empty() {
                    self.owners.remove(&address);
                }
            }
        }
        for address in has.iter().map(IpAddr::to_canonical) {
            self.owners.entry(address).or_default().insert(owner.clone());
        }
        for address in had.iter().chain(has) {
            let services = self.world.services_with_backend(address.to_canonical());
            self.dirty.services.extend(services.cloned());
        }
    }

    fn name_prefixes(&mut self, naming: Naming, prefixes: &BTreeSet<IpNet>) {
        let before = match prefixes.is_empty() {
            true => self.named.remove(&naming),
            false => self.named.insert(naming, prefixes.clone()),
        };
        self.exchange_prefixes(&before.unwrap_or_default(), prefixes);
    }

    fn exchange_prefixes(&mut self, before: &BTreeSet<IpNet>, after: &BTreeSet<IpNet>) {
        for net in after.difference(before) {
            self.claim(&Who::Cidr(*net), &[]);
        }
        for net in before.difference(after) {
            self.disclaim(&Who::Cidr(*net), &[]);
        }
    }

    fn claim(&mut self, who: &Who, ports: &[NamedPort]) {
        match self.claims.add(who, ports) {
            Some(number) => self.renumber(who, Some(number)),
            None if !ports.is_empty() => self.refresh(who),
            None => {}
        }
    }

    fn disclaim(&mut self, who: &Who, ports: &[NamedPort]) {
        if self.claims.remove(who, ports) {
            if let Some(number) = self.universe.id(who) {
                self.claims.give_back(who, number);
            }
            self.renumber(who, None);
        } else if !ports.is_empty() {
            self.refresh(who);
        }
    }

    fn renumber(&mut self, who: &Who, number: Option<IdentityId>) {
        let before = self.universe.id(who);
        if before == number || *who == Who::World {
            return;
        }
        self.dirty.addresses = true;
        for id in before.into_iter().chain(number) {
            if let Some(peer) = self.universe.remove(id) {
                self.touch(id, &peer);
            }
        }
        if let Some(id) = number {
            let peer = Peer::new(who, &self.world, self.claims.ports(who));
            self.touch(id, &peer);
            self.universe.insert(id, peer);
        }
    }

    /// Looks at somebody anew who keeps the number.
    fn refresh(&mut self, who: &Who) {
        let Some(id) = self.universe.id(who) else { return };
        let after = Peer::new(who, &self.world, self.claims.ports(who));
        let Some(before) = self.universe.peer(id).filter(|before| **before != after).cloned() else { return };
        self.touch(id, &before);
        self.touch(id, &after);
        self.universe.remove(id);
        self.universe.insert(id, after);
    }

    fn touch(&mut self, id: IdentityId, peer: &Peer) {
        self.selections.touch(id, peer, &self.universe, &self.world);
        self.dirty.ports |= !peer.ports.is_empty();
        if let Who::Node(name) = &peer.who {
            self.dirty.nodes.insert(name.clone());
        }
    }
}
