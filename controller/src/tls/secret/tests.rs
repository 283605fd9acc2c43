use super::*;

fn names(names: &[&str]) -> Vec<Name> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn what_is_written_is_read_back() {
    let kept = Kept::new(&names(&["a.example", "127.0.0.1"]), SystemTime::now()).unwrap();
    let secret = kept.write("ns", None);
    let read = Kept::read(&secret).unwrap();
    assert!(read.material().ca == kept.material().ca && read.names == kept.names);
    assert_eq!(secret.metadata.namespace.as_deref(), Some("ns"));
}

#[test]
fn a_broken_secret_is_refused_by_name() {
    let kept = Kept::new(&names(&["a.example"]), SystemTime::now()).unwrap();
    let mut secret = kept.write("ns", None);
    secret.data.as_mut().unwrap().remove("tls.key");
    let error = Kept::read(&secret).err().unwrap().to_string();
    assert!(error.contains("tls.key") && error.contains("delete the secret"), "{error}");

    let other = Kept::new(&names(&["a.example"]), SystemTime::now()).unwrap();
    let mut secret = kept.write("ns", None);
    let data = secret.data.as_mut().unwrap();
    data.insert("tls.key".to_owned(), ByteString(other.issued.key.clone().into_bytes()));
    assert!(matches!(Kept::read(&secret), Err(SecretError::Certificate(_))));
}

#[test]
fn a_name_that_is_none_is_refused_and_told() {
    let kept = Kept::new(&names(&["a.example"]), SystemTime::now()).unwrap();
    let mut secret = kept.write("ns", None);
    for (list, bad) in [
        ("a.example,https://b.example", "https://b.example"),
        ("a.example,", ""),
        (",", ""),
        ("a.example,b example", "b example"),
    ] {
        secret.metadata.annotations.as_mut().unwrap().insert(NAMES.to_owned(), list.to_owned());
        let error = Kept::read(&secret).err().unwrap().to_string();
        assert!(error.contains(&format!("`{bad}` is no server name")), "{list}: {error}");
        assert!(error.contains(NAMES) && error.contains("delete the secret"), "{list}: {error}");
    }
    let none = Kept::new(&[], SystemTime::now()).unwrap();
    assert!(Kept::read(&none.write("ns", None)).unwrap().names.is_empty());
}

#[test]
fn it_is_renewed_before_it_ends_and_for_new_names_only() {
    let now = SystemTime::now();
    let kept = Kept::new(&names(&["a.example"]), now).unwrap();
    assert!(kept.renewed(&names(&["a.example"]), now + 59 * DAY).unwrap().is_none());
    let next = kept.renewed(&names(&["a.example"]), now + 60 * DAY).unwrap().unwrap();
    assert!(next.authority == kept.authority, "the CA stays");
    assert!(next.issued.certificate != kept.issued.certificate);

    let more = kept.renewed(&names(&["b.example"]), now).unwrap().unwrap();
    assert_eq!(more.names, names(&["a.example", "b.example"]).into_iter().collect());
}

#[test]
fn a_renewed_ca_has_the_same_key() {
    let now = SystemTime::now();
    let kept = Kept::new(&names(&["a.example"]), now).unwrap();
    let next = kept.renewed(&names(&["a.example"]), now + 9 * 366 * DAY).unwrap().unwrap();
    assert!(next.authority.certificate != kept.authority.certificate);
    assert_eq!(next.authority.key, kept.authority.key);
}
