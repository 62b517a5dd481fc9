//! Which kinds of trip there are, and how often.

use std::{fmt, str::FromStr};

use rand::{
    Rng,
    distr::{Distribution, weighted::WeightedIndex},
};

use super::TripKind;

/// Kinds of trip with their weights: `quick-buy=80,big-basket=20`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    kinds: Vec<(TripKind, u32)>,
    weights: WeightedIndex<u64>,
}

/// Why a text is not a mix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{input:?} is not a mix of trips: {problem}; expected KIND=WEIGHT,..., with KIND one of {}, \
     each at most once, and WEIGHT a whole number, not all zero",
    TripKind::ALL.map(TripKind::name).join(", ")
)]
pub struct MixError {
    input: String,
    problem: &'static str,
}

impl Mix {
    pub(super) fn choose(&self, rng: &mut impl Rng) -> TripKind {
        self.kinds[self.weights.sample(rng)].0
    }
}

impl FromStr for Mix {
    type Err = MixError;

    fn from_str(text: &str) -> Result<Self, MixError> {
        parse(text).map_err(|problem| MixError { input: text.into(), problem })
    }
}

fn parse(text: &str) -> Result<Mix, &'static str> {
    let mut kinds = Vec::<(TripKind, u32)>::new();
    for part in text.split(',') {
        let (name, weight) = part.split_once('=').ok_or("there is no '='")?;
        let kind = TripKind::ALL.into_iter().find(|kind| kind.name() == name.trim());
        let kind = kind.ok_or("there is no such kind")?;
        if kinds.iter().any(|(other, _)| *other == kind) {
            return Err("a kind is there twice");
        }
        let weight = weight.trim().parse().map_err(|_| "the weight cannot be read")?;
        kinds.push((kind, weight));
    }
    let weights = WeightedIndex::new(kinds.iter().map(|(_, weight)| u64::from(*weight)))
        .map_err(|_| "all weights are zero")?;
    Ok(Mix { kinds, weights })
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (kind, weight)) in self.kinds.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}={weight}", kind.name())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Planner;

    #[test]
    fn kinds_come_as_often_as_they_weigh() {
        let planner =
            Planner::new(1, "browse-only=1,quick-buy=3,hesitant=0".parse().unwrap(), vec![]);
        let kinds: Vec<_> = (0..4000).map(|nth| planner.plan(1, nth).kind).collect();
        let count = |kind| kinds.iter().filter(|&&other| other == kind).count();
        assert!((850..1150).contains(&count(TripKind::BrowseOnly)));
        assert_eq!(count(TripKind::BrowseOnly) + count(TripKind::QuickBuy), 4000);
    }

    #[test]
    fn a_mix_reads_back_as_it_was_written() {
        let text = "quick-buy=80,big-basket=20";
        assert_eq!(text.parse::<Mix>().unwrap().to_string(), text);
    }

    #[test]
    fn what_is_no_mix_is_refused_by_name() {
        for text in
            ["", "quick-buy", "nobody=1", "quick-buy=-1", "quick-buy=1,quick-buy=2", "hesitant=0"]
        {
            let error = text.parse::<Mix>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{text:?} is not a mix of trips")), "{error}");
        }
    }
}
