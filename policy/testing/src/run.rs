//! Cases, held against policies.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use postern_policy_core::decide::{Layer, Verdict};
use postern_policy_core::explain::{Explainer, Explanation, Judgement, Outcome as StepOutcome, Side};
use postern_policy_core::policy::{Policy, RuleId};
use postern_policy_core::world::{World, WorldError};
use postern_policy_lang::policy_test::{Case, ExpectedRule};

use crate::coverage;

/// What became of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseResult {
    /// Whether it holds.
    pub outcome: Outcome,
    /// What the policies say; none where they cannot be asked.
    pub got: Option<Got>,
    /// The rules that decided it, at either end, enforced or audited.
    pub decided: Vec<RuleId>,
}

/// Whether a case holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It does.
    Passed,
    /// It does not, in these respects.
    Failed(Vec<Mismatch>),
    /// It cannot be asked, for this reason.
    Error(String),
}

/// One respect in which a case does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Which field of the case.
    pub field: &'static str,
    /// What it says.
    pub expected: String,
    /// What is.
    pub got: String,
}

/// What the policies say of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    /// The verdict.
    pub verdict: Verdict,
    /// Where it was decided.
    pub layer: Layer,
    /// The rule that decided, where one did.
    pub rule: Option<RuleId>,
    /// The stable name of the reason.
    pub code: &'static str,
    /// The reason in words.
    pub reason: String,
    /// The rule that came closest to allowing it, and why it did not.
    pub nearest: Option<(RuleId, String)>,
    /// The verdict if audited policies were enforced.
    pub audit: Verdict,
}

/// The policies and the world of a test.
#[derive(Debug)]
pub struct Runner<'p> {
    explainer: Explainer<'p>,
    /// Every name that a case may expect.
    rules: BTreeSet<RuleId>,
}

impl<'p> Runner<'p> {
    /// Fails where the inventory contradicts itself.
    pub fn new(policies: &'p [Policy], world: &'p World) -> Result<Self, WorldError> {
        let rules = policies.iter().flat_map(coverage::names).collect();
        Ok(Self { explainer: Explainer::new(policies, world)?, rules })
    }

    /// Holds one case against the policies.
    pub fn run(&mut self, case: &Case) -> CaseResult {
        let explanation = match self.explainer.explain(&case.question()) {
            Ok(explanation) => explanation,
            Err(error) => {
                let outcome = Outcome::Error(error.to_string());
                return CaseResult { outcome, got: None, decided: Vec::new() };
            }
        };
        let mismatches = self.mismatches(case, &explanation);
        let outcome = if mismatches.is_empty() { Outcome::Passed } else { Outcome::Failed(mismatches) };
        CaseResult { outcome, decided: decided(&explanation), got: Some(got(explanation)) }
    }

    fn mismatches(&self, case: &Case, explanation: &Explanation) -> Vec<Mismatch> {
        let (expect, enforced) = (&case.expect, &explanation.enforced);
        let mut mismatches = Vec::new();
        let mut differs = |field, expected: String, got: String| {
            mismatches.push(Mismatch { field, expected, got });
        };
        if !holds(expect.verdict, enforced.verdict) {
            let got = format!("{} ({})", enforced.verdict, enforced.layer);
            differs("expect", expect.verdict.to_string(), got);
        }
        if let Some(rule) = &expect.rule
            && !is_decided_by(rule, enforced)
        {
            let got = enforced.rule.as_ref().map_or("none".to_owned(), ToString::to_string);
            differs("rule", self.describe(rule), got);
        }
        if let Some(code) = expect.reason.as_ref().filter(|code| *code != enforced.code) {
            differs("reason", code.clone(), enforced.code.to_owned());
        }
        let audit = audit(explanation);
        if let Some(expected) = expect.audit.filter(|expected| !holds(*expected, audit)) {
            differs("audit", expected.to_string(), audit.to_string());
        }
        mismatches
    }

    /// A rule that is not there at all is more often misspelt than gone.
    fn describe(&self, rule: &ExpectedRule) -> String {
        let wanted = match rule {
            ExpectedRule::None => return "none".to_owned(),
            ExpectedRule::Within(wanted) => wanted,
        };
        match self.rules.iter().any(|known| rule.is(Some(known.as_str()))) {
            true => wanted.clone(),
            false => format!("{wanted} (the policies have no such rule)"),
        }
    }
}

/// A connection that goes to the proxy is let through: its requests are for other cases.
fn holds(expected: Verdict, got: Verdict) -> bool {
    expected == got || (expected, got) == (Verdict::Allow, Verdict::Redirect)
}

/// Both ends must let traffic pass, so the rule of either may be meant; a denial is that of an end that denies.
fn is_decided_by(rule: &ExpectedRule, judgement: &Judgement) -> bool {
    let denied = judgement.verdict == Verdict::Deny;
    let mut meant = judgement.sides.iter().filter(|side| (side.verdict == Verdict::Deny) == denied);
    match rule {
        ExpectedRule::None => meant.all(|side| side.rule.is_none()),
        ExpectedRule::Within(_) => meant.any(|side| rule.is(side.rule.as_ref().map(RuleId::as_str))),
    }
}

/// Where nothing is audited, what is enforced is what would be: a case holds on when its policy is promoted.
fn audit(explanation: &Explanation) -> Verdict {
    explanation.audited.as_ref().unwrap_or(&explanation.enforced).verdict
}

fn decided(explanation: &Explanation) -> Vec<RuleId> {
    let judgements = std::iter::once(&explanation.enforced).chain(&explanation.audited);
    let sides = judgements.flat_map(|judgement| &judgement.sides);
    let of_side = |side: &Side| -> Vec<RuleId> {
        // A pass decides nothing by itself, but without it another rule would.
        let passes = side.trace.iter().filter(|step| step.outcome == StepOutcome::Passed);
        passes.map(|step| step.rule.clone()).chain(side.rule.clone()).collect()
    };
    sides.flat_map(of_side).collect()
}

fn got(explanation: Explanation) -> Got {
    let audit = audit(&explanation);
    let Judgement { verdict, layer, code, reason, rule, nearest, .. } = explanation.enforced;
    let nearest = nearest.map(|miss| (miss.rule, miss.why));
    Got { verdict, layer, rule, code, reason, nearest, audit }
}
