//! What must hold for any input. The fuzz targets use it, and so does a test that runs on stable.

use std::{fmt::Display, str::FromStr, time::Duration};

use shared::{fault::FaultOutcome, share::Share};
use shopper::{
    arrival::{Arrivals, Rate, RateProfile, Schedule, Stages},
    plan::{FaultShare, Mix, Planner},
    report::{Assertions, compare, page, text},
    result::RunResult,
};

/// A report is refused, or it can be compared, shown, and written and read again unchanged.
pub(crate) fn report(bytes: &[u8]) {
    let Ok(mut earlier) = serde_json::from_slice::<RunResult>(bytes) else { return };
    let comparison = compare(&earlier, &earlier);
    earlier.comparison = Some(comparison);
    let shown = text(&earlier);
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "a terminal would obey it");
    let shown = page(&earlier);
    assert!(!shown.contains("<script"), "a script got in");
    let written = serde_json::to_string(&earlier).expect("a result can be written");
    serde_json::from_str::<RunResult>(&written).expect("what is written can be read");
}

/// A text is refused, or what it is parsed to is displayed as a text with the same meaning.
pub(crate) fn plan(text: &str) {
    reads_back::<Assertions>(text);
    reads_back::<Rate>(text);
    reads_back::<Share>(text);
    reads_back::<FaultOutcome>(text);
    if let Some(mix) = reads_back::<Mix>(text) {
        assert_eq!(Planner::new(1, mix, vec![]).plan(1, 0).fault, None);
    }
    if let Some(fault) = reads_back::<FaultShare>(text) {
        let mix: Mix = "quick-buy=1".parse().expect("it is a mix");
        let planner = Planner::new(1, mix, vec![fault]);
        assert_eq!(planner.plan(1, 0), planner.plan(1, 0));
    }
    if let Some(stages) = reads_back::<Stages>(text) {
        let profile = RateProfile::ramps(None, &stages);
        let end = profile.end();
        let schedule = Schedule::new(profile.clone(), Arrivals::Even, 1);
        let starts: Vec<_> = schedule.take(100).collect();
        assert!(starts.is_sorted());
        assert!(end.is_none_or(|end| starts.iter().all(|start| *start <= end)), "{starts:?}");
        assert!(profile.expected_until(Duration::MAX) >= 0.0);
    }
}

fn reads_back<T: FromStr + Display>(text: &str) -> Option<T> {
    let value: T = text.parse().ok()?;
    let shown = value.to_string();
    let again = shown.parse::<T>().unwrap_or_else(|_| panic!("{text:?} is shown as {shown:?}"));
    assert_eq!(again.to_string(), shown, "{text:?}");
    Some(value)
}
