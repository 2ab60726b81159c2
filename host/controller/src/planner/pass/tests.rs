use super::*;

fn ask(outcome: Outcome, selector: &Selector, sent: bool) -> Result<Answer, StoreError> {
    answer_of(outcome, selector, sent, &Ledger::new(100))
}

#[test]
fn an_outcome_must_fit_what_was_asked() {
    let (key, path) = (
        Selector::Key("k".into()),
        Selector::Prefix {
            path: "/p".into(),
            recursive: false,
        },
    );
    let value = || {
        Outcome::Value(keyhole_core::Value {
            bytes: b"v".to_vec().into(),
            is_text: true,
            version: None,
        })
    };
    assert!(matches!(ask(value(), &key, false), Ok(Answer::Value(_))));
    assert!(matches!(
        ask(Outcome::Values(vec![]), &path, false),
        Ok(Answer::Value(_))
    ));
    assert!(matches!(ask(Outcome::Unchanged, &key, true), Ok(Answer::Unchanged)));
    for (outcome, selector) in [
        (value(), &path),
        (Outcome::Values(vec![]), &key),
        (Outcome::Unchanged, &key),
    ] {
        let Ok(Answer::Failed(failure)) = ask(outcome, selector, false) else {
            panic!("accepted")
        };
        assert_eq!(failure.reason, Reason::PluginFailed);
    }
}
