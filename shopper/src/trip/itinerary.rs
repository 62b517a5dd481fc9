//! Where the steps of a trip go: addresses made once, not per request.

use awc::http::{Uri, header::HeaderValue};
use shared::wire::CheckoutRequest;
use url::Url;
use uuid::Uuid;

use crate::client::Call;

/// The addresses of a store.
#[derive(Clone, Debug)]
pub(crate) struct Itinerary {
    base: Url,
    welcome: Uri,
    whats_in_store: Uri,
    checkout: Uri,
}

/// Why a URL is not that of a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{url:?} is not the address of a store: {problem}; expected http://HOST[:PORT], such as \
     http://127.0.0.1:5000"
)]
pub struct StoreUrlError {
    url: String,
    problem: &'static str,
}

impl Itinerary {
    /// The addresses of the store at `url`, which may have a path of its own.
    ///
    /// # Errors
    /// [`StoreUrlError`] when requests cannot be sent there.
    pub(crate) fn new(url: &Url) -> Result<Self, StoreUrlError> {
        let error = |problem| StoreUrlError { url: url.to_string(), problem };
        if url.scheme() != "http" {
            return Err(error("its scheme is not http"));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(error("it names no host"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(error("it has a query or a fragment"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(error("it has a user name or a password"));
        }
        let base = url.as_str().trim_end_matches('/');
        let uri = |path: &str| {
            format!("{base}{path}").parse().map_err(|_| error("HTTP does not allow it"))
        };
        Ok(Self {
            welcome: uri("/")?,
            whats_in_store: uri("/whats-in-store")?,
            checkout: uri("/checkout")?,
            base: url.clone(),
        })
    }

    pub(super) fn welcome(&self) -> Uri {
        self.welcome.clone()
    }

    pub(super) fn whats_in_store(&self) -> Uri {
        self.whats_in_store.clone()
    }

    /// The address of a product, whatever its id is made of; `None` if it is too long for one.
    pub(super) fn product(&self, id: &str) -> Option<Uri> {
        let mut url = self.base.clone();
        url.path_segments_mut().ok()?.pop_if_empty().push("products").push(id);
        url.as_str().parse().ok()
    }

    /// A checkout with a key of its own. The key is no part of the plan: the same plan in another
    /// run is another purchase.
    pub(super) fn checkout(&self, basket: &CheckoutRequest) -> Call {
        let body = serde_json::to_vec(basket).expect("a basket is only text and numbers").into();
        let key = HeaderValue::from_str(
            Uuid::new_v4().hyphenated().encode_lower(&mut Uuid::encode_buffer()),
        )
        .expect("a UUID is only hexadecimal digits and hyphens");
        Call::Checkout { uri: self.checkout.clone(), body, key }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_may_have_a_path_of_its_own() {
        for (url, expected) in [
            ("http://127.0.0.1:5000", "http://127.0.0.1:5000/checkout"),
            ("http://[::1]:5000/", "http://[::1]:5000/checkout"),
            ("http://shop.example/grocery/", "http://shop.example/grocery/checkout"),
        ] {
            let itinerary = Itinerary::new(&url.parse().unwrap()).unwrap();
            assert_eq!(itinerary.checkout.to_string(), expected);
        }
    }

    #[test]
    fn every_id_has_an_address_but_one_that_is_too_long() {
        let itinerary = Itinerary::new(&"http://shop.example/grocery/".parse().unwrap()).unwrap();
        for (id, path) in [
            ("7", "/grocery/products/7"),
            ("a/b?c#d e", "/grocery/products/a%2Fb%3Fc%23d%20e"),
            ("ä^|[\"", "/grocery/products/%C3%A4^|[%22"),
        ] {
            assert_eq!(itinerary.product(id).unwrap().path(), path);
        }
        assert_eq!(itinerary.product(&"7".repeat(70_000)), None);
    }

    #[test]
    fn what_is_no_store_is_refused_by_name() {
        for url in ["https://127.0.0.1/", "file:///tmp", "http://a/?b", "http://me:pw@a/"] {
            let error = Itinerary::new(&url.parse().unwrap()).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{url:?}")), "{error}");
        }
    }
}
