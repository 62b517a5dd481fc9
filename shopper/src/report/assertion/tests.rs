use super::{AssertionError, Assertions};
use crate::report::Document;
use crate::report::metric::METRICS;
use crate::report::sample;
use proptest::prelude::*;
use std::sync::LazyLock;

static SAMPLE: LazyLock<Document> = LazyLock::new(sample::document);

/// What the sample run was: p99 805 ms, 6 of 201 trips failed, 20 of 221 missed, 10.05/s.
#[test]
fn assertions_hold_or_fail_by_what_was_measured() {
    let document = sample::document();
    let outcomes = [
        ("p50<10ms", true),
        ("p50 < 10 ms", true),
        ("p50<1ms", false),
        ("p99<1100ms", true),
        ("p99>0.8s", true),
        ("service_p99<20ms", true),
        ("max<=1100000us", true),
        ("mean>1µs", true),
        ("p99.9>=0.9s", true),
        ("failures<3%", true),
        ("failures<2%", false),
        ("failures<=6", true),
        ("failures<6", false),
        ("missed>9%", true),
        ("missed<=20", true),
        ("rate>=10/s", true),
        ("rate>10.05/s", false),
        ("throughput<10/s", true),
        ("retries<=6", true),
        ("gave_up<2", false),
    ];
    for (text, passed) in outcomes {
        let verdict = &text.parse::<Assertions>().unwrap().judge(&document)[0];
        assert_eq!((verdict.passed, text), (passed, text), "measured {}", verdict.measured);
    }
}

#[test]
fn a_failed_assertion_says_what_was_measured() {
    let document = sample::document();
    let assertions: Assertions = "failures<0.1%,rate>20/s".parse().unwrap();
    let said: Vec<_> = assertions
        .judge(&document)
        .into_iter()
        .map(|v| format!("{} {} {}", v.passed, v.assertion, v.measured))
        .collect();
    assert_eq!(said, ["false failures<0.1% 3% (6)", "false rate>20/s 10.1/s"]);
}

#[test]
fn nothing_measured_passes_nothing() {
    let nothing = crate::statistics::Statistics::new(1).snapshot();
    let document = crate::report::Document::new(&sample::run(), &nothing);
    for text in ["p99<50ms", "service_mean>0ms", "failures<1%", "missed<1"] {
        let verdict = &text.parse::<Assertions>().unwrap().judge(&document)[0];
        assert_eq!(
            (verdict.passed, verdict.measured.as_str()),
            (false, "nothing, for want of trips")
        );
    }
}

#[test]
fn what_is_no_assertion_is_refused_by_name() {
    let errors = [
        ("", r#""": expected METRIC, one of < <= > >=, and a bound, such as p99<50ms"#),
        ("p99=50ms", r#""p99=50ms": expected METRIC, one of"#),
        ("p99<50ms,", r#""": expected METRIC"#),
        ("p98<50ms", r#""p98<50ms": there is no metric "p98"; there are rate, throughput,"#),
        ("<50ms", r#""<50ms": there is no metric """#),
        ("p99<50", r#""p99<50": "50" is no bound for p99: expected a time such as 50ms"#),
        ("p99<=ms", r#""p99<=ms": "ms" is no bound for p99"#),
        ("p99<5m", r#""5m" is no bound for p99"#),
        ("p99<-5ms", r#""-5ms" is no bound for p99"#),
        ("p99<1e3ms", r#""1e3ms" is no bound for p99"#),
        ("p99<1.2.3ms", r#""1.2.3ms" is no bound for p99"#),
        ("p99<<5ms", r#""<5ms" is no bound for p99"#),
        ("rate>5", r#""5" is no bound for rate: expected a rate such as 200/s"#),
        ("failures<1.5", r#""1.5" is no bound for failures: expected a share such as 0.1%"#),
        ("failures<101%", r#""101%" is no bound for failures"#),
        ("failures<1/s", r#""1/s" is no bound for failures"#),
    ];
    for (text, start) in errors {
        let error: AssertionError = text.parse::<Assertions>().unwrap_err();
        assert!(error.to_string().contains(start), "{text:?}: {error}");
    }
}

proptest! {
    #[test]
    fn no_text_is_too_strange_to_be_refused(text in "\\PC{0,40}") {
        if let Ok(assertions) = text.parse::<Assertions>() {
            prop_assert!(assertions.to_string().contains(['<', '>']));
        }
    }

    #[test]
    fn what_is_shown_of_an_assertion_is_the_same_assertion(
        metric in 0..METRICS.len(),
        sign in prop::sample::select(vec!["<", "<=", ">", ">="]),
        number in 0_u32..100,
        unit in prop::sample::select(vec!["us", "µs", "ms", "s", "/s", "%", ""]),
    ) {
        let text = format!(" {} {sign} {number} {unit} ", METRICS[metric].name);
        if let Ok(assertions) = text.parse::<Assertions>() {
            let shown = assertions.to_string();
            prop_assert!(!shown.contains(' '));
            let again: Assertions = shown.parse().unwrap();
            prop_assert_eq!(again.to_string(), shown);
            prop_assert_eq!(again.judge(&SAMPLE), assertions.judge(&SAMPLE));
        }
    }
}
