//! Case files to scenarios.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use postern_policy_core::policy::Direction;
use postern_policy_core::resolve::resolve;
use postern_policy_core::world::{WorkloadName, World};
use postern_policy_lang::inventory::load_inventory;
use postern_policy_lang::load_policies;
use postern_policy_lang::source::SourceFile;
use serde::Deserialize;

use crate::case::{Case, Observed, Scenario};
use crate::escape::bytes;
use crate::expand::expand;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileToml {
    /// What the file is about, for people.
    about: String,
    inventory: String,
    scenario: Vec<ScenarioToml>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScenarioToml {
    name: String,
    clause: String,
    subject: String,
    policies: String,
    /// Texts that `{name}` stands for in the cases: a case is asked with each of them.
    #[serde(default)]
    sets: BTreeMap<String, Vec<String>>,
    /// A text and how many times it is repeated, as a set of one.
    #[serde(default)]
    repeats: BTreeMap<String, (String, usize)>,
    cases: Vec<CaseToml>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaseToml {
    /// Who is at the other end: a name in the subject's namespace, `namespace/name`, or an address.
    peer: String,
    #[serde(default)]
    egress: bool,
    #[serde(default = "port_80")]
    port: u16,
    #[serde(default = "get")]
    pub(crate) method: String,
    #[serde(default)]
    pub(crate) path: Option<String>,
    #[serde(default = "host")]
    pub(crate) host: String,
    #[serde(default)]
    pub(crate) headers: Vec<(String, String)>,
    expect: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    rule: Option<String>,
    #[serde(default)]
    not_on: BTreeMap<String, String>,
}

fn port_80() -> u16 {
    80
}

fn get() -> String {
    "GET".to_owned()
}

fn host() -> String {
    "app".to_owned()
}

/// Every scenario of `cases/`, in the order of the files' names.
pub fn load() -> anyhow::Result<Vec<Scenario>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let listing = std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut files = listing.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.sort();
    let mut scenarios = Vec::new();
    for file in files {
        let name = file.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let parsed: FileToml = toml::from_str(&text).with_context(|| format!("in {}", file.display()))?;
        ensure!(!parsed.about.is_empty(), "{} says nothing of what it is about", file.display());
        for scenario in parsed.scenario {
            let title = format!("{name}: {}", scenario.name);
            scenarios.push(build(title.clone(), &parsed.inventory, scenario).with_context(|| title)?);
        }
    }
    Ok(scenarios)
}

fn build(name: String, inventory_text: &str, given: ScenarioToml) -> anyhow::Result<Scenario> {
    let source = |name: &str, text: &str| [SourceFile { name: name.to_owned(), text: text.to_owned() }];
    let inventory = load_inventory(&source("inventory", inventory_text));
    ensure!(!inventory.has_errors(), "{:#?}", inventory.diagnostics);
    let policies = load_policies(&source("policies", &given.policies));
    ensure!(!policies.has_errors(), "{:#?}", policies.diagnostics);

    let world = inventory.world;
    let identities = world.identities(&policies.policies)?;
    let subject = WorkloadName::parse(&given.subject);
    let workload = world.workload(&subject).with_context(|| format!("no workload {subject}"))?;
    let subject_address = workload.addresses.first().copied().context("the subject has no address")?;
    let policy = resolve(&policies.policies, &world, &identities, workload);
    let mut sets = given.sets;
    sets.extend(given.repeats.into_iter().map(|(name, (text, times))| (name, vec![text.repeat(times)])));
    let cases =
        given.cases.into_iter().map(|case| expand(case, &sets)).collect::<anyhow::Result<Vec<_>>>()?;
    let cases = cases.into_iter().flatten().map(|case| build_case(case, &subject, &world));
    Ok(Scenario {
        name,
        clause: given.clause,
        policy_text: given.policies,
        inventory_text: inventory_text.to_owned(),
        subject_address,
        policy,
        cases: cases.collect::<anyhow::Result<_>>()?,
        subject,
        identities,
    })
}

fn build_case(given: CaseToml, subject: &WorkloadName, world: &World) -> anyhow::Result<Case> {
    let path = given.path.as_deref().unwrap_or("/");
    let shown: String = path.chars().take(200).collect();
    let name = format!("{} {} {}:{} {shown}", given.peer, given.method, given.host, given.port);
    let direction = if given.egress { Direction::Egress } else { Direction::Ingress };
    let header = |(name, value): (String, String)| Ok((bytes(&name)?, bytes(&value)?));
    Ok(Case {
        direction,
        peer: address(&given.peer, subject, world)?,
        port: given.port,
        path: if given.method == "CONNECT" { None } else { Some(bytes(path)?) },
        method: bytes(&given.method)?,
        host: bytes(&given.host)?,
        headers: given.headers.into_iter().map(header).collect::<anyhow::Result<_>>()?,
        expected: match given.expect.as_str() {
            "allow" => Observed::Allow,
            "deny" | "blocked" => Observed::Deny,
            "drop" => Observed::Drop,
            other => bail!("{name}: expect is {other:?}, not allow, deny, blocked or drop"),
        },
        or_refused: given.expect == "blocked",
        reason: given.reason,
        rule: given.rule,
        not_on: given.not_on.into_iter().collect(),
        name,
    })
}

fn address(peer: &str, subject: &WorkloadName, world: &World) -> anyhow::Result<IpAddr> {
    if let Ok(address) = peer.parse() {
        return Ok(address);
    }
    let name = match peer.contains('/') {
        true => WorkloadName::parse(peer),
        false => WorkloadName { namespace: subject.namespace.clone(), name: peer.to_owned() },
    };
    let workload = world.workload(&name).with_context(|| format!("no workload {name}"))?;
    workload.addresses.first().copied().with_context(|| format!("{name} has no address"))
}
