//! The annotation that says how a workload reads paths: `8080=envoy,9000-9010=raw`.

use crate::port::{PortRange, Protocol, ProtocolMatch};

use super::Profile;

/// The annotation of a pod, or of what stands for one.
pub const PROFILE_ANNOTATION: &str = "postern.dev/path-profile";

/// Why the annotation says nothing. Then every port is read strictly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{PROFILE_ANNOTATION}: {entry:?} is not a port and its profile: expected entries such as 8080=envoy or 9000-9010=raw, \
     separated by commas, every port once"
)]
pub struct ProfileError {
    /// The entry that cannot be read.
    pub entry: String,
}

/// Reads the annotation. One that cannot be read as a whole says nothing at all.
///
/// # Errors
/// If an entry is not a port or a range of ports, `=` and a profile, or speaks of a port that an earlier one has.
pub fn parse_profiles(text: &str) -> Result<Vec<(PortRange, Profile)>, ProfileError> {
    let mut profiles: Vec<(PortRange, Profile)> = Vec::new();
    for given in text.split(',') {
        let wrong = || ProfileError { entry: given.chars().take(64).collect() };
        let (ports, profile) = entry(given.trim()).ok_or_else(wrong)?;
        if profiles.iter().any(|(known, _)| known.first <= ports.last && ports.first <= known.last) {
            return Err(wrong());
        }
        profiles.push((ports, profile));
    }
    Ok(profiles)
}

fn entry(text: &str) -> Option<(PortRange, Profile)> {
    let (ports, profile) = text.split_once('=')?;
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let (first, last) = (number(first)?, number(last)?);
    let range = PortRange { protocol: ProtocolMatch::Only(Protocol::Tcp), first, last };
    (first <= last).then_some((range, Profile::parse(profile)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&[(u16, u16, Profile)]>) {
        let read = parse_profiles(text).ok();
        let read: Option<Vec<_>> = read
            .map(|read| read.iter().map(|(ports, profile)| (ports.first, ports.last, *profile)).collect());
        assert_eq!(read.as_deref(), expected, "{text}");
    }

    #[test]
    fn ports_and_their_profiles() {
        check("8080=envoy", Some(&[(8080, 8080, Profile::Envoy)]));
        check("80=strict, 9000-9010=raw", Some(&[(80, 80, Profile::Strict), (9000, 9010, Profile::Raw)]));
    }

    #[test]
    fn what_cannot_be_read_as_a_whole_says_nothing() {
        for text in [
            "",
            "envoy",
            "80",
            "80=",
            "80=Envoy",
            "0=raw",
            "=raw",
            "80-=raw",
            "90-80=raw",
            "80=raw,",
            "65536=raw",
            "80=raw,x",
            "80-90=raw,85=envoy",
        ] {
            check(text, None);
        }
    }
}
