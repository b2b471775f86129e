//! What is doubtful in a configuration that is right as a file: the duty list from now on, and who may reply in any name.

use crate::{
    base::RealClock,
    config::{Config, duty_doubts, duty_strength, unbounded_senders},
    domain::{Clock, TokenScope},
    runtime::{AccountProblem, Accounts},
};

/// As sentences, each with its key before a colon.
pub(super) fn doubts(config: &Config) -> Vec<String> {
    let now = RealClock::start().now().wall;
    let duty = config.routing.roster.iter().flat_map(|roster| duty_doubts(roster, now));
    let duty = duty.chain(duty_strength(config, now));
    duty.chain(unbounded_senders(config, unbounded_tokens(config))).collect()
}

/// Names of API tokens that reply, and of which nobody has said in whose names; or why they are not known.
fn unbounded_tokens(config: &Config) -> Result<Vec<String>, String> {
    let all = Accounts::at(&config.data.path).tokens().map_err(|why| match why {
        AccountProblem::Refused(why)
        | AccountProblem::Unknown(why)
        | AccountProblem::Unavailable(why) => why,
    })?;
    let open = all
        .into_iter()
        .filter(|one| one.scopes.contains(&TokenScope::Reply) && one.speaks_for.is_unsaid());
    Ok(open.map(|one| one.name).collect())
}
