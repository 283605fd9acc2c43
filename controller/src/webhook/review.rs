//! One `ConversionReview`, answered. No IO.

use kube::core::Status;
use kube::core::conversion::{ConversionRequest, ConversionResponse, ConversionReview};
use postern_controller_api::convert::convert;
use serde_json::Value;

/// The answer to a review, and whether the objects were converted. They are converted all or none, in their order.
#[must_use]
pub fn answer(body: &[u8]) -> (ConversionReview, bool) {
    let review = match serde_json::from_slice::<ConversionReview>(body) {
        Ok(review) => review,
        Err(error) => {
            return refused(&format!("expected a ConversionReview of apiextensions.k8s.io/v1: {error}"));
        }
    };
    if review.types.api_version != "apiextensions.k8s.io/v1" || review.types.kind != "ConversionReview" {
        let found = format!("{} {}", review.types.api_version, review.types.kind);
        return refused(&format!("expected a ConversionReview of apiextensions.k8s.io/v1, found {found}"));
    }
    let Ok(mut request) = ConversionRequest::from_review(review) else {
        return refused("expected a ConversionReview with a request");
    };
    let objects = std::mem::take(&mut request.objects);
    let converted: Result<Vec<Value>, String> =
        objects.into_iter().map(|object| one(object, &request.desired_api_version)).collect();
    let response = ConversionResponse::for_request(request);
    match converted {
        Ok(objects) => (response.success(objects).into_review(), true),
        Err(message) => (response.failure(failure(&message)).into_review(), false),
    }
}

fn one(object: Value, desired: &str) -> Result<Value, String> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let name = match (text("/metadata/namespace"), text("/metadata/name")) {
        ("", name) => name.to_owned(),
        (namespace, name) => format!("{namespace}/{name}"),
    };
    convert(object, desired).map_err(|error| format!("{name}: {error}"))
}

fn refused(message: &str) -> (ConversionReview, bool) {
    (ConversionResponse::invalid(failure(message)).into_review(), false)
}

fn failure(message: &str) -> Status {
    Status::failure(message, "Invalid").with_code(422)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn review(objects: &Value) -> Vec<u8> {
        let request = json!({ "uid": "u1", "desiredAPIVersion": "cilium.io/v2", "objects": objects });
        let review = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": request,
        });
        review.to_string().into_bytes()
    }

    fn policy(name: &str, spec: &Value) -> Value {
        json!({
            "apiVersion": "cilium.io/v1", "kind": "CiliumNetworkPolicy",
            "metadata": { "name": name, "namespace": "ns" }, "spec": spec,
        })
    }

    #[test]
    fn objects_come_back_in_their_order() {
        let spec = json!({ "endpointSelector": {} });
        let (review, converted) = answer(&review(&json!([policy("a", &spec), policy("b", &spec)])));
        let response = review.response.unwrap();
        assert!(converted && response.result.is_success());
        assert_eq!(response.uid, "u1");
        let names: Vec<&Value> =
            response.converted_objects.iter().map(|it| &it["metadata"]["name"]).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(response.converted_objects.iter().all(|it| it["apiVersion"] == "cilium.io/v2"));
    }

    #[test]
    fn one_bad_object_is_named_and_nothing_is_converted() {
        let good = policy("good", &json!({ "endpointSelector": {} }));
        let bad = policy("bad", &json!({ "endpointSelector": {}, "ingress": 7 }));
        let (review, converted) = answer(&review(&json!([good, bad])));
        let response = review.response.unwrap();
        assert!(!converted && response.result.is_failure() && response.converted_objects.is_empty());
        assert!(response.result.message.starts_with("ns/bad: "), "{}", response.result.message);
    }

    #[test]
    fn what_is_no_review_is_refused() {
        for body in ["", "{}", "[]", r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"ConversionReview"}"#]
        {
            let (review, converted) = answer(body.as_bytes());
            assert!(!converted && review.response.unwrap().result.is_failure(), "{body}");
        }
    }
}
