//! The conditions of a policy. No IO, no clock.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use postern_controller_api::status::{ENFORCED, QUARANTINED, VALID};
use postern_controller_index::{InForce, PolicyStatus};

/// The conditions that say this of a policy, over those that it has. A time is that of the last change of a
/// condition's status, as Kubernetes wants it.
#[must_use]
pub(crate) fn conditions(current: &[Condition], status: &PolicyStatus, now: &Time) -> Vec<Condition> {
    let (valid, reason, message) = match &status.valid {
        Ok(()) => (true, "Compiled", "the policy was read".to_owned()),
        Err(problem) => {
            let reason = match status.in_force {
                InForce::LastGood => "InvalidLastGoodInForce",
                InForce::Closed => "InvalidClosed",
                InForce::Current | InForce::Nothing => "Invalid",
            };
            (false, reason, format!("{problem}; {}", status.in_force.describe()))
        }
    };
    let PolicyStatus { selected, enforced, .. } = status;
    let (complete, enforced_reason, count) = match enforced == selected {
        _ if status.audited => (false, "Audited", format!("0/{selected}")),
        true => (true, "Acknowledged", format!("{enforced}/{selected}")),
        false => (false, "Waiting", format!("{enforced}/{selected}")),
    };
    let (quarantined, quarantined_reason, rules) = match &status.quarantined {
        Some(rules) => (true, "NotEnforced", rules.clone()),
        None => (false, "None", "every rule is enforced as it is written".to_owned()),
    };
    let mut wanted = vec![
        condition(status, VALID, valid, reason, message),
        condition(status, ENFORCED, complete, enforced_reason, count),
        condition(status, QUARANTINED, quarantined, quarantined_reason, rules),
    ];
    for wanted in &mut wanted {
        let old = current.iter().find(|old| old.type_ == wanted.type_ && old.status == wanted.status);
        wanted.last_transition_time = old.map_or_else(|| now.clone(), |old| old.last_transition_time.clone());
    }
    wanted
}

fn condition(status: &PolicyStatus, type_: &str, holds: bool, reason: &str, message: String) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: if holds { "True" } else { "False" }.to_owned(),
        reason: reason.to_owned(),
        message,
        observed_generation: Some(status.generation),
        last_transition_time: Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
    }
}

/// What people should hear of when `current` becomes `next`: a policy that became invalid, or is so in another way.
#[must_use]
pub(crate) fn verdict_changed<'a>(current: &[Condition], next: &'a [Condition]) -> Option<&'a Condition> {
    let valid = next.iter().find(|next| next.type_ == VALID && next.status == "False")?;
    let same =
        |old: &Condition| old.type_ == VALID && old.status == valid.status && old.message == valid.message;
    (!current.iter().any(same)).then_some(valid)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::jiff::Timestamp;
    use postern_controller_index::{PolicyKey, PolicyKind};

    use super::*;

    fn status(valid: Result<(), String>, enforced: usize) -> PolicyStatus {
        PolicyStatus {
            key: PolicyKey { kind: PolicyKind::Cnp, namespace: "ns".to_owned(), name: "p".to_owned() },
            uid: "u".to_owned(),
            generation: 4,
            valid,
            in_force: InForce::Current,
            quarantined: None,
            audited: false,
            selected: 2,
            enforced,
        }
    }

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn a_time_moves_with_the_status_only() {
        let first = conditions(&[], &status(Ok(()), 0), &at(1));
        let [valid, enforced, quarantined] = first.as_slice() else { panic!("three") };
        assert_eq!((quarantined.type_.as_str(), quarantined.status.as_str()), ("Quarantined", "False"));
        assert_eq!((valid.status.as_str(), enforced.status.as_str()), ("True", "False"));
        assert_eq!(enforced.message, "0/2");

        let second = conditions(&first, &status(Ok(()), 1), &at(2));
        assert_eq!((second[1].message.as_str(), &second[1].last_transition_time), ("1/2", &at(1)));

        let third = conditions(&second, &status(Ok(()), 2), &at(3));
        assert_eq!((third[1].status.as_str(), &third[1].last_transition_time), ("True", &at(3)));
        assert_eq!(third[0], first[0]);
        assert_eq!(conditions(&third, &status(Ok(()), 2), &at(9)), third);
    }

    #[test]
    fn what_is_not_enforced_is_said() {
        let audited = PolicyStatus { audited: true, ..status(Ok(()), 2) };
        let [_, enforced, _] = conditions(&[], &audited, &at(1)).try_into().unwrap();
        assert_eq!((enforced.status.as_str(), enforced.reason.as_str()), ("False", "Audited"));
        assert_eq!(enforced.message, "0/2");
        let rules = Some("cnp/ns/p/egress/0: names are not enforced yet".to_owned());
        let quarantined = PolicyStatus { quarantined: rules.clone(), ..status(Ok(()), 2) };
        let [_, _, condition] = conditions(&[], &quarantined, &at(1)).try_into().unwrap();
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("True", "NotEnforced"));
        assert_eq!(Some(condition.message), rules);
    }

    #[test]
    fn a_new_fault_is_news_once() {
        let good = conditions(&[], &status(Ok(()), 0), &at(1));
        let bad = conditions(&good, &status(Err("spec: wrong".to_owned()), 0), &at(2));
        assert_eq!(verdict_changed(&[], &good), None);
        assert!(verdict_changed(&good, &bad).is_some_and(|it| it.message.starts_with("spec: wrong")));
        assert_eq!(verdict_changed(&bad, &bad), None);
        let worse = conditions(&bad, &status(Err("spec: worse".to_owned()), 0), &at(3));
        assert!(verdict_changed(&bad, &worse).is_some());
    }
}
