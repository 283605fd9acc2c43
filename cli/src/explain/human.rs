//! The answer for people.

use std::fmt::Write as _;

use postern_policy_core::decide::Verdict;
use postern_policy_core::endpoint::Tier;
use postern_policy_core::explain::{
    Explanation, Judgement, Outcome, Paths, PortRef, Question, Reading, Side, Step,
};
use postern_policy_core::http::Text;
use postern_policy_core::path::Profile;
use postern_policy_core::policy::RuleId;

use crate::output::Style;

pub(super) fn answer(
    explanation: &Explanation,
    question: &Question<'_>,
    request: Option<&str>,
    style: Style,
) -> String {
    let Explanation { from, to, traffic, enforced, audited, unrelated } = explanation;
    let name = match &question.port {
        PortRef::Named(name) => format!(" ({name})"),
        PortRef::Number(_) => String::new(),
    };
    let request = request.map_or(String::new(), |request| format!("  {request}"));
    let mut text = format!(
        "{verdict} ({layer})  {from} → {to}  {traffic}{name}{request}\n",
        verdict = coloured(enforced.verdict, style),
        layer = enforced.layer,
        from = from.describe(),
        to = to.describe(),
    );
    judgement(&mut text, enforced, style);
    if let Some(audited) = audited {
        let change = if audited.verdict == enforced.verdict { "no change" } else { "a change" };
        let verdict = coloured(audited.verdict, style);
        let title = style.bold("if the audited policies were enforced");
        let _ = writeln!(text, "\n{title}: {verdict} ({}), {change}", audited.layer);
        judgement(&mut text, audited, style);
    }
    let others = match unrelated {
        0 => return text,
        1 => "1 other policy selects neither end".to_owned(),
        more => format!("{more} other policies select neither end"),
    };
    let _ = writeln!(text, "\n{}", style.dim(&others));
    text
}

fn judgement(text: &mut String, judgement: &Judgement, style: Style) {
    let _ = writeln!(text, "{}", judgement.reason);
    if let Some(miss) = judgement.nearest.as_ref().filter(|_| !judgement.reason.contains("nearest: ")) {
        let _ = writeln!(text, "nearest: {} rule {}: {}", miss.direction, miss.rule, miss.why);
    }
    if judgement.sides.iter().all(|side| side.trace.is_empty()) {
        *text += "\nno rule was considered: no policy selects either end in this direction\n";
        return;
    }
    for side in &judgement.sides {
        side_of(text, side, judgement, style);
    }
}

fn side_of(text: &mut String, side: &Side, judgement: &Judgement, style: Style) {
    let title = style.bold(&format!("{} of {}", side.direction, side.subject));
    let policies: Vec<&str> = side.policies.iter().map(RuleId::as_str).collect();
    let policies = match policies.as_slice() {
        [] => "no policy".to_owned(),
        policies => policies.join(", "),
    };
    let default = if side.default_deny { "denies by default" } else { "allows by default" };
    let verdict = coloured(side.verdict, style);
    let _ = writeln!(text, "\n{title}: {verdict}  {}", style.dim(&format!("({policies}; {default})")));
    for step in &side.trace {
        let decided = side.rule.as_ref() == Some(&step.rule) && step.outcome != Outcome::NotReached;
        let nearest = judgement.nearest.as_ref().is_some_and(|miss| {
            (&miss.rule, miss.direction, &miss.why) == (&step.rule, side.direction, &step.why)
        });
        let note = match (decided, nearest) {
            (true, _) => style.bold("  ← decides"),
            (_, true) => style.bold("  ← nearest"),
            _ => String::new(),
        };
        let tier = match step.tier {
            Tier::Normal => String::new(),
            _ => style.dim(&format!("  [{} tier]", step.tier_name())),
        };
        let _ = writeln!(text, "  {} {}{tier}{note}", mark(step, style), step.rule);
        let _ = writeln!(text, "      {}", style.dim(&step.why));
    }
    if let Some(paths) = &side.paths {
        readings(text, paths, style);
    }
}

/// How the path was read, where that is worth a word: the strictest profile reads the usual path as it is.
fn readings(text: &mut String, paths: &Paths, style: Style) {
    let Paths { profile, readings, unreadable } = paths;
    if let Some(why) = unreadable {
        let _ = writeln!(
            text,
            "  path profile {profile}: how servers read this path cannot be gone through: {why}"
        );
        return;
    }
    match readings.as_slice() {
        [_] if *profile == Profile::Strict => return,
        [_] => {
            let _ = writeln!(text, "  path profile {profile}: the path has one reading");
            return;
        }
        several => {
            let _ = writeln!(
                text,
                "  path profile {profile}: servers may read the path in {} ways",
                several.len()
            );
        }
    }
    for Reading { path, verdict, why, .. } in readings {
        let (mark, note) = match verdict {
            Verdict::Deny => (style.red("✗"), style.bold("  ← not allowed")),
            Verdict::Allow | Verdict::Redirect => (style.green("✓"), String::new()),
        };
        let _ = writeln!(text, "    {mark} {}{note}", Text(path));
        let _ = writeln!(text, "        {}", style.dim(why));
    }
}

fn mark(step: &Step, style: Style) -> String {
    match step.outcome {
        Outcome::Allowed | Outcome::Redirected => style.green("✓"),
        Outcome::Denied => style.red("⊘"),
        Outcome::Passed => style.yellow("↷"),
        Outcome::Missed(_) => style.dim("✗"),
        Outcome::Quarantined => style.yellow("!"),
        Outcome::NotReached => style.dim("·"),
    }
}

fn coloured(verdict: Verdict, style: Style) -> String {
    match verdict {
        Verdict::Allow => style.green("allow"),
        Verdict::Deny => style.red("deny"),
        Verdict::Redirect => style.yellow("redirect"),
    }
}
