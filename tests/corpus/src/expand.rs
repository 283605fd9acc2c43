//! Families: a case with placeholders stands for one case with each text of their sets.

use std::collections::BTreeMap;

use anyhow::ensure;

use crate::load::CaseToml;

/// A family that is larger has probably one placeholder too many.
const LARGEST: usize = 1000;

/// Every case that `case` stands for. A placeholder that stands in it several times is the same text everywhere.
pub(crate) fn expand(case: CaseToml, sets: &BTreeMap<String, Vec<String>>) -> anyhow::Result<Vec<CaseToml>> {
    let mut cases = vec![case];
    for (name, texts) in sets {
        let placeholder = format!("{{{name}}}");
        if !cases.iter().any(|case| fields(case).any(|field| field.contains(&placeholder))) {
            continue;
        }
        let filled = cases.iter().flat_map(|case| texts.iter().map(|text| fill(case, &placeholder, text)));
        cases = filled.collect();
        ensure!(cases.len() <= LARGEST, "{placeholder} makes more than {LARGEST} cases of one");
    }
    Ok(cases)
}

fn fields(case: &CaseToml) -> impl Iterator<Item = &String> {
    let headers = case.headers.iter().flat_map(|(name, value)| [name, value]);
    [&case.method, &case.host].into_iter().chain(&case.path).chain(headers)
}

fn fill(case: &CaseToml, placeholder: &str, text: &str) -> CaseToml {
    let mut case = case.clone();
    let headers = case.headers.iter_mut().flat_map(|(name, value)| [name, value]);
    for field in [&mut case.method, &mut case.host].into_iter().chain(&mut case.path).chain(headers) {
        *field = field.replace(placeholder, text);
    }
    case
}
