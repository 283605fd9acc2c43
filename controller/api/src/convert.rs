//! `CiliumNetworkPolicy` between `cilium.io/v1` and `cilium.io/v2`, without a change of meaning.
//!
//! In v1 the peers of all items of a direction are one gate and the ports of all items another; in v2 that is one
//! item with all peers and all ports. What v1 had written is kept in [`SOURCE`], so that it comes back as it was for
//! as long as nobody edits the policy as v2. A v2 policy that v1 cannot say is shown there as it is, under
//! [`NOT_EXPRESSIBLE`], and is not taken back.

mod annotations;
mod merge;

use serde_json::{Map, Value};

use crate::{POLICY_GROUP, POLICY_KIND};
use annotations::Annotations;

/// The annotation of a v2 policy that holds what was written as v1: every field but `metadata` and `status`, as JSON.
pub const SOURCE: &str = "postern.dev/cilium-v1-source";
/// The annotation of a v1 policy whose content is that of a v2 policy which v1 cannot say.
pub const NOT_EXPRESSIBLE: &str = "postern.dev/not-expressible-in-v1";

/// Why an object could not be converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// It is of a version or kind that is not converted here.
    #[error("cannot convert {found:?}: expected {POLICY_KIND} of {POLICY_GROUP}/v1 or {POLICY_GROUP}/v2")]
    Kind {
        /// What it is.
        found: String,
    },
    /// A field has the wrong shape, or is none of v1's.
    #[error("{field}: {problem}")]
    Field {
        /// Such as `spec.ingress[0].toPorts`.
        field: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A v2 policy that is only shown as v1 came back as v1.
    #[error(
        "this policy was written as {POLICY_GROUP}/v2 and says what {POLICY_GROUP}/v1 cannot: edit it as \
         {POLICY_GROUP}/v2 (to replace it, write it without the annotation {NOT_EXPRESSIBLE})"
    )]
    NotExpressible,
}

impl ConvertError {
    fn field(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Field { field: field.into(), problem: problem.into() }
    }
}

/// The version of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

impl Version {
    fn parse(text: &str) -> Result<Self, ConvertError> {
        match text.strip_prefix(POLICY_GROUP) {
            Some("/v1") => Ok(Self::V1),
            Some("/v2") => Ok(Self::V2),
            _ => Err(ConvertError::Kind { found: text.to_owned() }),
        }
    }
}

/// Converts an object to the version `desired`, such as `cilium.io/v2`, as a `ConversionReview` asks for it.
///
/// Of `metadata`, only annotations of Postern's own change.
///
/// # Errors
/// Says which field is wrong; the object is then not to be accepted.
pub fn convert(object: Value, desired: &str) -> Result<Value, ConvertError> {
    let Value::Object(mut object) = object else {
        return Err(ConvertError::field("object", "expected a mapping"));
    };
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (version, kind) = (text("apiVersion"), text("kind"));
    if kind != POLICY_KIND {
        return Err(ConvertError::Kind { found: format!("{version} {kind}") });
    }
    let converter = match (Version::parse(&version)?, Version::parse(desired)?) {
        (Version::V1, Version::V2) => to_v2,
        (Version::V2, Version::V1) => to_v1,
        (Version::V1, Version::V1) | (Version::V2, Version::V2) => return Ok(Value::Object(object)),
    };
    let metadata = object.get("metadata").cloned().unwrap_or_else(|| Value::Object(Map::new()));
    let mut annotations = Annotations::of(metadata)?;
    let body = take_body(&mut object);
    let body = converter(body, &mut annotations)?;
    if object.contains_key("metadata") || !annotations.is_empty() {
        object.insert("metadata".to_owned(), annotations.into_metadata());
    }
    object.insert("apiVersion".to_owned(), Value::from(desired));
    object.extend(body);
    Ok(Value::Object(object))
}

/// What a policy says: everything but what every object has. It is taken out of `object`.
fn take_body(object: &mut Map<String, Value>) -> Map<String, Value> {
    const OF_EVERY_OBJECT: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];
    let all = std::mem::take(object);
    let (common, body): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(key, _)| OF_EVERY_OBJECT.contains(&key.as_str()));
    object.extend(common);
    body.into_iter().collect()
}

fn to_v2(
    body: Map<String, Value>,
    annotations: &mut Annotations,
) -> Result<Map<String, Value>, ConvertError> {
    if annotations.has(NOT_EXPRESSIBLE) {
        return Err(ConvertError::NotExpressible);
    }
    annotations.remove(SOURCE);
    let merged = merge::body(&body)?;
    // Where both read alike nothing is lost, and nothing needs to be kept.
    if merged != body {
        annotations.set(SOURCE, &Value::Object(body).to_string());
    }
    Ok(merged)
}

fn to_v1(
    body: Map<String, Value>,
    annotations: &mut Annotations,
) -> Result<Map<String, Value>, ConvertError> {
    annotations.remove(NOT_EXPRESSIBLE);
    if let Some(source) = annotations.remove(SOURCE)
        && let Ok(Value::Object(source)) = serde_json::from_str(&source)
        // Edited since, or not ours: what is in force is what v2 says.
        && merge::body(&source).is_ok_and(|merged| merged == body)
    {
        return Ok(source);
    }
    if merge::body(&body).is_ok_and(|merged| merged == body) {
        return Ok(body);
    }
    annotations.set(NOT_EXPRESSIBLE, "its content is that of cilium.io/v2: read and edit it there");
    Ok(body)
}
