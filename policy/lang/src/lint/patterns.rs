//! Lints of HTTP rules: what their expressions match, and what they do not.

use postern_policy_core::http::{HttpMatch, HttpMatcher, HttpRule};
use postern_policy_core::pattern::Pattern;
use postern_policy_core::policy::RuleId;

use super::Lint;
use super::expression::{self, Expression};
use super::fix::HttpField;
use super::grant::Grant;
use super::sink::{Said, Sink};

/// Methods that servers know: RFC 9110, 5789 and 10008, WebDAV and its kin, and what caches and gateways add.
const METHODS: [&str; 39] = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "CONNECT",
    "TRACE",
    "QUERY",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "SEARCH",
    "REPORT",
    "ACL",
    "BIND",
    "UNBIND",
    "REBIND",
    "LINK",
    "UNLINK",
    "MERGE",
    "CHECKOUT",
    "CHECKIN",
    "UNCHECKOUT",
    "UPDATE",
    "LABEL",
    "BASELINE-CONTROL",
    "MKACTIVITY",
    "MKWORKSPACE",
    "VERSION-CONTROL",
    "MKCALENDAR",
    "ORDERPATCH",
    "PURGE",
    "M-SEARCH",
];

/// Looks at the HTTP rules of one `toPorts` entry.
pub(super) fn check(grant: &Grant<'_>, sink: &mut Sink<'_>) {
    let Some(rules) = grant.http else { return };
    let active: Vec<(&RuleId, &HttpMatch)> = rules.iter().filter_map(active).collect();
    for (id, rule) in &active {
        let fields =
            [(HttpField::Method, &rule.method), (HttpField::Path, &rule.path), (HttpField::Host, &rule.host)];
        for (field, pattern) in fields {
            let Some((pattern, expression)) = pattern.as_ref().and_then(|p| Some((p, Expression::of(p)?)))
            else {
                continue;
            };
            anchors(id, field, pattern, &expression, sink);
            match field {
                HttpField::Method => method(id, pattern, &expression, sink),
                HttpField::Path => {
                    dots(id, field, pattern, &expression, sink);
                    path(id, pattern, &expression, sink);
                }
                HttpField::Host => {
                    dots(id, field, pattern, &expression, sink);
                    host(id, &expression, sink);
                }
            }
        }
    }
    without_text(&active, sink);
    query(&active, sink);
    head(&active, sink);
    redundant(grant, &active, sink);
}

fn active(rule: &HttpRule) -> Option<(&RuleId, &HttpMatch)> {
    match &rule.matcher {
        HttpMatcher::Active(matched) => Some((&rule.id, matched)),
        HttpMatcher::Quarantined(_) => None,
    }
}

fn anchors(
    id: &RuleId,
    field: HttpField,
    pattern: &Pattern,
    expression: &Expression<'_>,
    sink: &mut Sink<'_>,
) {
    let Some(without) = expression.without_anchors() else { return };
    let message =
        format!("the anchors of `{pattern}` change nothing: the whole {} is matched", field.as_str());
    let said = Said::note(Lint::RedundantAnchors, message, format!("write `{without}`"));
    sink.http_field(id, field, said, Some(without));
}

