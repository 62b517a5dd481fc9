//! One binary for all the tests, to link once.
mod smoke;
