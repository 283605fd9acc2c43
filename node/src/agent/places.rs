//! Which device each endpoint has. One that is wanted and was found once keeps its device while that exists: a route
//! that flaps or a look-up that fails takes no policy away.

use std::collections::HashMap;

use postern_policy_core::world::WorkloadName;

use super::desired::{Desired, DesiredEndpoint};
use super::reconcile::{AgentConfig, Problem, state};
use crate::datapath::{Datapath, EndpointState};
use crate::devices::{DeviceError, Devices};

/// The device of each endpoint, as it was found last.
#[derive(Debug, Default)]
pub(super) struct Places(HashMap<WorkloadName, u32>);

/// What was found out.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The device of each endpoint that has one.
    pub(super) devices: HashMap<WorkloadName, u32>,
    /// Look-ups that failed.
    pub(super) failed: Vec<DeviceError>,
}

impl Places {
    /// Looks for the devices of all endpoints.
    ///
    /// # Errors
    /// When nothing can be said of any.
    pub(super) async fn find(
        &self,
        config: &AgentConfig,
        datapath: &Datapath,
        devices: &Devices,
        desired: &Desired,
    ) -> Result<Found, Problem> {
        let routes = devices.host_routes().await?;
        let mut found = Found::default();
        for (name, endpoint) in &desired.endpoints {
            let device = match config.devices.get(name) {
                Some(device) => match devices.index(device).await {
                    Ok(device) => Some(device),
                    Err(DeviceError::NoDevice(_)) => None,
                    Err(error) => {
                        found.failed.push(error);
                        None
                    }
                },
                None => endpoint.addresses.iter().find_map(|address| routes.get(address).copied()),
            };
            found.devices.extend(device.map(|device| (name.clone(), device)));
        }
        let known: Vec<EndpointState> =
            datapath.status()?.endpoints.into_iter().map(|endpoint| endpoint.state).collect();
        for (name, endpoint) in &desired.endpoints {
            if found.devices.contains_key(name) {
                continue;
            }
            let had = self.had(name, endpoint, &known);
            let free = had.filter(|device| !found.devices.values().any(|taken| taken == device));
            let Some(device) = free else { continue };
            match devices.exists(device).await {
                Ok(false) => continue,
                Ok(true) => {}
                // Its record does no harm where there is no device.
                Err(error) => found.failed.push(error),
            }
            found.devices.insert(name.clone(), device);
        }
        Ok(found)
    }

    /// The device at which an endpoint is in force. What an earlier agent left has no name: its addresses tell.
    fn had(&self, name: &WorkloadName, endpoint: &DesiredEndpoint, known: &[EndpointState]) -> Option<u32> {
        let mut records = known.iter();
        let record = match self.0.get(name) {
            Some(device) => records.find(|record| record.ifindex == *device),
            None => records.find(|record| {
                let nameless = !self.0.values().any(|device| *device == record.ifindex);
                nameless && state(endpoint, record.ifindex).0 == **record
            }),
        };
        record.map(|record| record.ifindex)
    }

    /// Remembers what was found.
    pub(super) fn keep(&mut self, devices: HashMap<WorkloadName, u32>) {
        self.0 = devices;
    }
}
