use std::fs;
use std::path::Path;

use anyhow::bail;

use super::{Entry, ensure, find, folder_from};

const ENTRY: Entry = Entry { name: "hammer", version: "1.2", cost: "no time" };

#[test]
fn the_folder_is_the_first_that_is_named() {
    let given = |pairs: &'static [(&str, &str)]| {
        folder_from(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    };
    assert_eq!(given(&[("POSTERN_CACHE", "/a"), ("HOME", "/h")]).unwrap(), Path::new("/a"));
    assert_eq!(given(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]).unwrap(), Path::new("/x/postern"));
    assert_eq!(given(&[("XDG_CACHE_HOME", "x"), ("HOME", "/h")]).unwrap(), Path::new("/h/.cache/postern"));
    assert!(given(&[]).unwrap_err().to_string().contains("set POSTERN_CACHE"));
}

#[test]
fn a_tool_is_installed_once() {
    let cache = tempfile::tempdir().unwrap();
    let write = |folder: &Path| Ok(fs::write(folder.join("bin"), "x")?);
    let folder = ensure(cache.path(), &ENTRY, write).unwrap();
    assert_eq!(fs::read_to_string(folder.join("bin")).unwrap(), "x");
    assert_eq!(folder, cache.path().join("hammer-1.2"));
    let again = ensure(cache.path(), &ENTRY, |_| panic!("installed twice")).unwrap();
    assert_eq!(again, folder);
}

#[test]
fn a_failed_or_interrupted_install_is_done_anew_from_an_empty_folder() {
    let cache = tempfile::tempdir().unwrap();
    let fail = |folder: &Path| {
        fs::write(folder.join("half"), "")?;
        bail!("the network is down")
    };
    let error = format!("{:#}", ensure(cache.path(), &ENTRY, fail).unwrap_err());
    assert_eq!(error, "cannot install hammer 1.2: the network is down");
    // What an older program, or a kill in the middle, may have left.
    fs::create_dir(cache.path().join("hammer-1.2")).unwrap();
    assert_eq!(find(cache.path(), &ENTRY), None);
    ensure(cache.path(), &ENTRY, |folder| {
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
        Ok(())
    })
    .unwrap();
    assert!(find(cache.path(), &ENTRY).is_some());
}
