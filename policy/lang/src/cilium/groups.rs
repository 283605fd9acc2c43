//! `fromGroups` and `toGroups`: sets of machines at a cloud provider.

use crate::decode::{At, Reader};
use crate::metadata::text_map;

/// Checks a list of groups; how many there are.
pub(super) fn groups(at: &At<'_>, reader: &mut Reader<'_>) -> Option<usize> {
    let given = at.list(reader)?;
    for at in &given {
        group(at, reader);
    }
    Some(given.len())
}

fn group(at: &At<'_>, reader: &mut Reader<'_>) -> Option<()> {
    let mut object = at.object(reader)?;
    let aws = object.require("aws", reader);
    object.finish(&["aws"], &[], reader);
    let mut aws = aws?.object(reader)?;
    if let Some(at) = aws.take("labels", reader) {
        text_map(&at, reader);
    }
    for field in ["securityGroupsIds", "securityGroupsNames"] {
        for at in aws.take(field, reader).and_then(|at| at.list(reader)).into_iter().flatten() {
            at.string(reader);
        }
    }
    if let Some(at) = aws.take("region", reader) {
        at.string(reader);
    }
    aws.finish(&["labels", "securityGroupsIds", "securityGroupsNames", "region"], &[], reader);
    Some(())
}
