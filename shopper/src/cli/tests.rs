use clap::{CommandFactory, Parser, error::ErrorKind};

use super::*;

#[derive(Debug, Parser)]
struct Shopper {
    #[command(flatten)]
    args: Args,
}

fn parse(line: &str) -> Result<Args, clap::Error> {
    let words = std::iter::once("shopper").chain(line.split_whitespace());
    Shopper::try_parse_from(words).map(|shopper| shopper.args)
}

fn config(line: &str) -> Config {
    parse(line).unwrap().config().unwrap()
}

#[test]
fn the_command_line_is_sound() {
    Shopper::command().debug_assert();
}

#[test]
fn without_options_one_shopper_thinks_a_second_between_trips_for_ever() {
    let config = config("");
    let Load::Closed { shoppers, every, think } = config.load else { panic!("{config:?}") };
    assert_eq!((shoppers.get(), every, think), (1, Duration::from_secs(1), Think::Fixed));
    assert_eq!(config.store_url.as_str(), "http://127.0.0.1:5000/");
    assert_eq!((config.trips, config.duration), (None, None));
    assert_eq!(config.mix.to_string(), "quick-buy=80,big-basket=20");
}

#[test]
fn what_is_chosen_is_known_from_what_is_left_to_the_defaults() {
    let chosen = |line| {
        let args = parse(line).unwrap();
        (args.chooses_load(), args.chooses_mix(), args.chooses_faults())
    };
    assert_eq!(chosen("--seed 7 --trips 2 --duration 1m --patience 1s"), (false, false, false));
    for line in ["--rate 5", "--stages 1s@5", "--shoppers 1", "--every 1s", "--think fixed"] {
        assert_eq!(chosen(line), (true, false, false), "{line}");
    }
    assert_eq!(chosen("--mix quick-buy=1 --fault panic=Ledger"), (false, true, true));
}

#[test]
fn a_rate_or_stages_make_the_model_open() {
    for line in
        ["--rate 200", "--stages 30s@100,2m@500", "--rate 5 --stages 1m@10 --arrivals bursty"]
    {
        assert!(matches!(config(line).load, Load::Open { .. }), "{line}");
    }
}

#[test]
fn seeds_are_kept_and_differ_when_none_is_given() {
    assert_eq!(config("--seed 7").seed, 7);
    assert_ne!(config("").seed, config("").seed);
}

#[test]
fn faults_may_be_given_several_times() {
    let config = config("--fault panic=Checkout@5% --fault stall=Aisle:1s;error=Ledger:5%@0.5");
    let faults: Vec<_> = config.faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults, ["panic=Checkout@5%", "stall=Aisle:1s@100%", "error=Ledger:5%@50%"]);
}

#[test]
fn contradictions_are_refused() {
    for line in [
        "--rate 5 --shoppers 2",
        "--rate 5 --every 1s",
        "--stages 1s@5 --think exponential",
        "--stages 1s@5 --duration 1m",
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ArgumentConflict, "{line}: {error}");
    }
    for line in ["--arrivals even", "--max-shoppers 5"] {
        let error = parse(line).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument, "{line}: {error}");
    }
}

#[test]
fn values_that_make_no_sense_are_refused_by_name() {
    for (flag, value) in [
        ("--shoppers", "0"),
        ("--shoppers", "4000000000"),
        ("--rate", "0"),
        ("--rate", "fast"),
        ("--threads", "0"),
        ("--threads", "257"),
        ("--threads", "20000"),
        ("--trips", "0"),
        ("--duration", "0s"),
        ("--duration", "soon"),
        ("--mix", "nobody=1"),
        ("--fault", "panic=Nobody"),
        ("--retry-budget", "200%"),
        ("--store-url", "ftp://shop.example"),
        ("--store-url", "127.0.0.1:5000"),
        ("--stages", "30s"),
        ("--share", "0/3"),
        ("--share", "33%"),
        ("--shares", "0"),
        ("--shares", "10001"),
        ("--share-index", "first"),
    ] {
        let error = parse(&format!("{flag} {value}")).unwrap_err().to_string();
        assert!(error.contains(flag) && error.contains(value), "{error}");
    }
}

#[test]
fn a_refusal_says_what_was_expected() {
    for (line, expected) in [
        ("--threads 0", "expected a whole number from 1 to 256"),
        ("--threads 20000", "expected a whole number from 1 to 256"),
        ("--trips 0", "expected a whole number above zero"),
        ("--rate 100/s", "as a number without a unit, such as 100 or 0.5"),
        ("--shoppers 0", "expected a whole number from 1 to 1000000"),
    ] {
        let error = parse(line).unwrap_err().to_string();
        assert!(error.contains(expected), "{line}: {error}");
    }
    assert_eq!(config("--threads 256").threads.get(), 256);
}

#[test]
fn a_share_is_named_by_number_or_by_the_index_of_a_pod() {
    let share = |line: &str| config(line).share.to_string();
    assert_eq!(share("--rate 600"), "1/1");
    assert_eq!(share("--rate 600 --seed 1 --share 2/3"), "2/3");
    assert_eq!(share("--rate 600 --seed 1 --shares 3 --share-index 2"), "3/3");
    assert_eq!(share("--share-index 2"), "1/1", "an indexed Job of shoppers that share nothing");
}

#[test]
fn a_share_needs_a_seed_and_an_index() {
    for line in ["--share 1/3", "--shares 3 --share-index 0", "--shares 3 --seed 1"] {
        let error = parse(line).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingRequiredArgument, "{line}: {error}");
    }
    let error = parse("--share 1/3 --shares 3 --share-index 0 --seed 1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ArgumentConflict, "{error}");
}

#[test]
fn a_share_that_does_not_exist_or_has_nothing_to_do_is_refused() {
    for (line, expected) in [
        (
            "--shares 3 --share-index 3 --seed 1 --shoppers 9",
            "--share-index 3 (or JOB_COMPLETION_INDEX): expected an index from 0 to 2, since \
             --shares is 3",
        ),
        ("--share 1/3 --seed 1", "--shoppers 1: expected at least 3, since 3 shares divide them"),
        (
            "--share 1/3 --seed 1 --rate 9 --max-shoppers 2",
            "--max-shoppers 2: expected at least 3, since 3 shares divide them",
        ),
        (
            "--share 1/3 --seed 1 --rate 9 --trips 2",
            "--trips 2: expected at least 3, since 3 shares divide them",
        ),
    ] {
        assert_eq!(parse(line).unwrap().config().unwrap_err().to_string(), expected, "{line}");
    }
}

#[test]
fn every_option_names_its_variable_and_says_what_it_is() {
    for arg in Shopper::command().get_arguments().filter(|arg| !arg.is_hide_set()) {
        let id = arg.get_id().as_str();
        if id == "help" {
            continue;
        }
        assert!(arg.get_env().is_some(), "{id} has no variable");
        assert!(arg.get_help().is_some(), "{id} has no help");
    }
}