fn dots(id: &RuleId, field: HttpField, pattern: &Pattern, expression: &Expression<'_>, sink: &mut Sink<'_>) {
    let dots = expression.dots_in_names();
    if dots.is_empty() {
        return;
    }
    let mut escaped = String::new();
    for (offset, c) in pattern.as_str().char_indices() {
        if dots.contains(&offset) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    let message = format!("the dot in `{pattern}` stands for every character, not only for a dot");
    let said = Said::warning(Lint::UnescapedDot, message, format!("write `{escaped}`"));
    sink.http_field(id, field, said, Some(escaped));
}

/// Every alternative must be able to be what a request line has: a path from `/` on, or the `*` of OPTIONS.
fn path(id: &RuleId, pattern: &Pattern, whole: &Expression<'_>, sink: &mut Sink<'_>) {
    for (_, source) in whole.alternatives() {
        let Some(alternative) = expression::alternative(source) else { continue };
        if alternative.may_start_with(b'/') || alternative.may_start_with(b'*') {
            continue;
        }
        let what = if source == pattern.as_str() { "" } else { " has an alternative that" };
        let message = match what {
            "" => format!("`{pattern}` matches no path: every path starts with `/`"),
            _ => format!("`{pattern}`{what} matches no path, `{source}`: every path starts with `/`"),
        };
        let help = "start it with `/`; what `|` divides is bound by parentheses: `/(a|b)`";
        sink.http_field(id, HttpField::Path, Said::warning(Lint::PathCannotMatch, message, help), None);
    }
}

fn host(id: &RuleId, expression: &Expression<'_>, sink: &mut Sink<'_>) {
    if !expression.must_contain(b'/') {
        return;
    }
    let message = "the host has a `/`, which no host of a request has";
    let help = "write the name alone, without a scheme and without a path";
    sink.http_field(id, HttpField::Host, Said::warning(Lint::HostCannotMatch, message, help), None);
}

fn method(id: &RuleId, pattern: &Pattern, whole: &Expression<'_>, sink: &mut Sink<'_>) {
    let mut fixed = pattern.as_str().to_owned();
    let mut lower: Vec<&str> = Vec::new();
    for (offset, source) in whole.alternatives() {
        let Some(text) =
            expression::alternative(source).and_then(|known| known.literal().map(<[u8]>::to_vec))
        else {
            continue;
        };
        let Ok(text) = String::from_utf8(text) else { continue };
        if text.is_empty() || METHODS.contains(&text.as_str()) || pattern.as_str().contains("(?i") {
            continue;
        }
        let upper = text.to_uppercase();
        if METHODS.contains(&upper.as_str()) && source == text {
            fixed.replace_range(offset..offset + source.len(), &upper);
            lower.push(source);
            continue;
        }
        let near = METHODS.into_iter().find(|known| strsim::jaro_winkler(&upper, known) > 0.88);
        let message = format!("{text:?} is no method that servers know");
        let said = match near {
            Some(near) => Said::warning(Lint::MethodCannotMatch, message, format!("did you mean `{near}`?")),
            None => Said::note(Lint::MethodCannotMatch, message, "keep it if your servers have it"),
        };
        sink.http_field(id, HttpField::Method, said, None);
    }
    if !lower.is_empty() {
        let message = format!("`{}` matches no method: methods are in upper case", lower.join("`, `"));
        let said = Said::warning(Lint::MethodCannotMatch, message, format!("write `{fixed}`"));
        sink.http_field(id, HttpField::Method, said, Some(fixed));
    }
}

/// One note a list: exact paths are ordinary, and so is surprise at `?`.
fn query(rules: &[(&RuleId, &HttpMatch)], sink: &mut Sink<'_>) {
    let forgets = |(_, rule): &&(&RuleId, &HttpMatch)| {
        let path = rule.path.as_ref().and_then(Expression::of);
        path.is_some_and(|path| path.may_start_with(b'/') && !path.may_contain(b'?'))
    };
    let mut forgetful = rules.iter().filter(forgets);
    let Some((id, rule)) = forgetful.next() else { return };
    let Some(path) = &rule.path else { return };
    let others = match forgetful.count() {
        0 => String::new(),
        1 => ", as one more of this list".to_owned(),
        more => format!(", as {more} more of this list"),
    };
    let message = format!("`{path}` matches no request with a query{others}: the query is part of the path");
    let bare = Expression::of(path).and_then(|known| known.without_anchors());
    let bare = bare.as_deref().unwrap_or(path.as_str());
    let help = format!("if queries are to pass, end it with `(\\?.*)?`, as in `{bare}(\\?.*)?`");
    sink.http_field(id, HttpField::Path, Said::note(Lint::PathForgetsQuery, message, help), None);
}

/// One note a list, if GET is allowed somewhere in it and HEAD nowhere.
fn head(rules: &[(&RuleId, &HttpMatch)], sink: &mut Sink<'_>) {
    let allows = |rule: &HttpMatch, method: &[u8]| rule.method.as_ref().is_none_or(|m| m.matches(method));
    let get = rules.iter().find(|(_, rule)| rule.method.is_some() && allows(rule, b"GET"));
    let Some((id, _)) = get.filter(|_| !rules.iter().any(|(_, rule)| allows(rule, b"HEAD"))) else { return };
    let message = "GET is allowed and HEAD is not: they are two methods";
    let help = "if HEAD is to pass, write `GET|HEAD`";
    sink.http_field(id, HttpField::Method, Said::note(Lint::HeadNotGet, message, help), None);
}

/// How many paths of one list may have no text.
const MANY_WITHOUT_TEXT: usize = 100;

fn without_text(rules: &[(&RuleId, &HttpMatch)], sink: &mut Sink<'_>) {
    let lacks = |rule: &HttpMatch| rule.path.as_ref().is_some_and(|path| !path.has_text());
    let found: Vec<&RuleId> = rules.iter().filter(|(_, rule)| lacks(rule)).map(|(id, _)| *id).collect();
    let Some(first) = found.first().filter(|_| found.len() >= MANY_WITHOUT_TEXT) else { return };
    let message = format!(
        "{} paths of this list have no text of two bytes: each request is held against all",
        found.len()
    );
    let help = "begin them with a name, such as `/shop/[0-9]+` for `/[a-z]+/[0-9]+`";
    sink.http_field(first, HttpField::Path, Said::warning(Lint::PathsWithoutText, message, help), None);
}

/// Rules that another of the list makes needless.
fn redundant(grant: &Grant<'_>, rules: &[(&RuleId, &HttpMatch)], sink: &mut Sink<'_>) {
    if !sink.may_compare(rules.len().saturating_mul(rules.len()), grant.id) {
        return;
    }
    for (index, (id, rule)) in rules.iter().enumerate() {
        // Of two that say the same, the second is the one too many.
        let wider = rules.iter().enumerate().find(|(other, (_, wide))| {
            *other != index && covers(wide, rule) && (*other < index || !covers(rule, wide))
        });
        let Some((other, (wide, _))) = wider else { continue };
        let same =
            if rules.get(other).is_some_and(|(_, wide)| wide == rule) { "the same as" } else { "within" };
        let message = format!("the rule allows nothing of its own: it is {same} {wide}");
        let help = "remove it, or make the other narrower if that one is wider than it should be";
        sink.rule(id, Said::warning(Lint::UnreachableRule, message, help));
    }
}

fn covers(wide: &HttpMatch, narrow: &HttpMatch) -> bool {
    let field = |wide: &Option<Pattern>, narrow: &Option<Pattern>| match (wide, narrow) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => expression::covers(wide, narrow),
    };
    field(&wide.method, &narrow.method)
        && field(&wide.host, &narrow.host)
        && wide.headers.iter().all(|header| narrow.headers.contains(header))
        && field(&wide.path, &narrow.path)
}
