//! All actors together: nothing is sold twice, lost, or left reserved, however many customers buy
//! at the same time.

use std::collections::HashMap;

use futures_util::future::join_all;
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use shared::wire::Receipt;
use store::storage::Storage;
use tempfile::TempDir;

use crate::support::TestStore;

fn database() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/store.db", folder.path().display());
    (folder, url)
}

async fn assert_clean(url: &str) {
    let storage = Storage::open(&url.parse().unwrap()).await.unwrap();
    let audit = storage.audit().await.unwrap();
    assert!(audit.is_clean(), "{audit}");
    storage.close().await;
}

/// Shops with all baskets at once and counts the pieces sold of each product.
async fn shop(store: &TestStore, baskets: &[Vec<(u32, u32)>]) -> HashMap<u32, u64> {
    let answers = join_all(baskets.iter().map(|basket| store.checkout(basket).send())).await;
    let mut sold = HashMap::new();
    for (basket, answer) in baskets.iter().zip(answers) {
        if answer.status == 201 {
            assert_eq!(answer.json::<Receipt>().lines.len(), basket.len());
            for (product, quantity) in basket {
                *sold.entry(*product).or_default() += u64::from(*quantity);
            }
        } else {
            assert_eq!(answer.problem(409).kind, "/problems/out-of-stock");
        }
    }
    sold
}

#[actix_web::test]
async fn sixty_four_shoppers_never_buy_more_than_there_is() {
    let (_folder, url) = database();
    let store = TestStore::open_with(|config| config.database = url.parse().unwrap()).await;
    // There are 150 bottles of oil. 64 shoppers each want five, with products of other aisles.
    let basket = |n: u32| vec![(19, 1 + n % 3), (1 + n % 16, 1)];
    let baskets: Vec<_> = (0..320).map(basket).collect();
    let sold = shop(&store, &baskets).await;
    assert!((148..=150).contains(&sold[&19]), "{sold:?}");
    for (product, sold) in sold {
        let initial = u64::from(store::domain::CATALOGUE[product as usize - 1].initial_stock);
        store.await_stock(None, product, initial - sold).await;
    }
    store.close().await;
    assert_clean(&url).await;
}

#[actix_web::test]
async fn two_stores_on_one_database_agree_and_never_sell_more_than_there_is() {
    let (_folder, url) = database();
    let open = || TestStore::open_with(|config| config.database = url.parse().unwrap());
    let (one, other) = (open().await, open().await);
    let baskets: Vec<_> = (0..100).map(|_| vec![(19, 1), (29, 2)]).collect();
    let (here, there) = futures_util::join!(shop(&one, &baskets), shop(&other, &baskets));
    let sold = [&here, &there].iter().filter_map(|sold| sold.get(&29)).sum::<u64>();
    assert_eq!(sold, 200, "{here:?} {there:?}");
    for store in [&one, &other] {
        store.await_stock(None, 29, 0).await;
        store.await_stock(None, 19, 50).await;
    }
    one.close().await;
    other.close().await;
    assert_clean(&url).await;
}

/// Any baskets, bought at the same time: what is left plus what was sold is what there was.
#[actix_web::test]
async fn whatever_is_bought_at_once_adds_up() {
    let store = TestStore::open().await;
    let basket = prop::collection::btree_map(17_u32..23, 1_u32..60, 1..4);
    let shoppers = prop::collection::vec(basket, 64);
    let mut left: HashMap<u32, u64> = (17..23)
        .map(|id| (id, u64::from(store::domain::CATALOGUE[id as usize - 1].initial_stock)))
        .collect();
    let mut runner = TestRunner::deterministic();
    for _ in 0..4 {
        let baskets = shoppers.new_tree(&mut runner).unwrap().current();
        let baskets: Vec<Vec<_>> = baskets.into_iter().map(Vec::from_iter).collect();
        for (product, sold) in shop(&store, &baskets).await {
            let left = left.get_mut(&product).unwrap();
            *left = left.checked_sub(sold).expect("no more is sold than there is");
        }
        for (product, left) in &left {
            store.await_stock(None, *product, *left).await;
        }
    }
}

#[actix_web::test]
async fn a_store_that_sells_out_is_filled_again() {
    let store = TestStore::open_with(|config| config.actors.restock.below = 10).await;
    for _ in 0..3 {
        let all = store.in_stock(19).await;
        let order = store.checkout(&[(19, u32::try_from(all).unwrap())]).send().await;
        assert_eq!(order.status, 201);
        let filled = async {
            while store.in_stock(19).await == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(crate::support::PATIENCE, filled).await.unwrap();
    }
}
