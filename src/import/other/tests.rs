//! Texts that are no more than odd: what they come to.
