//! What a token proves, and what it does not.

use super::*;

// RFC 8032 section 7.1, test 1, as RFC 8037 appendix A writes it.
const PRIVATE: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"k1","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const PUBLIC: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn new(expires_at: i64) -> NewToken {
    NewToken {
        agent: AgentId::parse("agent").unwrap(),
        organization: OrganizationId::parse("org").unwrap(),
        deployment: DeploymentName::parse("dep").unwrap(),
        token: TokenId::parse("jti").unwrap(),
        issued_at: (expires_at - 60) as f64,
        expires_at,
        connection_id: None,
        user_id: None,
        channel_id: None,
        conversation_id: None,
        team_id: None,
    }
}

fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

fn minted(expires_at: i64) -> String {
    mint(&PRIVATE.into(), new(expires_at))
        .unwrap()
        .expose_secret()
        .to_owned()
}

fn signed(claims: &serde_json::Value, kid: &str) -> String {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(kid.into());
    let seed = URL_SAFE_NO_PAD
        .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
        .unwrap();
    let key = EncodingKey::from_ed_der(&[PKCS8_ED25519.as_slice(), &seed].concat());
    jsonwebtoken::encode(&header, claims, &key).unwrap()
}

fn refused(token: &str) -> bool {
    verify(&PUBLIC.into(), token)
        .is_err_and(|refusal| Error::from(refusal).code == Code::InvalidWorkerToken)
}

#[test]
fn what_control_mints_verifies() {
    let token = minted(now() + 60);
    assert!(claims_to_be_ours(&token));
    let worker = verify(&PUBLIC.into(), &token).unwrap();
    assert_eq!(worker.agent().organization().as_str(), "org");
    assert!(worker.conversation().is_none());
}

#[test]
fn a_token_is_refused_past_its_leeway_and_accepted_within() {
    assert!(verify(&PUBLIC.into(), &minted(now() - 10)).is_ok());
    assert!(refused(&minted(now() - 60)));
}

#[test]
fn every_claim_is_required_and_checked() {
    let whole = serde_json::json!({"iss":"postern","aud":"postern","sub":"a","org":"o","dep":"d","iat":now(),"exp":now()+60,"jti":"j"});
    assert!(verify(&PUBLIC.into(), &signed(&whole, "k1")).is_ok());
    assert!(refused(&signed(&whole, "k2")), "unknown kid");
    for claim in ["iss", "aud", "sub", "org", "dep", "iat", "exp", "jti"] {
        let mut part = whole.clone();
        part.as_object_mut().unwrap().remove(claim);
        assert!(refused(&signed(&part, "k1")), "without {claim}");
    }
    for (claim, value) in [
        ("iss", "other"),
        ("aud", "other"),
        ("org", ""),
        ("sub", "a b"),
        ("channel_id", "a b"),
        ("conversation_id", ""),
        ("team_id", "a\n"),
    ] {
        let mut wrong = whole.clone();
        wrong[claim] = value.into();
        assert!(refused(&signed(&wrong, "k1")), "{claim} = {value}");
    }
}

#[test]
fn a_life_is_at_most_a_day_and_its_beginning_may_have_a_fraction() {
    let now = now();
    let whole = serde_json::json!({"iss":"postern","aud":"postern","sub":"a","org":"o","dep":"d","iat":now,"exp":now+60,"jti":"j"});
    let with = |iat: serde_json::Value, exp: i64| {
        let mut claims = whole.clone();
        (claims["iat"], claims["exp"]) = (iat, exp.into());
        signed(&claims, "k1")
    };
    let fraction = with((now as f64 + 0.25).into(), now + 86_400);
    let worker = verify(&PUBLIC.into(), &fraction).unwrap();
    assert_eq!(worker.issued_at(), now as f64 + 0.25);
    assert!(!refused(&with(now.into(), now + 86_400)));
    for (iat, exp) in [
        (now.into(), now + 86_401),
        (0.into(), now + 60),
        ((now + 61).into(), now + 60),
        (1e300.into(), now + 60),
        ((-1e300).into(), now + 60),
        ((now + 86_400).into(), now + 2 * 86_400),
        (1_000_000_000_000_000_i64.into(), 1_000_000_000_000_001),
        ("now".into(), now + 60),
        (serde_json::Value::Null, now + 60),
    ] {
        assert!(refused(&with(iat, exp)), "{exp}");
    }
}

#[test]
fn whole_seconds_are_written_as_whole_numbers() {
    let written = |seconds| serde_json::to_string(&Seconds(seconds)).unwrap();
    assert_eq!(written(1_700_000_000.0), "1700000000");
    assert_eq!(written(1_700_000_000.250_001), "1700000000.250001");
}

#[test]
fn a_forged_token_is_refused() {
    let token = minted(now() + 60);
    let parts: Vec<&str> = token.split('.').collect();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"k1"}"#);
    let hmac = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","kid":"k1"}"#);
    for forged in [
        format!("{none}.{}.", parts[1]),
        format!("{hmac}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], "AAAA"),
        format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode("{}"), parts[2]),
        "eyJ".into(),
        String::new(),
    ] {
        assert!(refused(&forged), "{forged}");
    }
}

#[test]
fn a_token_of_another_issuer_is_not_ours() {
    let foreign = serde_json::json!({"iss": "https://accounts.example", "sub": "a"});
    assert!(!claims_to_be_ours(&signed(&foreign, "k1")));
    for text in [
        "",
        "a.b.c",
        "eyJh.b.c",
        "postern",
        "a.eyJpc3MiOiJwb3N0ZXJuIn0",
        "a.eyJpc3MiOiJwb3N0ZXJuIn0.c.d",
    ] {
        assert!(!claims_to_be_ours(text), "{text}");
    }
    assert!(claims_to_be_ours("a.eyJpc3MiOiJwb3N0ZXJuIn0.c"));
}
