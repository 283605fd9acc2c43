//! Every fault denies one call, and the next one works.

use std::time::{Duration, Instant};

use super::guests::obedient;
use super::{Fault, body, request, start};
use crate::RequestOutcome;

#[test]
fn after_a_fault_the_next_request_works() {
    let mut vm = start(&obedient());
    vm.configure("good".into()).unwrap();
    for (path, name) in [
        ("/t", "trapped"),
        ("/l", "timed_out"),
        ("/m", "out_of_memory"),
        ("/p", "paused"),
        ("/b", "bad_action"),
        ("/e", "exited"),
    ] {
        let started = Instant::now();
        let fault = request(&mut vm, path).unwrap_err();
        assert_eq!(fault.name(), name, "{fault}");
        assert!(started.elapsed() < Duration::from_secs(2), "{path} took {:?}", started.elapsed());
        assert_eq!(vm.consecutive_faults(), 1);
        assert_eq!(body(request(&mut vm, "/r")), b"g", "{path} cost the configuration");
        assert_eq!(vm.consecutive_faults(), 0);
    }
    assert_eq!(vm.faults(), 6);
}

#[test]
fn headers_survive_a_fault() {
    let mut vm = start(&obedient());
    let mut headers = super::headers("/t");
    vm.on_request(&std::sync::Arc::new(super::info()), &mut headers, true).unwrap_err();
    assert_eq!(headers, super::headers("/t"));
}

#[test]
fn a_guest_that_fails_ten_times_is_held_back_until_it_is_configured() {
    let mut vm = start(&obedient());
    for _ in 0..10 {
        assert!(matches!(request(&mut vm, "/t"), Err(Fault::Trapped(_))));
    }
    assert!(vm.failed());
    assert_eq!(request(&mut vm, "/ok").unwrap_err(), Fault::Failed);
    vm.configure("new".into()).unwrap();
    assert!(matches!(request(&mut vm, "/ok"), Ok(RequestOutcome::Continue { changed: false })));
}
