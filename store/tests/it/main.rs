//! Tests of the store from outside: over its storage and over HTTP.

mod storage;
