//! The tutorial with one network namespace for each workload: `postern node` and `postern proxy` as anybody runs them.

mod inside;
mod namespaces;
mod node;

use anyhow::Context;

use super::story::{self, AFTER, BEFORE, OTHER_PORT, Request};
use super::world::{APP1, DemoWorld, POLICY};
use super::{Answer, Record, Teller};
use namespaces::{Namespaces, PREFIX};
use node::Node;

pub(super) use inside::InsideArgs;

/// Runs the story.
pub(super) fn tell(teller: &Teller) -> anyhow::Result<Vec<Record>> {
    let world = DemoWorld::load_at(PREFIX)?;
    teller.say(&format!(
        "{}\nReal packets between network namespaces, real programs in the kernel, the real proxy.\n\n{}\n",
        teller.style.bold("Applying HTTP security rules: the tutorial, in network namespaces"),
        teller.style.bold("Step 1: deploy the demo app"),
    ))?;
    let namespaces = Namespaces::create(&world)?;
    for name in ["app1", "app2", "app3"] {
        teller.say(&format!(
            "  {name}  {}  id={name}  namespace {}\n",
            world.address(name)?,
            namespaces.pod(name)
        ))?;
    }
    teller.say("starting app1, postern node and postern proxy …\n")?;
    let node = Node::start(&namespaces, &world.node_bundle(&[])?)?;
    teller.say("\nWithout a policy, all may reach all:\n\n")?;
    let mut records = Vec::new();
    for request in BEFORE {
        records.push(ask(teller, &world, &namespaces, request, &[])?);
    }
    teller.say(&story::policy(teller.style, POLICY))?;
    let policies = DemoWorld::policies()?;
    node.load(&world.node_bundle(&policies)?)?;
    teller.say(&format!(
        "The kernel and the proxy took it over while they run.\n\n{}\n\n",
        teller.style.bold("Step 3: test the policy")
    ))?;
    for request in AFTER.iter().chain([&OTHER_PORT]) {
        records.push(ask(teller, &world, &namespaces, request, &policies)?);
    }
    teller.say(&teller.style.bold("What the kernel says of it:"))?;
    teller.say(&format!("\n{}\n", node.drops()?))?;
    Ok(records)
}

fn ask(
    teller: &Teller,
    world: &DemoWorld,
    namespaces: &Namespaces,
    request: &Request,
    policies: &[postern_policy_core::policy::Policy],
) -> anyhow::Result<Record> {
    let to = (world.address(APP1)?, request.port).into();
    let answer = namespaces.get(&namespaces.pod(request.from), to, request.path);
    let answer = answer.with_context(|| format!("{} could not ask", request.from))?;
    let reason = world.reason(policies, request)?;
    let ok = answer == request.expected();
    let shown = match &answer {
        Answer::Response { status, body } => format!("{body}   {}", teller.style.dim(&format!("({status})"))),
        Answer::Nothing => teller.style.dim("(nothing: the packets were dropped, the client gave up)"),
    };
    teller.say(&story::exchange(teller.style, request, &shown, &reason, ok))?;
    Ok(Record::new(request, &answer, reason))
}
