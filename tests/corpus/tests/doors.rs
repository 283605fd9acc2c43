//! What every door to the core, present or to come, relies on.

use postern_policy_core::decide::Decision;
use postern_policy_core::set::PolicySet;

#[test]
fn a_policy_set_is_a_value_that_threads_may_share() {
    fn shared<T: Send + Sync>() {}
    shared::<PolicySet>();
    shared::<Decision<'static>>();
}
