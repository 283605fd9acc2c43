//! The leader tells clients and the API server by which CA they know the controller.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use postern_controller_api::crd::{Webhook, WebhookServer};
use tokio::sync::watch;

use crate::crds::point_to;
use crate::lease::Role;
use crate::status::changed;
use crate::tls::{Material, publish};

/// How often it is compared with what the API server has.
const INTERVAL: Duration = Duration::from_secs(60);
const RETRY: Duration = Duration::from_secs(2);
const WITHIN: Duration = Duration::from_secs(10);

/// Publishes the CA.
pub(crate) struct Publisher {
    pub(crate) client: Client,
    pub(crate) namespace: String,
    pub(crate) server: WebhookServer,
    pub(crate) material: watch::Receiver<Arc<Material>>,
    pub(crate) role: watch::Receiver<Role>,
}

impl Publisher {
    pub(crate) async fn run(mut self) -> Infallible {
        loop {
            let material = self.material.borrow_and_update().clone();
            let mut pause = INTERVAL;
            if self.role.borrow_and_update().leader {
                let once = tokio::time::timeout(WITHIN, self.once(&material)).await;
                if !once.unwrap_or_else(|_| {
                    tracing::warn!("the CA could not be published within {WITHIN:?}");
                    false
                }) {
                    pause = RETRY;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = changed(&mut self.material) => {}
                () = changed(&mut self.role) => {}
            }
        }
    }

    async fn once(&self, material: &Material) -> bool {
        let webhook =
            Webhook { server: self.server.clone(), ca_bundle: Some(material.ca.clone().into_bytes()) };
        let crd = point_to(&self.client, &webhook).await;
        let map = publish(&self.client, &self.namespace, &material.ca).await;
        if matches!(crd, Ok(true)) || matches!(map, Ok(true)) {
            tracing::info!("the CA is published");
        }
        if let Err(error) = &crd {
            tracing::warn!(%error, "the conversion webhook is not announced");
        }
        if let Err(error) = &map {
            tracing::warn!(%error, "nodes are not told of the CA");
        }
        crd.is_ok() && map.is_ok()
    }
}
