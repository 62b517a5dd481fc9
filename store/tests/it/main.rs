//! Tests of the store from outside: over its storage and over HTTP.

mod actors;
mod faults;
mod http;
mod limits;
mod storage;
mod support;
mod traces;
