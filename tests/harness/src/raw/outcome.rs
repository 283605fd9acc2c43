//! What came of a request.

/// Header fields in the order in which they came. Names are lower case, values are bytes.
pub type Headers = Vec<(String, Vec<u8>)>;

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawOutcome {
    /// A whole response.
    Response {
        /// The status code.
        status: u16,
        /// The header fields.
        headers: Headers,
        /// The body, with its chunks put together.
        body: Vec<u8>,
    },
    /// The server closed the connection before any byte.
    Closed,
    /// The server reset the connection before any byte. A server that closes without having read all of
    /// the request causes this too: see [`RawOutcome::is_unanswered`].
    Reset,
    /// Nobody listens at the address.
    Refused,
    /// No whole response came before the deadline.
    Timeout,
    /// Bytes came which are not a whole response.
    Broken {
        /// What came.
        received: Vec<u8>,
        /// Why it is not a response.
        why: String,
    },
    /// The request could not be sent: this machine's fault, or the test's.
    Failed(String),
}

impl RawOutcome {
    /// The status, if there was a response.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            RawOutcome::Response { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The body, empty if there was no response.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        match self {
            RawOutcome::Response { body, .. } => body,
            _ => &[],
        }
    }

    /// The first value of the header `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let RawOutcome::Response { headers, .. } = self else { return None };
        let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_slice())
    }

    /// Whether the server accepted the connection and ended it before any byte. Whether that shows as an
    /// end or as a reset depends on what the server had read by then, and is not to be relied on.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        matches!(self, RawOutcome::Closed | RawOutcome::Reset)
    }
}
