//! Reading a response: status line, header fields, and a body by length, by chunks, or to the end.

use super::outcome::{Headers, RawOutcome};

/// What the bytes so far amount to.
pub(super) enum Parsed {
    /// A response that took the first `used` bytes.
    Whole { outcome: RawOutcome, used: usize },
    /// The beginning of one.
    NeedsMore,
    /// Not a response.
    Broken(String),
}

/// A step of reading: what was read and the bytes after it, `None` if more bytes are needed, or why this
/// is not a response.
type Step<'a, T> = Result<Option<(T, &'a [u8])>, String>;

/// Reads the first final response of `bytes`; `at_end` says that no more will come.
pub(super) fn response(bytes: &[u8], to_head: bool, at_end: bool) -> Parsed {
    match try_response(bytes, to_head, at_end) {
        Ok(Some((outcome, rest))) => Parsed::Whole { outcome, used: bytes.len() - rest.len() },
        Ok(None) => Parsed::NeedsMore,
        Err(why) => Parsed::Broken(why),
    }
}

fn try_response(mut bytes: &[u8], to_head: bool, at_end: bool) -> Step<'_, RawOutcome> {
    loop {
        let Some(((status, headers), rest)) = head(bytes)? else { return Ok(None) };
        // 100 and 103 announce the real response; 101 is one.
        if (100..200).contains(&status) && status != 101 {
            bytes = rest;
            continue;
        }
        let bodiless = to_head || status < 200 || status == 204 || status == 304;
        let Some((body, rest)) =
            (if bodiless { Ok(Some((Vec::new(), rest))) } else { body(&headers, rest, at_end) })?
        else {
            return Ok(None);
        };
        return Ok(Some((RawOutcome::Response { status, headers, body }, rest)));
    }
}

fn head(bytes: &[u8]) -> Step<'_, (u16, Headers)> {
    let Some((status_line, mut rest)) = line(bytes) else {
        let known = bytes.iter().zip(b"HTTP/1.").all(|(is, should)| is == should);
        return if known { Ok(None) } else { Err("no HTTP/1 status line".to_owned()) };
    };
    let status_line = String::from_utf8_lossy(status_line);
    let status = status_line.strip_prefix("HTTP/1.").and_then(|text| text.split(' ').nth(1));
    let status = status.and_then(|text| text.parse().ok());
    let status = status.ok_or_else(|| format!("no HTTP/1 status line: {status_line:?}"))?;
    let mut headers = Headers::new();
    loop {
        let Some((field, after)) = line(rest) else { return Ok(None) };
        rest = after;
        if field.is_empty() {
            return Ok(Some(((status, headers), rest)));
        }
        headers.push(header(field)?);
    }
}

fn header(field: &[u8]) -> Result<(String, Vec<u8>), String> {
    let mut parts = field.splitn(2, |byte| *byte == b':');
    match (parts.next(), parts.next()) {
        (Some(name), Some(value)) => {
            Ok((String::from_utf8_lossy(name).to_ascii_lowercase(), value.trim_ascii().to_vec()))
        }
        _ => Err(format!("a header line without a colon: {:?}", String::from_utf8_lossy(field))),
    }
}

fn body<'a>(headers: &Headers, rest: &'a [u8], at_end: bool) -> Step<'a, Vec<u8>> {
    let value = |name| {
        let found = headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).to_ascii_lowercase())
    };
    if value("transfer-encoding").is_some_and(|codings| codings.ends_with("chunked")) {
        return chunks(rest);
    }
    let Some(length) = value("content-length") else {
        return Ok(at_end.then(|| (rest.to_vec(), [].as_slice())));
    };
    let length = length.parse().map_err(|_| format!("content-length is {length:?}"))?;
    Ok(rest.split_at_checked(length).map(|(body, rest)| (body.to_vec(), rest)))
}

fn chunks(mut rest: &[u8]) -> Step<'_, Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let Some((size, after)) = line(rest) else { return Ok(None) };
        let text = String::from_utf8_lossy(size);
        let digits = text.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).map_err(|_| format!("a chunk size of {text:?}"))?;
        if size == 0 {
            return trailers(after).map(|end| end.map(|((), rest)| (body, rest)));
        }
        let Some((chunk, after)) = after.split_at_checked(size) else { return Ok(None) };
        body.extend(chunk);
        match line(after) {
            Some(([], after)) => rest = after,
            Some(_) => return Err("a chunk longer than its size".to_owned()),
            None => return Ok(None),
        }
    }
}

fn trailers(mut rest: &[u8]) -> Step<'_, ()> {
    while let Some((field, after)) = line(rest) {
        rest = after;
        if field.is_empty() {
            return Ok(Some(((), rest)));
        }
    }
    Ok(None)
}

/// The first line without its ending, and what comes after it.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((line, rest.get(2..)?))
}
