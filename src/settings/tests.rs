//! Tests of the settings.

use std::io::Write;

use super::*;

fn load(flags: &[(&str, &str)], env: &[(&str, &str)], file: Option<&str>) -> Result<Settings> {
    let mut written = tempfile::NamedTempFile::new().unwrap();
    written.write_all(file.unwrap_or_default().as_bytes()).unwrap();
    let flags = flags.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let env = env.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Settings::load(&flags, env, file.map(|_| written.path()))
}

#[test]
fn flag_beats_variable_beats_file() {
    let file = Some("shutdown_seconds = 1\nworkers = 1\nlisten = '127.0.0.1:1'");
    let settings = load(&[("workers", "3")], &[("QINGDAN_WORKERS", "2"), ("QINGDAN_SHUTDOWN_SECONDS", "2")], file).unwrap();
    assert_eq!(settings.workers, 3);
    assert_eq!(settings.shutdown_seconds, 2);
    assert_eq!(settings.listen.port(), 1);
}

#[test]
fn every_mistake_names_its_key_and_what_is_allowed() {
    let cases = [
        (load(&[("listen", "here")], &[], None), "setting `listen` (flag --listen): `here` is not allowed; allowed is an IP address"),
        (load(&[], &[("QINGDAN_LISTN", "x")], None), "unknown setting `listn` (environment variable QINGDAN_LISTN)"),
        (load(&[], &[], Some("lissten = 'x'")), "unknown setting `lissten`"),
        (load(&[], &[], Some("workers = 300")), "a whole number from 0 to 256"),
        (load(&[("database_url", "mysql://x")], &[], None), "sqlite:PATH or postgres://"),
        (load(&[("store_url", "ftp://x")], &[], None), "allowed is file:PATH"),
        (load(&[("public_url", "https://x/y")], &[], None), "setting `public_url`"),
        (load(&[("trusted_proxies", "10.0.0.0/8,nobody")], &[], None), "setting `trusted_proxies`"),
        (load(&[("accel_prefix", "objects/")], &[], None), "setting `accel_prefix`"),
        (load(&[("require_second_factor", "operator,king")], &[], None), "setting `require_second_factor`"),
        (load(&[("outbound_allow_private", "perhaps")], &[], None), "allowed is true or false"),
        (load(&[("jwks_least_seconds", "7200")], &[], None), "more than jwks_most_seconds"),
        (load(&[("master_key", "abc")], &[], None), "64 hexadecimal"),
        (load(&[("smtp_url", "mail.example.org")], &[], None), "allowed is smtp://HOST:PORT"),
        (load(&[("smtp_url", "smtp://mail.example.org")], &[], None), "setting `smtp_from`: smtp_url is set"),
    ];
    for (result, wanted) in cases {
        let message = result.expect_err(wanted).to_string();
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn a_secret_is_never_shown() {
    let message = load(&[("operator_password", "short")], &[], None).unwrap_err().to_string();
    assert!(!message.contains("`short`"), "{message}");
    let settings = load(&[("operator_password", "a long enough one")], &[], None).unwrap();
    assert!(!format!("{settings:?}").contains("long enough"));
    let message = load(&[("smtp_url", "smtp://name:hidden@mail.example.org")], &[], None).unwrap_err().to_string();
    assert!(!message.contains("hidden"), "{message}");
    let mail = [("smtp_url", "smtps://somebody:hidden@mail.example.org"), ("smtp_from", "list@example.org")];
    let settings = format!("{:?}", load(&mail, &[], None).unwrap());
    assert!(!settings.contains("hidden") && !settings.contains("somebody"), "{settings}");
}
