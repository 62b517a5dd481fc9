//! What the shopper is started with: what its user has chosen, and otherwise a load that shows what
//! the store does.
//!
//! Orders meet in one transaction only if they come at the same moment, a basket is sold out only if
//! somebody wants more than there is, and an aisle is slow only for those who ask for it. The load
//! has all three, and is light all the same.

use std::ffi::OsString;

use clap::Parser;

use crate::cli::Together;

/// How many trips, unless the load is chosen, and how they come.
const LOAD: [&str; 4] = ["--rate", "3", "--arrivals", "bursty"];

/// What kinds of trip there are, unless they or the load are chosen.
const MIX: [&str; 2] =
    ["--mix", "quick-buy=45,big-basket=15,bulk-buy=15,browse-only=10,hesitant=10,impatient=5"];

/// Which fault some trips ask for, unless faults or the load are chosen.
const FAULT: [&str; 2] = ["--fault", "slow-aisle=frozen:250ms@10%"];

/// How long the shopper may take to stop.
const STOP_WITHIN: &str = "4s";

/// The shopper's command line, as `grocery shopper` has it.
#[derive(Parser)]
#[command(name = "grocery shopper")]
struct Shopper {
    #[command(flatten)]
    args: shopper::Args,
}

/// The flags of the shopper.
///
/// # Errors
/// Wrong usage of the shopper, in clap's own words.
pub(crate) fn shopper_args(options: &Together) -> Result<Vec<OsString>, clap::Error> {
    let mut args = chosen(options);
    let words = std::iter::once("grocery shopper".into()).chain(args.iter().cloned());
    // Its variables count as its flags do.
    let Shopper { args: shopper } = shared::env::try_parse_from(words)?;
    if !shopper.chooses_load() {
        let mix = (!shopper.chooses_mix()).then_some(MIX);
        let fault = (!shopper.chooses_faults()).then_some(FAULT);
        let more = [mix, fault].into_iter().flatten().flatten();
        args.extend(LOAD.into_iter().chain(more).map(OsString::from));
    }
    Ok(args)
}

/// What the user has chosen, and where the others are.
fn chosen(options: &Together) -> Vec<OsString> {
    let number = |number: std::num::NonZeroU64| number.to_string().into();
    let text = |text: &Option<String>| text.as_ref().map(OsString::from);
    let url = |addr| Some(format!("http://{addr}").into());
    let flags = [
        ("--store-url", url(options.store_listen)),
        ("--ui-url", url(options.viewer_listen)),
        ("--rate", text(&options.rate)),
        ("--shoppers", options.shoppers.map(number)),
        ("--every", text(&options.every)),
        ("--duration", text(&options.duration)),
        ("--trips", options.trips.map(number)),
        ("--stop-within", Some(STOP_WITHIN.into())),
    ];
    let given = flags.into_iter().filter_map(|(flag, value)| Some([flag.into(), value?]));
    given.flatten().chain(options.shopper_flags.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    /// What is added to what was chosen.
    fn added(flags: &[&str]) -> Vec<String> {
        let command = clap::Command::new("grocery").no_binary_name(true);
        let matches = Together::augment_args(command).get_matches_from(flags);
        let options = Together::from_arg_matches(&matches).unwrap();
        let args = shopper_args(&options).unwrap();
        let added = args.into_iter().skip(chosen(&options).len());
        added.map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn a_load_of_ones_own_is_left_as_it_is() {
        for flags in [
            &["--rate", "200", "--duration", "1m"][..],
            &["--every", "10ms"],
            &["--shoppers", "2"],
            &["--", "--stages", "1m@5"],
            &["--", "--think", "exponential"],
            &["--every", "1s", "--", "--mix", "quick-buy=1"],
        ] {
            assert_eq!(added(flags), [""; 0], "{flags:?}");
        }
    }

    #[test]
    fn without_one_the_store_is_shown_and_what_is_chosen_beside_it_counts() {
        let all = [&LOAD[..], &MIX, &FAULT].concat();
        assert_eq!(added(&[]), all);
        assert_eq!(added(&["--trips", "2", "--", "--seed", "7"]), all);
        assert_eq!(added(&["--", "--mix", "quick-buy=1"]), [&LOAD[..], &FAULT].concat());
        assert_eq!(added(&["--", "--fault", "panic=Ledger@1%"]), [&LOAD[..], &MIX].concat());
    }
}
