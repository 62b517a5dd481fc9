//! The metrics, as an exporter gets them.
