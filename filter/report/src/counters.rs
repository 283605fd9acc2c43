//! The names of metrics.
//!
//! Proxy-wasm has names and no labels. A label is written into the name, after a dot and before an equals sign:
//! `postern_requests_total.verdict=deny.reason=no-match.layer=L7.direction=ingress`. Our proxy reads them out of there,
//! and Envoy does with the `stats_tags` that docs/envoy.md has.

use std::fmt::{self, Write};

use crate::Subject;

/// Denials that the limit kept out of the log.
pub const DENIALS_NOT_LOGGED: &str = "postern_denials_not_logged_total";
/// The same, of what passes and would be denied.
pub const AUDITS_NOT_LOGGED: &str = "postern_audits_not_logged_total";
/// How many rules of the bundle in force match nothing.
pub const QUARANTINED: &str = "postern_rules_quarantined";

/// The counter of one kind of decision: its labels, each of a closed set.
#[derive(Debug, Clone, Copy)]
pub struct Counter<'a> {
    /// What was decided on.
    pub subject: Subject,
    /// The verdict.
    pub verdict: &'a str,
    /// The reason's stable name.
    pub reason: &'a str,
    /// Where it was decided.
    pub layer: &'a str,
    /// Whose policy decided; none where none was looked at.
    pub direction: Option<&'a str>,
    /// Of what is only tried: whether what is enforced lets pass as much.
    pub differs: Option<bool>,
}

impl fmt::Display for Counter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, verdict, reason, layer, direction, differs } = self;
        let audited = if differs.is_some() { "_audited" } else { "" };
        let direction = direction.unwrap_or("unknown");
        write!(
            f,
            "postern_{subject}s{audited}_total.verdict={verdict}.reason={reason}.layer={layer}.direction={direction}"
        )?;
        differs.map_or(Ok(()), |differs| write!(f, ".differs={differs}"))
    }
}

/// The counter of what a rule decided, by the rule's name.
#[derive(Debug, Clone, Copy)]
pub struct RuleHits<'a>(pub &'a str);

impl fmt::Display for RuleHits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postern_rule_hits_total.rule=")?;
        // Without the bytes that names are divided by, each as `%` and two digits.
        for byte in self.0.bytes() {
            match byte {
                b'.' | b'=' | b'%' | b' ' => write!(f, "%{byte:02X}")?,
                0x21..=0x7e => f.write_char(char::from(byte))?,
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_written_into_the_name() {
        let counter = Counter {
            subject: Subject::Request,
            verdict: "deny",
            reason: "no-match",
            layer: "L7",
            direction: Some("ingress"),
            differs: None,
        };
        let labels = "verdict=deny.reason=no-match.layer=L7.direction=ingress";
        assert_eq!(counter.to_string(), format!("postern_requests_total.{labels}"));
        let tried = Counter { subject: Subject::Connection, direction: None, differs: Some(true), ..counter };
        let labels = "verdict=deny.reason=no-match.layer=L7.direction=unknown.differs=true";
        assert_eq!(tried.to_string(), format!("postern_connections_audited_total.{labels}"));
    }

    #[test]
    fn a_rule_s_name_cannot_look_like_a_label() {
        assert_eq!(
            RuleHits("a.b=c d/%é").to_string(),
            "postern_rule_hits_total.rule=a%2Eb%3Dc%20d/%25%C3%A9"
        );
    }
}
