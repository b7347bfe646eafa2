//! Every SQL function, called for one organization: what another organization has changes nothing about the answer,
//! and what it has stays as it is.

use super::cases::{ACROSS, tenants};
use super::rights::filled;
use super::rows::{WITHOUT_B, held, stable};
use super::{done, run};
use tokio_postgres::Client;

/// What a call does, in a transaction of its own that is rolled back: its answer, and what `a` and `b` hold then.
async fn outcome(
    client: &Client,
    before: &str,
    call: &str,
) -> (Vec<String>, Vec<String>, Vec<String>) {
    done(client, &format!("savepoint calling; {before}")).await;
    let answer = format!("select {} from {call} r order by 1", stable("r::text"));
    let (answer, ours, theirs) = match run(client, &answer).await {
        Ok(answer) => {
            let ours = held(client, Some("a"), false).await;
            (answer, ours, held(client, Some("b"), true).await)
        }
        // The error's code says what was refused; its words may name a row.
        Err(error) => (vec![error[..5].to_owned()], vec![], vec![]),
    };
    done(client, "rollback to savepoint calling").await;
    (answer, ours, theirs)
}

/// What is wrong about these calls: where `b` makes a difference for `a`, or `a` for `b`.
pub(super) async fn leaks(client: &Client, concerned: impl Fn(&str) -> bool) -> Vec<String> {
    let mut leaks = Vec::new();
    let ours_before = held(client, Some("a"), false).await;
    let theirs_before = held(client, Some("b"), true).await;
    let nobodys_before = held(client, None, true).await;
    for (function, calls) in tenants().filter(|(function, _)| concerned(function)) {
        for arguments in *calls {
            let call = format!("{function}({})", arguments.replace('@', "'a'"));
            let (answer, ours, theirs) = outcome(client, "", &call).await;
            let (alone, ours_alone, _) = outcome(client, WITHOUT_B, &call).await;
            if answer != alone {
                leaks.push(format!(
                    "{call} answers {answer:?}, and {alone:?} without b"
                ));
            }
            if ours != ours_alone {
                leaks.push(format!("{call} leaves a with other rows without b"));
            }
            if !theirs.is_empty() && theirs != theirs_before {
                leaks.push(format!("{call} changes rows of b"));
            }
            // Without an organization there is nothing to see and nothing to change.
            for nobody in ["null", "''"] {
                // A placeholder proves an organization, so the hot read may name none.
                if !arguments.contains('@') || function.contains("access_facts") && nobody == "null"
                {
                    continue;
                }
                let call = format!("{function}({})", arguments.replace('@', nobody));
                let (answer, ours, theirs) = outcome(client, "", &call).await;
                let told = answer.iter().any(|row| row.contains("mark-"));
                let changed =
                    !theirs.is_empty() && (&ours, &theirs) != (&ours_before, &theirs_before);
                if told || changed {
                    leaks.push(format!("{call} answers {answer:?} or changes rows"));
                }
            }
        }
    }
    for (function, arguments, expected) in
        ACROSS.iter().filter(|(function, ..)| concerned(function))
    {
        let (answer, _, theirs) = outcome(client, "", &format!("{function}({arguments})")).await;
        let counted = function.contains("oldest_age");
        // An error of row-level security shows nothing and changes nothing.
        let refused = answer == ["42501"];
        if answer != *expected && !counted && !refused {
            leaks.push(format!(
                "{function}({arguments}) answers {answer:?}, not {expected:?}"
            ));
        }
        let leases = ["due", "unsettled", "unposted"];
        let leases = leases.iter().any(|what| function.contains(what));
        if !theirs.is_empty() && theirs != theirs_before && !leases {
            leaks.push(format!("{function}({arguments}) changes rows of b"));
        }
    }
    if held(client, None, true).await != nobodys_before {
        leaks.push("rows of no organization changed".into());
    }
    leaks
}

#[tokio::test]
async fn what_another_organization_has_makes_no_difference_to_any_call() {
    let (_world, client) = filled().await;
    let leaks = leaks(&client, |_| true).await;
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

#[tokio::test]
async fn every_sql_function_is_called() {
    let (_world, client) = filled().await;
    let all = "select n.nspname || '.' || p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname like 'postern\\_%' order by 1";
    for function in done(&client, all).await {
        let called = tenants().any(|(name, _)| *name == function)
            || ACROSS.iter().any(|(name, ..)| *name == function);
        assert!(called, "{function}");
    }
}
