use std::{sync::LazyLock, time::Duration};

use proptest::prelude::*;

use super::{AssertionError, Assertions};
use crate::{
    report::{metric::METRICS, sample},
    result::RunResult,
    statistics::Statistics,
};

static SAMPLE: LazyLock<RunResult> = LazyLock::new(sample::result);

/// In the sample run the p99 is 805 ms, 6 of 201 trips failed, 20 of 221 were missed, at 10.05/s.
#[test]
fn assertions_hold_or_fail_by_what_was_measured() {
    let result = sample::result();
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
        ("faults_honoured>=66%", true),
        ("faults_ignored<1", false),
        ("faults_struck>=30", true),
    ];
    for (text, passed) in outcomes {
        let verdict = &text.parse::<Assertions>().unwrap().judge(&result)[0];
        assert_eq!((verdict.passed, text), (passed, text), "measured {}", verdict.measured);
    }
}

#[test]
fn a_failed_assertion_says_what_was_measured() {
    let result = sample::result();
    let assertions: Assertions = "failures<0.1%,rate>20/s".parse().unwrap();
    let said: Vec<_> = assertions
        .judge(&result)
        .into_iter()
        .map(|v| format!("{} {} {}", v.passed, v.assertion, v.measured))
        .collect();
    assert_eq!(said, ["false failures<0.1% 3% (6)", "false rate>20/s 10.1/s"]);
}

#[test]
fn nothing_measured_passes_nothing() {
    let result = Statistics::new(sample::settings()).result();
    for text in ["p99<50ms", "service_mean>0ms", "failures<1%", "missed<1"] {
        let verdict = &text.parse::<Assertions>().unwrap().judge(&result)[0];
        assert_eq!(
            (verdict.passed, verdict.measured.as_str()),
            (false, "nothing, for want of trips")
        );
    }
}

#[test]
fn faults_that_nobody_asked_for_were_not_honoured() {
    let mut result = sample::result();
    result.faults.clear();
    for text in ["faults_honoured>0%", "faults_ignored<1", "faults_struck<1"] {
        let verdict = &text.parse::<Assertions>().unwrap().judge(&result)[0];
        let measured = verdict.measured.as_str();
        assert_eq!((verdict.passed, measured), (false, "nothing, for want of faults"));
    }
}

/// Seven failures of a thousand are exactly 0.7%.
#[test]
fn a_share_is_exactly_at_its_bound() {
    let mut result = sample::result();
    result.trips.started = 1000;
    for thousandths in 1..=999_u64 {
        result.trips.failed = thousandths;
        let bound = format!("{}.{}%", thousandths / 10, thousandths % 10);
        for (sign, holds) in [("<=", true), (">=", true), ("<", false), (">", false)] {
            let assertions: Assertions = format!("failures{sign}{bound}").parse().unwrap();
            assert_eq!(assertions.judge(&result)[0].passed, holds, "{assertions}");
        }
    }
}

proptest! {
    /// Each bound is compared again here, in whole numbers.
    #[test]
    fn every_bound_is_exact(
        count in 0_u64..2_000_000,
        more in 0_u64..2_000_000,
        us in 0_u64..4_000_000_000,
        seconds in 1_u64..100_000,
        digits in 0_u64..10_000_000,
        scale in 0_usize..7,
        near in prop::bool::weighted(0.5),
    ) {
        let of = count + more.max(1);
        let power = 10_u128.pow(scale as u32);
        // Half of the bounds are close to the measured value, where rounding would show.
        let next_to = |exact: u128| if near { exact + u128::from(digits % 3) } else { digits.into() };
        let written = |digits: u128| {
            let digits = format!("{digits:0width$}", width = scale + 1);
            let (whole, fraction) = digits.split_at(digits.len() - scale);
            if scale == 0 { whole.to_owned() } else { format!("{whole}.{fraction}") }
        };
        let mut result = SAMPLE.clone();
        (result.trips.failed, result.trips.started) = (count, of);
        result.latency.corrected.max_us = Some(us);
        result.run.scheduled = Duration::from_secs(seconds);
        let judge = |text: String| {
            let verdict = text.parse::<Assertions>().unwrap().judge(&result).remove(0);
            (verdict.passed, text)
        };
        let percent = next_to(u128::from(count) * 100 * power / u128::from(of)).min(100 * power);
        let (passed, text) = judge(format!("failures<{}%", written(percent)));
        prop_assert_eq!(passed, u128::from(count) * 100 * power < percent * u128::from(of), "{}", text);
        let ms = next_to(u128::from(us) * power / 1000);
        let (passed, text) = judge(format!("max<={}ms", written(ms)));
        prop_assert_eq!(passed, u128::from(us) * power <= ms * 1000, "{}", text);
        let rate = next_to(u128::from(of) * power / u128::from(seconds));
        let (passed, text) = judge(format!("rate>={}/s", written(rate)));
        prop_assert_eq!(passed, u128::from(of) * power >= rate * u128::from(seconds), "{}", text);
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
        ("p99<+5ms", r#""+5ms" is no bound for p99"#),
        ("faults_ignored<+5%", r#""+5%" is no bound for faults_ignored"#),
        ("max<1234567890.1234567ms", r#"is no bound for max"#),
        ("worse<1%", r#""1%" is no bound for worse: expected a whole count such as 1"#),
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
