//! The seed of a random test: printed, and given again by `GRIDPOST_SEED=n`.

pub(crate) fn seed() -> u64 {
    let given = std::env::var("GRIDPOST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(rand::random);
    println!("GRIDPOST_SEED={seed}");
    seed
}
