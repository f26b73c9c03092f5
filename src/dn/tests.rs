use proptest::prelude::*;

use super::*;

fn dn(text: &str) -> String {
    Dn::parse(text).unwrap_or_else(|NotADn| panic!("{text:?} is no DN")).to_string()
}

#[test]
fn spellings_of_one_name_are_equal() {
    for (left, right) in [
        ("CN=Alice,DC=Example,DC=com", "cn=alice,dc=example,dc=com"),
        ("cn=alice , dc = example,  dc=com ", "cn=alice,dc=example,dc=com"),
        (r"cn=Doe\, Alice,dc=com", r"cn=doe\2C alice,dc=com"),
        (r"cn=Doe\, Alice,dc=com", r#"cn="Doe, Alice",dc=com"#),
        (r"cn=a\+b,dc=com", r"cn=a\2Bb,dc=com"),
        (r"cn=\#1,dc=com", r"cn=\231,dc=com"),
        (r"cn=\ alice\ ,dc=com", "cn=alice,dc=com"),
        (r"cn=a  b,dc=com", "cn=A b,dc=com"),
        (r"cn=a\20\20b,dc=com", "cn=A b,dc=com"),
        (r"cn=M\C3\BCller,dc=com", "cn=MÜLLER,dc=com"),
        ("cn=#0405416C696365,dc=com", "cn=Alice,dc=com"),
        ("cn=#0c05416c696365 ,dc=com", "cn=alice,dc=com"),
        ("2.5.4.3=alice,0.9.2342.19200300.100.1.25=com", "cn=alice,dc=com"),
        ("OID.2.5.4.3=alice,dc=com", "commonName=alice,domainComponent=com"),
        ("userid=alice,dc=com", "uid=alice,dc=com"),
        ("cn=alice;dc=com", "cn=alice,dc=com"),
        ("uid=a+cn=b,dc=com", "CN=B + UID=A,dc=com"),
        ("cn=a=b,dc=com", r"cn=a\3Db,dc=com"),
        ("cn=ΟΔΟΣ,dc=com", "cn=οδοσ,dc=com"),
        ("cn=\t#1,dc=com", r"cn=\#1,dc=com"),
        ("cn=#1305416c696365", "cn=alice"),
        ("cn=#1605416c696365", "cn=alice"),
        ("cn=#048105416c696365", "cn=alice"),
        ("cn=#04820005416c696365", "cn=alice"),
        ("cn=a+cn=A,dc=com", "cn=a,dc=com"),
        ("organizationalUnitName=a,organizationName=b,countryName=c", "ou=a,o=b,c=c"),
        ("localityName=a,stateOrProvinceName=b,S=c,email=d", "l=a,st=b,st=c,emailAddress=d"),
    ] {
        assert_eq!(dn(left), dn(right), "{left} and {right}");
    }
}

#[test]
fn different_names_stay_different() {
    for (left, right) in [
        ("cn=a,dc=com", "uid=a,dc=com"),
        (r"cn=a\,dc\=com", "cn=a,dc=com"),
        (r"cn=a\+uid\=b,dc=com", "cn=a+uid=b,dc=com"),
        ("cn=a,ou=b", "ou=b,cn=a"),
        (r"cn=\#0401", "cn=#040161"),
        ("cn=ab", "cn=a b"),
        ("cn=ü", "cn=u"),
        ("cn=#0101ff", r"cn=\#0101ff"),
        ("cn=#0404416c696365", "cn=alice"),
    ] {
        assert_ne!(dn(left), dn(right), "{left} and {right}");
    }
}

#[test]
fn what_is_no_name_is_refused() {
    for text in [
        "alice",
        "=alice",
        "cn",
        "cn=alice,",
        "cn=alice,,dc=com",
        "cn=alice+,dc=com",
        r"cn=alice\",
        r"cn=a\zb",
        r#"cn="alice"#,
        "cn=#0",
        "cn=#",
        "cn=#04zz",
        r#"cn="a"b"#,
        "alice@example.com",
        "ü=a",
    ] {
        assert_eq!(Dn::parse(text), Err(NotADn), "{text}");
    }
}

#[test]
fn a_name_is_below_another_if_whole_parts_of_it_are() {
    let below = |name: &str, base: &str| Dn::parse(name).unwrap().is_at_or_below(&Dn::parse(base).unwrap());
    for (name, base) in [("cn=a,dc=com", "DC=com"), ("dc=com", "dc=com"), ("cn=a", ""), (r"cn=a\\,dc=com", "dc=com")] {
        assert!(below(name, base), "{name} and {base}");
    }
    for (name, base) in [("cn=a,xdc=com", "dc=com"), (r"cn=a\,dc\=com", "dc=com"), ("dc=com", "cn=a,dc=com")] {
        assert!(!below(name, base), "{name} and {base}");
    }
}

#[test]
fn the_empty_name_is_a_name() {
    assert!(Dn::parse("").is_ok_and(|dn| dn.is_empty()));
    assert!(Dn::parse(" ").is_ok_and(|dn| dn.is_empty()));
    assert!(!Dn::parse("cn=").unwrap().is_empty());
}

#[test]
fn the_values_in_the_rdn_are_read() {
    assert_eq!(naming_values(r"UID=Al\2Cice+cn=x,uid=other", "uid"), ["Al,ice"]);
    assert_eq!(naming_values("cn=x,uid=other", "uid"), Vec::<String>::new());
    assert_eq!(naming_values("nonsense", "uid"), Vec::<String>::new());
}

proptest! {
    #[test]
    fn reading_never_panics(text in "(?s).{0,60}") {
        let _ = Dn::parse(&text);
        let _ = naming_values(&text, "cn");
    }

    #[test]
    fn names_with_odd_parts_never_panic(text in r#"(cn|uid|2\.5\.4\.3)? ?=?[#"a-f0-9\\,;+= <>ü\u{0}]{0,30}"#) {
        if let Ok(dn) = Dn::parse(&text) {
            prop_assert_eq!(Dn::parse(&dn.0), Ok(dn));
        }
    }

    #[test]
    fn every_value_survives_escaping(value in "[^\u{0}]{1,20}") {
        let escaped: String = value.bytes().flat_map(|byte| ["\\".into(), hexadecimal(&[byte])]).collect();
        let hex = hexadecimal(value.as_bytes());
        let ber = format!("#04{:02x}{hex}", value.len());
        prop_assume!(value.len() < 0x80);
        prop_assert_eq!(Dn::parse(&format!("cn={escaped}")), Dn::parse(&format!("cn={ber}")));
        prop_assert_eq!(Dn::parse(&format!("cn={}", ldap3::dn_escape(value.as_str()))), Dn::parse(&format!("cn={escaped}")));
    }
}

/// One spelling of an RDN's value, character by character.
fn spelled(value: &str, choices: &[u8]) -> String {
    let mut text = String::new();
    let last = value.chars().count() - 1;
    for (at, c) in value.chars().enumerate() {
        let must =
            matches!(c, '"' | '+' | ',' | ';' | '<' | '>' | '\\') || (c == '#' || c == ' ') && (at == 0 || at == last);
        let can = must || matches!(c, '=' | '#' | ' ');
        match (choices.get(at).copied().unwrap_or(0), must, can) {
            (0, false, _) => text.push(c),
            (0 | 1, _, true) => text.extend(['\\', c]),
            _ => text.extend(c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("\\{byte:02x}"))),
        }
    }
    text
}

