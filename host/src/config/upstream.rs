//! What the proxy stands in front of.

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// A reverse proxy: to one server, whatever the client connected to.
    Fixed(FixedUpstream),
    /// A transparent proxy: to the server that the client meant.
    Original(Transparent),
}

/// A proxy that neither end knows of.
///
/// The kernel hands it connections to any address, by a socket lookup program that is given the listening sockets; see
/// `Proxy::listeners`. They are bound to loopback addresses, so nothing but the kernel reaches them: a connection that
/// was really made to them is closed. Upstream connections come from the client's address, go where the client's went,
/// and speak the HTTP that the client speaks. Requests are changed no more than any HTTP proxy must; the upstream sees
/// the client's address itself, so nothing is added to `x-forwarded-for`.
///
/// This takes `CAP_NET_ADMIN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transparent {
    /// The firewall mark of upstream connections, by which the kernel tells them from the client's own.
    pub mark: u32,
}

/// One server, by host name or address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedUpstream {
    address: String,
    protocol: Protocol,
}

/// What the upstream speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 with prior knowledge, as plain-text gRPC servers do.
    Http2,
}

/// Not an upstream's address.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not an upstream address: expected HOST:PORT, such as 127.0.0.1:8080, [::1]:8080 or app:80")]
pub struct UpstreamAddressError(String);

impl Upstream {
    /// A fixed upstream by `host:port`. A name is looked up each time a connection is made.
    ///
    /// # Errors
    /// When the text is not of that form.
    pub fn new(address: &str, protocol: Protocol) -> Result<Self, UpstreamAddressError> {
        FixedUpstream::new(address, protocol).map(Self::Fixed)
    }

    /// The servers that clients meant. `mark` goes on every upstream connection.
    #[must_use]
    pub fn original(mark: u32) -> Self {
        Self::Original(Transparent { mark })
    }
}

impl FixedUpstream {
    /// An upstream by `host:port`. A name is looked up each time a connection is made.
    ///
    /// # Errors
    /// When the text is not of that form.
    pub fn new(address: &str, protocol: Protocol) -> Result<Self, UpstreamAddressError> {
        let error = || UpstreamAddressError(address.to_owned());
        let (host, port) = address.rsplit_once(':').ok_or_else(error)?;
        let bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        if host.is_empty() || bare_v6 || !port.parse::<u16>().is_ok_and(|port| port != 0) {
            return Err(error());
        }
        Ok(Self { address: address.to_owned(), protocol })
    }

    /// `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_has_host_and_port() {
        for good in ["127.0.0.1:80", "[::1]:8080", "app.default.svc:80"] {
            assert!(Upstream::new(good, Protocol::Http1).is_ok(), "{good}");
        }
        for bad in ["", "app", "app:", ":80", "::1:80", "app:0", "app:65536", "http://app"] {
            assert!(Upstream::new(bad, Protocol::Http1).is_err(), "{bad}");
        }
    }
}