#[test]
fn fuzz_every_spelling_of_a_name_is_the_same_name() {
    let part = (
        proptest::sample::select(vec![
            ["cn", "CN", "2.5.4.3", "commonName"],
            ["dc", "DC", "domainComponent", "OID.0.9.2342.19200300.100.1.25"],
        ]),
        "[a-zA-Z0-9 ,+;<>=#\"\\\\éÜ東🙂]{1,8}",
        (0..4_usize, proptest::collection::vec(0..3_u8, 8), any::<bool>(), any::<bool>()),
    );
    let name = proptest::collection::vec(part, 1..5);
    crate::fuzz::try_all(&name, |parts| {
        let (mut plain, mut odd, mut reference) = (Vec::new(), Vec::new(), Vec::new());
        for (kinds, value, (kind, choices, spaced, quoted)) in &parts {
            plain.push(format!("{}={}", kinds[0], spelled(value, &[])));
            let spelled = if *quoted {
                format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
            } else {
                spelled(value, choices)
            };
            odd.push(if *spaced {
                format!(" {} = {spelled} ", kinds[*kind])
            } else {
                format!("{}={spelled}", kinds[*kind])
            });
            let words: Vec<String> = value.split(' ').filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
            reference.push((kinds[0], words.join(" ")));
        }
        let (plain, odd) = (plain.join(","), odd.join(","));
        assert_eq!(Dn::parse(&plain), Dn::parse(&odd), "{plain} and {odd}");
        let normal = Dn::parse(&plain).unwrap_or_else(|NotADn| panic!("{plain} is no DN"));
        assert_eq!(Dn::parse(&normal.0).as_ref(), Ok(&normal), "{plain}");
        assert_eq!(naming_values(&plain, "cn").len(), usize::from(reference[0].0 == "cn"), "{plain}");
        // Two names are one exactly if their parts are.
        let shorter = parts.iter().skip(1).map(|(kinds, value, _)| format!("{}={}", kinds[0], spelled(value, &[])));
        assert_ne!(Dn::parse(&shorter.collect::<Vec<_>>().join(",")), Ok(normal), "{plain}");
    });
}

#[test]
fn fuzz_reading_a_name_never_panics_and_what_is_read_is_stable() {
    let samples =
        ["cn=Doe\\, Alice+uid=a,ou=people,dc=example,dc=com", "cn=#0405416C696365;dc=com", "cn=\"a,b\" , dc=c"];
    crate::fuzz::try_all(&crate::fuzz::mutated(samples.map(str::to_owned).into()), |text| {
        let _ = (naming_values(&text, "cn"), leading_values(&text));
        if let Ok(dn) = Dn::parse(&text) {
            assert_eq!(Dn::parse(&dn.0), Ok(dn), "{text:?}");
        }
    });
}
